"""What sets two versions apart: as text, by members, and what of it callers would notice."""

import difflib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.prompts.gates.differences import DIFF_WORK_MAX, breaking, changed_members, unified
from llmgw.types.prompt import PromptContent

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "@@ -1 +1 @@\n"]), max_size=30)
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
GOOD = {"messages": [{"role": "user", "text": "Say {{ text }}."}], "input_schema": SCHEMA, "model": "demo"}


def content(**members: Any) -> PromptContent:
    """A good content, but for these members."""
    return msgspec.convert({**GOOD, **members}, PromptContent)


def test_versions_are_told_apart_by_their_members() -> None:
    """In the order of the format."""
    assert changed_members(content(), content()) == []
    assert changed_members(content(), content(model="x", description="y")) == ["model", "description"]


@pytest.mark.parametrize(
    ("old", "new", "pointers"),
    [
        ({}, {}, []),
        ({}, {"input_schema": {**SCHEMA, "required": []}}, []),
        ({}, {"input_schema": {**SCHEMA, "required": ["text", "tone"]}}, ["/input_schema/required/1"]),
        ({"input_schema": None}, {}, ["/input_schema/type"]),
        ({}, {"output_schema": SCHEMA}, []),
        ({"output_schema": {"enum": [1, 2]}}, {"output_schema": {"enum": [1]}}, []),
        ({"output_schema": {"enum": [1]}}, {"output_schema": {"enum": [1, 2]}}, ["/output_schema/enum"]),
        ({"output_schema": {"enum": [1]}}, {}, ["/output_schema/enum"]),
        ({"api": {"slug": "a"}}, {}, ["/api"]),
        ({"api": {"slug": "a"}}, {"api": {"slug": "b"}}, ["/api/slug"]),
    ],
)
def test_what_breaks_callers_is_told(old: dict[str, Any], new: dict[str, Any], pointers: list[str]) -> None:
    """Variables may be taken more widely and answers given more narrowly, never the other way."""
    told = [each.pointer for each in breaking(content(**old), content(**new))]
    assert [each for each in told if each in pointers] == pointers
    assert bool(told) == bool(pointers)


def patched(old: list[str], diff: str) -> list[str]:
    """What a diff makes of a text: its hunks put in the place of the lines that they say."""
    made: list[str] = []
    at = 0
    for line in diff.splitlines(keepends=True)[2:]:
        if line.startswith("@@ -") and line.endswith(" @@\n"):
            start, _, length = line.split(" ")[1][1:].partition(",")
            begin = int(start) - (length != "0")
            made += old[at:begin]
            at = begin
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert old[at] == line[1:]
            at += 1
            made += [line[1:]] if line[0] == " " else []
    return made + old[at:]


@given(before=LINES, old=LINES, new=LINES, behind=LINES)
def test_a_diff_makes_one_text_of_the_other(
    before: list[str], old: list[str], new: list[str], behind: list[str]
) -> None:
    """Its hunks say the right lines, behind a beginning that both have, too."""
    one, two = [*before, *old, *behind], [*before, *new, *behind]
    assert patched(one, unified(one, two, "one", "two")) == two


def test_a_small_change_is_told_as_ever() -> None:
    """With three lines around it."""
    old = [f"line {number}\n" for number in range(20)]
    new = [*old[:10], "another\n", *old[11:]]
    assert unified(old, new, "a", "b") == "".join(difflib.unified_diff(old, new, "a", "b"))


def test_texts_that_would_take_too_long_are_told_whole() -> None:
    """Each line that stayed lies between two that are new: that many pairs are not gone through."""
    old = [f"{number}\n" for number in range(40_000)]
    new = [line for each in old for line in (f"new {each}", each)]
    assert len(old) * len(new) > DIFF_WORK_MAX
    diff = unified(["same\n", *old], ["same\n", *new], "a", "b")
    assert diff.count("\n") == 3 + len(old) - 1 + len(new) - 1
    assert patched(["same\n", *old], diff) == ["same\n", *new]
