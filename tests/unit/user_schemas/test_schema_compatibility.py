"""Versions of a schema compared: silence is a proof, and what is told is what stands in the way."""

import contextlib
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import encode
from llmgw.user_schemas import CompiledSchema, compile_schema, incompatibilities
from llmgw.user_schemas.outline import VIOLATIONS_MAX
from tests.unit.user_schemas.hostile_pairs import HOSTILE_PAIRS
from tests.unit.user_schemas.hostile_schemas import HARMLESS, HOSTILE
from tests.unit.user_schemas.schema_changes import EACH_DOCUMENT, pairs
from tests.unit.user_schemas.schema_strategies import DOCUMENTS, SCHEMAS

CALLS_MAX = 750_000
"""Calls of functions that one comparison may take: less than 0.1 s."""
TOO_FAR = "the schemas are too far apart to prove that documents of the last version fit this one"

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
TREE: dict[str, Any] = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}


def compiled(schema: Any) -> CompiledSchema:
    """Compile a schema that is at hand as a value."""
    return compile_schema(schema if isinstance(schema, bytes) else encode(schema))


def told(old: Any, new: Any) -> list[tuple[str, str]]:
    """The rules that a new version breaks, and where."""
    return [(each.rule, each.pointer) for each in incompatibilities(compiled(old), compiled(new))]


def _registered(*schemas: Any) -> list[CompiledSchema]:
    found: list[CompiledSchema] = []
    with contextlib.suppress(SchemaRejected):
        found += [compiled(schema) for schema in schemas]
    assume(len(found) == len(schemas))
    return found


def _fits(schema: CompiledSchema, document: Any) -> bool:
    return schema._validator.is_valid(document)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), st.lists(DOCUMENTS, max_size=4))
def test_silence_is_a_proof(versions: tuple[Any, Any], documents: list[Any]) -> None:
    """Where nothing is told of two versions, no document fits the old one and not the new one."""
    old, new = _registered(*versions)
    if incompatibilities(old, new):
        return
    for document in (*EACH_DOCUMENT, *documents):
        assert not _fits(old, document) or _fits(new, document), document


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS)
def test_each_schema_is_compatible_with_itself(schema: Any) -> None:
    """Whatever a schema says, and however it refers to itself, registering it again breaks nothing."""
    assert told(*[_registered(schema)[0].outline.document] * 2) == []


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
def test_pointers_lead_into_the_new_schema(versions: tuple[Any, Any]) -> None:
    """What is told says where in the new version it stands in the way, and there are 50 at most."""
    found = incompatibilities(*_registered(*versions))
    assert len(found) <= VIOLATIONS_MAX
    for violation in found:
        assert violation.rule.startswith("compatibility")
        assert violation.message
        place = versions[1]
        for step in violation.pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            place = place[int(name) if isinstance(place, list) else name]


CLOSED = {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False}
KINDS = [
    {"type": "object", "properties": {"kind": {"const": kind}, "size": WHOLE}, "required": ["kind"]}
    for kind in ("a", "b", "c")
]
FITTING: dict[str, tuple[Any, Any]] = {
    "an optional member of a closed object": (CLOSED, CLOSED | {"properties": {"a": TEXT, "b": WHOLE}}),
    "an optional member of any form": ({"properties": {"a": TEXT}}, {"properties": {"a": TEXT, "b": True}}),
    "a member is required no more": ({"required": ["a", "b"]}, {"required": ["a"]}),
    "an open object": (CLOSED, {"type": "object", "properties": {"a": TEXT}}),
    "closed in other words": (CLOSED, {"type": "object", "propertyNames": {"enum": ["a", "b"]}}),
    "a longer list of values": ({"enum": ["a", "b"]}, {"enum": ["c", "b", "a"]}),
    "values of the type": ({"enum": ["a", "b"]}, TEXT),
    "one more type": (TEXT, {"type": ["null", "string"]}),
    "any number": (WHOLE, {"type": "number"}),
    "the type not said": (TEXT, {}),
    "a lower minimum": ({"minimum": 3}, {"minimum": 2.5}),
    "a minimum that is reached": ({"exclusiveMinimum": 3}, {"minimum": 3}),
    "a higher maximum": ({"maximum": 3}, {"exclusiveMaximum": 4}),
    "longer texts": ({"maxLength": 3, "minLength": 1}, {"maxLength": 4}),
    "more items": ({"maxItems": 3}, {"maxItems": 4}),
    "fewer members": ({"required": ["a", "b"]}, {"minProperties": 2}),
    "a coarser multiple before": ({"multipleOf": 6}, {"multipleOf": 3}),
    "whole numbers": (WHOLE, {"multipleOf": 1}),
    "the pattern not said": ({"pattern": "^a"}, {}),
    "unlike items": ({"uniqueItems": True}, {"uniqueItems": False}),
    "a title and a description": (TEXT, TEXT | {"title": "A name", "description": "of somebody"}),
    "a definition that moved": ({"$ref": "#/$defs/x", "$defs": {"x": TEXT}}, TEXT),
    "a definition by another name": (
        {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": TEXT}},
        {"properties": {"a": {"$ref": "#/$defs/y"}}, "$defs": {"y": TEXT}},
    ),
    "an alternative": ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [{"type": "null"}, TEXT, WHOLE]}),
    "an exclusive alternative": ({"oneOf": KINDS[:2]}, {"oneOf": KINDS}),
    "exclusive alternatives in another order": ({"oneOf": KINDS}, {"oneOf": KINDS[::-1]}),
    "one of several, now any": ({"oneOf": KINDS}, {"anyOf": KINDS}),
    "a part not wanted any more": ({"allOf": [TEXT, {"minLength": 1}]}, TEXT),
    "a tree that is open to more": (
        TREE | {"properties": {"kids": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}}},
        TREE,
    ),
    "a tree one level out": (TREE, {"properties": {"kids": {"items": {"type": "object"}}}}),
    "a tuple that goes on": (
        {"type": "array", "prefixItems": [TEXT, WHOLE], "items": False},
        {"prefixItems": [TEXT, WHOLE, TEXT]},
    ),
    "nothing fits the old one": ({"type": "string", "enum": [1]}, WHOLE),
    "either way of two": (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["a"]}},
        {"required": ["a"]},
    ),
    "a condition that is not asked": ({"if": TEXT, "then": {"minLength": 2}}, {}),
}
"""What an engineer would change without harm."""


@pytest.mark.parametrize("change", FITTING)
def test_harmless_changes_pass(change: str) -> None:
    """A change that lets every old document fit is let through without a word."""
    assert told(*FITTING[change]) == []


DECIDED = {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}
ROUND: dict[str, Any] = {
    "anyOf": [{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}],
    "$defs": {
        "one": {"properties": {"n": {"$ref": "#/$defs/two"}}, "required": ["z"]},
        "two": {"properties": {"n": {"$ref": "#/$defs/one"}}},
    },
}
"""What fits the second form at first sight does so only if it fits the first one, one level in."""
BREAKING: dict[str, tuple[Any, Any, list[tuple[str, str]]]] = {
    "a required member": (
        {},
        {"required": ["a", "b"]},
        [("required", "/required/0"), ("required", "/required/1")],
    ),
    "one more required": ({"required": ["a"]}, {"required": ["a", "b"]}, [("required", "/required/1")]),
    "a form for a member that was open": (
        {"properties": {"a": TEXT}},
        {"properties": {"a": TEXT, "b": WHOLE}},
        [("value", "/properties/b")],
    ),
    "a shorter list of values": ({"enum": ["a", "b"]}, {"enum": ["a"]}, [("enum", "/enum")]),
    "a list of values": (TEXT, {"enum": ["a"]}, [("enum", "/enum")]),
    "another constant": ({"const": 1}, {"const": 2}, [("const", "/const")]),
    "another type": (
        {"properties": {"a": TEXT}},
        {"properties": {"a": WHOLE}},
        [("type", "/properties/a/type")],
    ),
    "one type less": ({"type": ["null", "string"]}, TEXT, [("type", "/type")]),
    "whole numbers only": ({"type": "number"}, WHOLE, [("type", "/type")]),
    "a higher minimum": ({"minimum": 3}, {"minimum": 4}, [("minimum", "/minimum")]),
    "a minimum not reached": (
        {"minimum": 3},
        {"exclusiveMinimum": 3},
        [("exclusive_minimum", "/exclusiveMinimum")],
    ),
    "a lower maximum": ({"maximum": 3}, {"maximum": 2}, [("maximum", "/maximum")]),
    "shorter texts": ({"maxLength": 3}, {"maxLength": 2}, [("max_length", "/maxLength")]),
    "more items wanted": ({}, {"minItems": 1}, [("min_items", "/minItems")]),
    "another multiple": ({"multipleOf": 3}, {"multipleOf": 2}, [("multiple_of", "/multipleOf")]),
    "a pattern": (TEXT, {"pattern": "^a"}, [("pattern", "/pattern")]),
    "another pattern": ({"pattern": "^a"}, {"pattern": "^ab"}, [("pattern", "/pattern")]),
    "like items": ({}, {"uniqueItems": True}, [("unique_items", "/uniqueItems")]),
    "a closed object": (
        {"properties": {"a": TEXT}},
        {"properties": {"a": TEXT}, "additionalProperties": False},
        [("value", "/additionalProperties")],
    ),
    "a member less in a closed object": (
        CLOSED | {"properties": {"a": TEXT, "b": TEXT}},
        CLOSED,
        [("value", "/additionalProperties")],
    ),
    "a definition that is narrower": (
        {"items": {"$ref": "#/$defs/x"}, "$defs": {"x": TEXT}},
        {"items": {"$ref": "#/$defs/x"}, "$defs": {"x": TEXT | {"maxLength": 4}}},
        [("max_length", "/$defs/x/maxLength")],
    ),
    "deep in a tree": (TREE, TREE | {"required": ["kids"]}, [("required", "/required/0")]),
    "an alternative less": ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [TEXT]}, [("any_of", "/anyOf")]),
    "an exclusive alternative less": ({"oneOf": KINDS}, {"oneOf": KINDS[:2]}, [("one_of", "/oneOf")]),
    "alternatives that now exclude each other": (
        {"anyOf": [TEXT, {"minLength": 1}]},
        {"oneOf": [TEXT, {"minLength": 1}]},
        [("one_of", "/oneOf")],
    ),
    "a form excluded": ({}, {"not": TEXT}, [("not", "/not")]),
    "a tuple that ends": (
        {"prefixItems": [TEXT, WHOLE]},
        {"prefixItems": [TEXT, WHOLE], "items": False},
        [("value", "/items")],
    ),
    "a condition": ({}, {"if": TEXT, "then": {"minLength": 2}}, [("min_length", "/then/minLength")]),
    "a strange name": (
        {"properties": {"a/b~c": TEXT}},
        {"properties": {"a/b~c": WHOLE}},
        [("type", "/properties/a~1b~0c/type")],
    ),
    "more such items wanted": (
        {"contains": TEXT},
        {"contains": TEXT, "minContains": 2},
        [("contains", "/contains")],
    ),
    "fewer such items allowed": (
        {"contains": TEXT, "maxContains": 3},
        {"contains": TEXT, "maxContains": 2},
        [("max_contains", "/maxContains")],
    ),
    "names by a pattern no more": (
        {"properties": {"a": TEXT}, "patternProperties": {"^x": TEXT}, "additionalProperties": False},
        {"properties": {"a": TEXT}, "additionalProperties": False},
        [("value", "/additionalProperties")],
    ),
    "one way of two": (DECIDED, {"required": ["b"]}, [("required", "/required/0")]),
    "the other way of two": (DECIDED, {"required": ["c"]}, [("required", "/required/0")]),
    "a member that others want beside them": (
        {"properties": {"a": TEXT}},
        {"dependentRequired": {"a": ["b"]}},
        [("dependent_required", "/dependentRequired/a")],
    ),
    "two forms told apart by a member that may be missing": (
        {
            "anyOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}],
            "type": "object",
        },
        {"oneOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}]},
        [("one_of", "/oneOf")],
    ),
    "a member another part has looked at": (
        {"allOf": [{"properties": {"a": TEXT}}], "unevaluatedProperties": WHOLE},
        {"properties": {"a": WHOLE}},
        [("type", "/properties/a/type")],
    ),
    "an item another part has looked at": (
        {"allOf": [{"prefixItems": [TEXT]}], "unevaluatedItems": WHOLE},
        {"prefixItems": [WHOLE]},
        [("type", "/prefixItems/0/type")],
    ),
    "shorter names": (CLOSED, {"propertyNames": {"maxLength": 0}}, [("property_names", "/propertyNames")]),
    "everything and nothing": (
        {"anyOf": [TEXT, True]},
        {"anyOf": [TEXT, False]},
        [("any_of", "/anyOf")],
    ),
    "a form that relies on one that fails": (
        {"properties": {"n": {"$ref": "#"}}},
        ROUND,
        [("any_of", "/anyOf")],
    ),
    "everything": ({}, {"not": {}}, [("not", "/not")]),
}
"""What an engineer would be told not to change."""


@pytest.mark.parametrize("change", BREAKING)
def test_breaking_changes_are_told_with_their_place(change: str) -> None:
    """A change that would leave old documents unfit is told by the keyword that no longer holds them."""
    old, new, expected = BREAKING[change]
    assert told(old, new) == [(f"compatibility.{rule}", pointer) for rule, pointer in expected]


@pytest.mark.parametrize("change", BREAKING)
def test_the_way_back_of_a_narrowing_is_no_narrowing_of_itself(change: str) -> None:
    """Whatever was found to break, a version equal to the broken one takes its documents."""
    _, new, _ = BREAKING[change]
    assert told(new, new | {"title": "again"}) == []


def test_a_large_union_can_be_grown() -> None:
    """Sixty kinds told apart by a constant can get one more, and a member each, but not lose one."""
    kinds = [
        {"type": "object", "properties": {"kind": {"const": f"k{number}"}}, "required": ["kind"]}
        for number in range(61)
    ]
    assert told({"oneOf": kinds[:60]}, {"oneOf": kinds}) == []
    grown = [each | {"properties": each["properties"] | {"z": True}} for each in kinds]  # type: ignore[operator]
    assert told({"oneOf": kinds}, {"oneOf": grown}) == []
    assert told({"anyOf": kinds}, {"anyOf": kinds[:60]}) == [("compatibility.any_of", "/anyOf")]


def _calls(old: CompiledSchema, new: CompiledSchema) -> tuple[int, list[str]]:
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        found = incompatibilities(old, new)
    finally:
        sys.setprofile(None)
    return calls, [each.message for each in found]


@pytest.mark.parametrize("name", HOSTILE_PAIRS)
def test_hostile_pairs_are_given_up_with_little_work(name: str) -> None:
    """However two schemas are made, comparing them ends within a bounded number of calls."""
    calls, found = _calls(*map(compiled, HOSTILE_PAIRS[name]))
    assert calls <= CALLS_MAX
    assert len(found) <= VIOLATIONS_MAX


def test_each_large_schema_is_compared_with_each_other() -> None:
    """The largest schemas that may be registered cost no more against one another."""
    schemas = [compiled(HOSTILE[name]) for name in sorted(HARMLESS)]
    crowds = [compiled(HOSTILE[f"many {name}"]) for name in ("numbers", "texts", "equal values")]
    most = max(_calls(old, new)[0] for old in crowds for new in schemas)
    assert most <= CALLS_MAX


def test_what_was_given_up_is_told_as_a_whole() -> None:
    """Where the comparison ends early it says so, and takes nothing for granted."""
    found = incompatibilities(*map(compiled, HOSTILE_PAIRS["a choice of choices"]))
    assert [(each.rule, each.pointer, each.message) for each in found] == [("compatibility", "", TOO_FAR)]
