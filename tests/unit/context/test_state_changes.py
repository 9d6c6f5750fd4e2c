"""States change by patches and merges exactly as told, or not at all."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.context.state_changes import COPIED_MAX, OPERATIONS_MAX, is_same, merged, patched
from llmgw.types.context_errors import MergeConflict, PatchFailed
from llmgw.types.json import Json
from tests.unit.user_schemas.schema_strategies import DOCUMENTS, NAMES

OBJECTS = st.dictionaries(NAMES, DOCUMENTS, max_size=3)
POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "01", "~0", "x/y"]), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "append", ""])},
    optional={"path": POINTERS, "from": POINTERS, "value": DOCUMENTS, "more": DOCUMENTS},
)


def refusal(data: dict[str, Json], patch: Json) -> tuple[str, str]:
    """Apply a patch that must fail; returns the rule and where in the patch."""
    before = copy.deepcopy((data, patch))
    with pytest.raises(PatchFailed) as caught:
        patched(data, patch)
    assert is_same([data, patch], list(before))
    (violation,) = caught.value.violations
    return violation.rule, violation.pointer


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([], {"a": [1, {"b": None}], "c": "x"}),
        ([{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, {"b": None}, 2], "c": "x"}),
        ([{"op": "replace", "path": "/a/1/b", "value": 2**70}], {"a": [1, {"b": 2**70}], "c": "x"}),
        ([{"op": "remove", "path": "/a"}], {"c": "x"}),
        ([{"op": "move", "from": "/c", "path": "/a/0"}], {"a": ["x", 1, {"b": None}]}),
        (
            [{"op": "copy", "from": "/a", "path": "/d"}],
            {"a": [1, {"b": None}], "c": "x", "d": [1, {"b": None}]},
        ),
        ([{"op": "test", "path": "/a/0", "value": 1.0}], {"a": [1, {"b": None}], "c": "x"}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
        (
            [{"op": "add", "path": "/~0~1", "value": 1, "why": "ignored"}],
            {"a": [1, {"b": None}], "c": "x", "~/": 1},
        ),
    ],
)
def test_a_patch_does_what_it_says(patch: list[Any], expected: dict[str, Json]) -> None:
    """Each operation changes what its pointer leads to, and nothing of what was handed in."""
    data: dict[str, Json] = {"a": [1, {"b": None}], "c": "x"}
    assert patched(data, patch) == expected
    assert data == {"a": [1, {"b": None}], "c": "x"}


@pytest.mark.parametrize(
    ("patch", "rule", "pointer"),
    [
        ({"op": "add", "path": "/a", "value": 1}, "patch.form", ""),
        (None, "patch.form", ""),
        ([1], "patch.form", "/0"),
        ([{"path": "/a"}], "patch.form", "/0"),
        ([{"op": "increase", "path": "/a"}], "patch.form", "/0/op"),
        ([{"op": "add", "path": "/b"}], "patch.form", "/0"),
        ([{"op": "copy", "path": "/b"}], "patch.form", "/0"),
        ([{"op": "copy", "path": "/b", "from": 3}], "patch.form", "/0"),
        ([{"op": "remove", "path": "a"}], "patch.form", "/0/path"),
        ([{"op": "remove", "path": "/a~2"}], "patch.form", "/0/path"),
        ([{"op": "move", "path": "/a", "from": "b"}], "patch.form", "/0/from"),
        ([{"op": "remove", "path": "/z"}], "patch.target", "/0"),
        ([{"op": "replace", "path": "/z", "value": 1}], "patch.target", "/0"),
        ([{"op": "add", "path": "/a/01", "value": 1}], "patch.target", "/0"),
        ([{"op": "add", "path": "/a/9", "value": 1}], "patch.target", "/0"),
        ([{"op": "remove", "path": "/a/-"}], "patch.target", "/0"),
        ([{"op": "copy", "path": "/b", "from": "/z"}], "patch.target", "/0/from"),
        ([{"op": "copy", "path": "/b", "from": "/a/-"}], "patch.target", "/0/from"),
        ([{"op": "move", "path": "/o/x/y", "from": "/o"}], "patch.target", "/0"),
        ([{"op": "test", "path": "/z", "value": None}], "patch.target", "/0/path"),
        ([{"op": "test", "path": "/a/0", "value": True}], "patch.test", "/0"),
        (
            [{"op": "test", "path": "/a", "value": [1, 2]}, {"op": "remove", "path": "/z"}],
            "patch.target",
            "/1",
        ),
        ([{"op": "replace", "path": "", "value": []}], "patch.result", ""),
        ([{"op": "remove", "path": ""}], "patch.target", "/0"),
        ([{"op": "remove", "path": "/a"}] * (OPERATIONS_MAX + 1), "patch.size", ""),
    ],
)
def test_a_patch_that_cannot_be_applied_says_where(patch: Json, rule: str, pointer: str) -> None:
    """A patch that is none, or does not fit what is there, points to its operation and changes nothing."""
    assert refusal({"a": [1, 2], "o": {"x": {}}}, patch) == (rule, pointer)


def test_a_patch_that_doubles_is_stopped() -> None:
    """Copying a document into itself again and again ends at the bound, not when memory does."""
    bomb = [{"op": "copy", "from": "", "path": f"/x{number}"} for number in range(200)]
    assert refusal({"seed": "s" * (COPIED_MAX // 64)}, bomb)[0] == "patch.size"


def test_a_patch_can_be_applied_twice() -> None:
    """What one application does to a value from the patch is not seen by the next."""
    patch: list[Json] = [{"op": "add", "path": "/a", "value": {}}, {"op": "add", "path": "/a/b", "value": 1}]
    assert patched({}, patch) == patched({}, patch) == {"a": {"b": 1}}
    assert patch[0]["value"] == {}


@given(OBJECTS, st.lists(OPERATIONS, max_size=4) | DOCUMENTS)
def test_whatever_comes_is_applied_or_refused(data: dict[str, Json], patch: Json) -> None:
    """No patch raises anything else, none changes the document it is applied to, and each result is an object."""
    before = copy.deepcopy(data)
    try:
        assert isinstance(patched(data, patch), dict)
    except PatchFailed as refused:
        (violation,) = refused.violations
        assert violation.rule.startswith("patch.")
    assert is_same(data, before)


@given(OBJECTS, OBJECTS)
def test_a_difference_applied_is_the_other(one: dict[str, Json], other: dict[str, Json]) -> None:
    """The patch that leads from one state to another leads there."""
    assert is_same(patched(one, jsonpatch.make_patch(one, other).patch), other)


def test_true_is_not_one() -> None:
    """Equality is that of JSON: by type, then value."""
    assert is_same({"a": [1, "x"], "b": 0}, {"b": 0.0, "a": [1.0, "x"]})
    for one, other in (
        (True, 1),
        (0, False),
        (None, False),
        ("1", 1),
        ([True], [1]),
        ({"a": 1}, {"a": 1, "b": 2}),
    ):
        assert not is_same(one, other)
        assert not is_same(other, one)


def test_branches_that_changed_different_members_are_joined() -> None:
    """Additions, changes and removals of both are in what comes out."""
    base = {"cart": {"n": 1, "old": True}, "list": [1], "gone": 1, "kept": 0}
    ours = {"cart": {"n": 2, "old": True}, "list": [1], "kept": 0, "new": {"x": 1}}
    theirs = {"cart": {"n": 1}, "list": [1, 2], "gone": 1, "kept": 0, "new": {"y": 2}}
    assert merged(base, ours, theirs) == {
        "cart": {"n": 2},
        "list": [1, 2],
        "kept": 0,
        "new": {"x": 1, "y": 2},
    }


def test_branches_that_changed_the_same_are_not() -> None:
    """Each place that both changed is pointed to: by value, by removal on one side, by lists, by kind."""
    base = {"a": 1, "b": {"c": 1, "d/e": 1}, "l": [], "k": 1}
    ours = {"a": 2, "b": {"d/e": 2}, "l": [1], "k": {"x": 1}}
    theirs = {"a": True, "b": {"c": 2, "d/e": 3}, "l": [2], "k": 2}
    with pytest.raises(MergeConflict) as caught:
        merged(base, ours, theirs)
    assert sorted(each.pointer for each in caught.value.violations) == ["/a", "/b/c", "/b/d~1e", "/k", "/l"]
    assert {each.rule for each in caught.value.violations} == {"merge.state"}


@given(OBJECTS, OBJECTS)
def test_a_branch_without_changes_takes_the_other(base: dict[str, Json], changed: dict[str, Json]) -> None:
    """Merging is of no effect where nothing changed, whichever side it was."""
    assert is_same(merged(base, changed, base), changed)
    assert is_same(merged(base, base, changed), changed)
    assert is_same(merged(base, changed, changed), changed)
