"""Bounds that Anthropic's schemas cannot hold, and that callers therefore tell in descriptions, as its SDK does.

The gateway writes them as JSON, the SDK as `{minimum: 1, maximum: 10}`: in the last paragraph of a description.
"""

import re
from typing import Final

from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode

_BOUNDS: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern"}
)
_NUMBERED: Final = re.compile(r"([A-Za-z]+): (-?\d{1,15}(?:\.\d{1,9})?)(?=, [A-Za-z]+: |\}\Z)")
_BY_NAME: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "allOf")


def with_told_bounds(schema: Json) -> Json:
    """The schema and, where descriptions tell of bounds, these as keywords; a schema's own keywords win."""
    if not isinstance(schema, dict):
        return schema
    whole = {**_told(schema.get("description")), **schema}
    for keyword in _BY_NAME:
        if isinstance(inner := schema.get(keyword), dict):
            whole[keyword] = {name: with_told_bounds(each) for name, each in inner.items()}
    for keyword in _LISTED:
        if isinstance(inner := schema.get(keyword), list):
            whole[keyword] = [with_told_bounds(each) for each in inner]
    if "items" in schema:
        whole["items"] = with_told_bounds(schema["items"])
    return whole


def _told(description: Json) -> dict[str, Json]:
    last = description.rpartition("\n\n")[2] if isinstance(description, str) else ""
    if not last.startswith("{"):
        return {}
    try:
        told = decode(last.encode("utf-8", "surrogatepass"))
    except InvalidJson:
        told = {name: decode(number.encode()) for name, number in _NUMBERED.findall(last)}
    return {name: value for name, value in told.items() if name in _BOUNDS}
