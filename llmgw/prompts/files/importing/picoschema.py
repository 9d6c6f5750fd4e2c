"""Picoschema, the short form of schemas in dotprompt files, as JSON Schema."""

import re
from collections.abc import Mapping
from typing import Final

from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

SCALARS: Final = frozenset({"string", "number", "integer", "boolean", "null", "any"})
OTHER_WORDS: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "array": "array",
    "object": "object",
}
"""What some tools write in place of the words of Picoschema."""
DEPTH_MAX: Final = 20

_KEY: Final = re.compile(
    r"(?P<name>[^(?]+)(?P<optional>\??)\s*(?:\((?P<kind>\w+)\s*(?:,(?P<about>.*))?\))?\s*\Z", re.DOTALL
)


def json_schema(schema: Json, where: str) -> dict[str, Json]:
    """Write a schema as JSON Schema; one that is JSON Schema already stays as it is.

    Raises:
        InvalidPrompt: it is neither; the message says where in the schema.
    """
    if isinstance(schema, Mapping) and _is_json_schema(schema):
        return dict(schema)
    return _shape(schema, where, 0)


def _is_json_schema(schema: Mapping[str, Json]) -> bool:
    kind = schema.get("type")
    if kind == "object" and isinstance(schema.get("properties"), Mapping):
        return True
    if "$ref" in schema or "$schema" in schema or isinstance(schema.get("anyOf"), list):
        return True
    structural = {
        "properties",
        "items",
        "enum",
        "minimum",
        "maximum",
        "additionalProperties",
        "required",
        "pattern",
    }
    return isinstance(kind, str) and kind in SCALARS | {"array", "object"} and bool(structural & set(schema))


def _shape(schema: Json, where: str, depth: int) -> dict[str, Json]:
    if depth > DEPTH_MAX:
        raise InvalidPrompt(f"{where}: the schema is nested too deep")
    if isinstance(schema, str):
        return _scalar(schema, where)
    if schema is None:
        return {"type": "null"}
    if isinstance(schema, Mapping):
        return _object(schema, where, depth)
    raise InvalidPrompt(f"{where}: a schema is the name of a type, or an object of them")


def _scalar(written: str, where: str) -> dict[str, Json]:
    word, comma, about = written.partition(",")
    kind = OTHER_WORDS.get(word.strip(), word.strip())
    if kind not in SCALARS and word.strip() not in OTHER_WORDS:
        raise InvalidPrompt(
            f"{where}: there is no type `{kind[:64]}`; a schema that is named but stands elsewhere cannot be read: "
            "write it out"
        )
    made: dict[str, Json] = {} if kind == "any" else {"type": kind}
    if comma and about.strip():
        made["description"] = about.strip()
    return made


def _object(schema: Mapping[str, Json], where: str, depth: int) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    required: list[str] = []
    others: Json = False
    for key, value in schema.items():
        if key == "(*)":
            others = _shape(value, f"{where}.(*)", depth + 1)
            continue
        found = _KEY.match(key)
        if found is None:
            raise InvalidPrompt(f"{where}: `{key[:64]}` is no name of a member")
        name = found["name"].strip()
        if name in properties:
            raise InvalidPrompt(f"{where}: `{name[:64]}` is here twice")
        made = _member(found["kind"], value, f"{where}.{name[:64]}", depth + 1)
        if found["about"] and found["about"].strip():
            made["description"] = found["about"].strip()
        properties[name] = _nullable(made) if found["optional"] else made
        if not found["optional"]:
            required.append(name)
    shape: dict[str, Json] = {"type": "object"}
    if properties:
        shape["properties"] = properties
    if required:
        shape["required"] = required
    shape["additionalProperties"] = others
    return shape


def _member(kind: str | None, value: Json, where: str, depth: int) -> dict[str, Json]:
    if kind is None:
        return _shape(value, where, depth)
    if kind == "array":
        return {"type": "array", "items": _shape(value, where, depth)}
    if kind == "object":
        if not isinstance(value, Mapping):
            raise InvalidPrompt(f"{where}: an object has members")
        return _object(value, where, depth)
    if kind == "enum":
        if not isinstance(value, list) or not value:
            raise InvalidPrompt(f"{where}: an enum is a list of values")
        return {"enum": list(value)}
    raise InvalidPrompt(f"{where}: there is no `({kind[:64]})`; there are array, object and enum")


def _nullable(shape: dict[str, Json]) -> dict[str, Json]:
    """What may be left out may be null as well."""
    if "enum" in shape:
        values = shape["enum"]
        return {**shape, "enum": values if None in values else [*values, None]}
    kind = shape.get("type")
    return {**shape, "type": [kind, "null"]} if isinstance(kind, str) and kind != "null" else shape
