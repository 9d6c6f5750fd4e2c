"""Inputs and outputs as Prompty describes them, as JSON Schema."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final, NamedTuple

import minijinja

from llmgw.prompts.files.importing.building import Draft
from llmgw.prompts.rendering import scan
from llmgw.types.json import Json
from llmgw.types.prompt import TemplateMessage

KINDS: Final = {
    "string": "string",
    "str": "string",
    "number": "number",
    "float": "number",
    "integer": "integer",
    "int": "integer",
    "boolean": "boolean",
    "bool": "boolean",
    "array": "array",
    "list": "array",
    "object": "object",
    "dict": "object",
}
_THREAD: Final = "thread"
_DEFINES: Final = frozenset({"type", "kind", "default", "sample", "example", "description", "required"})
_KEPT: Final = frozenset({
    "name", "type", "kind", "default", "sample", "example", "description", "required", "enum", "enumValues",
    "items", "properties",
})  # fmt: skip


class Shape(NamedTuple):
    """The schema of several values, and the names of those that are conversations."""

    schema: dict[str, Json]
    threads: list[str]


def read(said: Json, where: str, draft: Draft, defaults: MutableMapping[str, Json] | None) -> Shape:
    """Read definitions: an object of them, a list of them with names, or JSON Schema; gathers their defaults."""
    if (
        isinstance(said, Mapping)
        and said.get("type") == "object"
        and isinstance(said.get("properties"), Mapping)
    ):
        return Shape(dict(said), [])
    definitions = _definitions(said, where, draft)
    shapes: dict[str, Json] = {}
    required: list[str] = []
    threads: list[str] = []
    for name, each in definitions.items():
        if isinstance(each, Mapping) and each.get("kind", each.get("type")) == _THREAD:
            threads.append(name)
            continue
        shape, needed = _shape(each, f"{where}.{name[:64]}", draft)
        if defaults is not None and "default" in shape:
            defaults[name] = shape["default"]
        shapes[name] = shape
        if needed:
            required.append(name)
    schema: dict[str, Json] = {"type": "object", "properties": shapes}
    if required:
        schema["required"] = required
    return Shape(schema, threads)


def shape_of(value: Json) -> dict[str, Json]:
    """The type of a value."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case dict():
            return {"type": "object"}
        case _:
            return {}


def used(messages: Iterable[TemplateMessage]) -> set[str]:
    """The variables that messages ask for; those that are no templates are refused later."""
    found: set[str] = set()
    for each in messages:
        if not scan.problems(each.text):
            found |= minijinja.Environment().undeclared_variables_in_str(each.text)
    return found


def forget(draft: Draft, name: str) -> None:
    """Take what is a conversation out of the variables."""
    draft.defaults.pop(name, None)
    draft.notes = [each for each in draft.notes if not each.startswith(f"inputs.{name} ")]
    schema = draft.members.get("input_schema")
    if schema is None:
        return
    left = {
        **schema,
        "properties": {each: shape for each, shape in schema["properties"].items() if each != name},
    }
    required = [each for each in left.pop("required", []) if each != name]
    draft.members["input_schema"] = left | ({"required": required} if required else {})
    if not left["properties"]:
        del draft.members["input_schema"]


def _definitions(said: Json, where: str, draft: Draft) -> dict[str, Json]:
    if isinstance(said, Mapping) and isinstance(said.get("properties"), Mapping | list):
        for name in said:
            if name != "properties":
                draft.note(f"{where}.{name[:64]} has no place here, and is left out")
        return _definitions(said["properties"], f"{where}.properties", draft)
    if isinstance(said, Mapping):
        return dict(said)
    made: dict[str, Json] = {}
    for number, each in enumerate(said if isinstance(said, list) else [said]):
        name = each.get("name") if isinstance(each, Mapping) else None
        if isinstance(name, str):
            made[name] = each
        else:
            draft.note(f"{where} number {number + 1} has no name, and is left out")
    return made


def _shape(said: Json, where: str, draft: Draft) -> tuple[dict[str, Json], bool]:
    """The schema of one value, and whether it has to be there."""
    if not isinstance(said, Mapping) or not _DEFINES & set(said):
        draft.note(f"{where} is a sample: it is kept as an example in the schema, and is no default")
        return {**shape_of(said), "examples": [said]}, True
    kind = said.get("kind", said.get("type"))
    shape: dict[str, Json] = {}
    if isinstance(kind, str) and kind in KINDS:
        shape["type"] = KINDS[kind]
    elif kind not in {None, "any"} if isinstance(kind, str | None) else True:
        draft.note(f"{where} has a type that is none here, and may be anything")
    if isinstance(said.get("description"), str):
        shape["description"] = said["description"]
    values = said.get("enum", said.get("enumValues"))
    if isinstance(values, list) and values:
        shape["enum"] = values
    example = said.get("sample", said.get("example"))
    if example is not None:
        shape["examples"] = [example]
    if said.get("default") is not None:
        shape["default"] = said["default"]
    if isinstance(said.get("items"), Mapping):
        shape["items"] = _shape(said["items"], f"{where}.items", draft)[0]
    if isinstance(said.get("properties"), Mapping | list):
        inner = read(said["properties"], where, draft, None).schema
        shape |= {name: value for name, value in inner.items() if name != "type"}
    for name in said:
        if name not in _KEPT:
            draft.note(f"{where}.{name[:64]} has no place here, and is left out")
    return shape, said.get("required") is not False and "default" not in shape
