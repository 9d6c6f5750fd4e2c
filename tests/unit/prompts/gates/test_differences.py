"""What sets two versions apart: as text, by members, and what of it callers would notice."""

from typing import Any

import msgspec
import pytest
from llmgw.prompts.gates.differences import Titled, as_text, breaking, changed_members
from llmgw.types.prompt import PromptContent

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
GOOD = {"messages": [{"role": "user", "text": "Say {{ text }}."}], "input_schema": SCHEMA, "model": "demo"}


def content(**members: Any) -> PromptContent:
    """A good content, but for these members."""
    return msgspec.convert({**GOOD, **members}, PromptContent)


def test_files_are_compared_line_by_line() -> None:
    """A unified diff under the names of both; nothing where they are the same."""
    told = as_text(Titled("a@1", "one\ntwo\n"), Titled("a@2", "one\nthree\n"))
    assert told.splitlines() == ["--- a@1", "+++ a@2", "@@ -1,2 +1,2 @@", " one", "-two", "+three"]
    assert as_text(Titled("a@1", "one\n"), Titled("a@2", "one\n")) == ""


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
