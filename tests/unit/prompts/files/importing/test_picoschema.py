"""Picoschema as JSON Schema."""

from typing import Any

import pytest
from llmgw.prompts.files.importing.picoschema import json_schema
from llmgw.types.prompt_errors import InvalidPrompt


def closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """An object schema as Picoschema means it."""
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        made["required"] = required
    return {**made, "additionalProperties": False}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("string", {"type": "string"}),
        ("number, how much, roughly", {"type": "number", "description": "how much, roughly"}),
        ("any", {}),
        (None, {"type": "null"}),
        ({"a": "integer"}, closed({"a": {"type": "integer"}}, ["a"])),
        ({"a?": "boolean, sure?"}, closed({"a": {"type": ["boolean", "null"], "description": "sure?"}}, [])),
        ({"a?": "any"}, closed({"a": {}}, [])),
        ({"a?": "null"}, closed({"a": {"type": "null"}}, [])),
        ({"a(array)": "string"}, closed({"a": {"type": "array", "items": {"type": "string"}}}, ["a"])),
        (
            {"a?(array, some of them (all))": "string, one"},
            closed(
                {
                    "a": {
                        "type": ["array", "null"],
                        "items": {"type": "string", "description": "one"},
                        "description": "some of them (all)",
                    }
                },
                [],
            ),
        ),
        ({"a(enum, kind)": ["X", 1]}, closed({"a": {"enum": ["X", 1], "description": "kind"}}, ["a"])),
        ({"a?(enum)": ["X"]}, closed({"a": {"enum": ["X", None]}}, [])),
        (
            {"a(object, it)": {"b": "string"}},
            closed({"a": {**closed({"b": {"type": "string"}}, ["b"]), "description": "it"}}, ["a"]),
        ),
        ({"(*)": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}),
        ({"a": "any", "(*)": "any"}, {**closed({"a": {}}, ["a"]), "additionalProperties": {}}),
        ({"a": {"b?": "string"}}, closed({"a": closed({"b": {"type": ["string", "null"]}}, [])}, ["a"])),
        ({"type": "string"}, closed({"type": {"type": "string"}}, ["type"])),
        ({"l": "list", "f": "float"}, closed({"l": {"type": "array"}, "f": {"type": "number"}}, ["l", "f"])),
    ],
)  # fmt: skip
def test_each_form_is_written_out(written: Any, expected: dict[str, Any]) -> None:
    """Scalars, descriptions, optional members, arrays, enums, objects and wildcards mean what they mean there."""
    assert json_schema(written, "input") == expected


def test_json_schema_stays_as_it_is() -> None:
    """What is JSON Schema already is not read as names of members."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
    assert json_schema(schema, "input") == schema
    assert json_schema({"type": "array", "items": {"type": "string"}}, "x") == {
        "type": "array",
        "items": {"type": "string"},
    }


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("Recipe", "input: there is no type `Recipe`"),
        ({"a": {"b": "text"}}, "input.a.b: there is no type `text`"),
        ({"a(set)": "string"}, "input.a: there is no `(set)`"),
        ({"a(enum)": "X"}, "input.a: an enum"),
        ({"a(object)": "X"}, "input.a: an object"),
        ({"a(array": "X"}, "no name of a member"),
        ({"a": "string", "a?": "string"}, "twice"),
        ({"a": ["string"]}, "input.a: a schema"),
        (7, "input: a schema"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(written: Any, word: str) -> None:
    """A schema that stands elsewhere, an unknown kind and a broken name say where they are."""
    with pytest.raises(InvalidPrompt) as refused:
        json_schema(written, "input")
    assert word in refused.value.message


def test_hostile_nesting_is_refused() -> None:
    """A schema in a schema in a schema comes to an end."""
    schema: Any = "string"
    for _ in range(40):
        schema = {"a": schema}
    with pytest.raises(InvalidPrompt, match="nested too deep"):
        json_schema(schema, "input")
