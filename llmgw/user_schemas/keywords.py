"""JSON Schema 2020-12, keyword by keyword: which hold other schemas, which assert something, which are refused.

https://json-schema.org/draft/2020-12/json-schema-core and json-schema-validation. A keyword that is in no table
here constrains nothing: titles, examples, formats, and words of the author's own.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

from llmgw.types.json import Json

Steps: TypeAlias = tuple[str | int, ...]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ONE: Final = frozenset({
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems",
    "unevaluatedProperties",
})  # fmt: skip
"""Keywords whose value is a schema."""
MANY: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""
NAMED: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose value is an object of schemas."""
REFERENCES: Final = frozenset({"$ref", "$dynamicRef"})

ASSERTIONS: Final = frozenset({
    "const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxContains", "maxItems",
    "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "pattern", "required", "type", "uniqueItems",
})  # fmt: skip
"""Keywords that constrain a value by themselves."""

REFUSED: Final = {
    "$recursiveAnchor": "is of draft 2019-09; write $dynamicAnchor",
    "$recursiveRef": "is of draft 2019-09; write $dynamicRef",
    "additionalItems": "is of older drafts and would check nothing; write prefixItems and items",
    "dependencies": "is of older drafts and would check nothing; write dependentRequired or dependentSchemas",
}
"""Keywords that meant something in older drafts: to pass over them would leave unchecked what the author meant."""

ABOUT: Final = {
    "const": frozenset[str](),
    "enum": frozenset[str](),
    "type": frozenset[str](),
    **dict.fromkeys(
        ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf"), frozenset({"number"})
    ),
    **dict.fromkeys(("maxLength", "minLength", "pattern"), frozenset({"string"})),
    **dict.fromkeys(
        ("contains", "items", "maxItems", "minItems", "prefixItems", "unevaluatedItems", "uniqueItems"),
        frozenset({"array"}),
    ),
    **dict.fromkeys(
        (
            "additionalProperties", "dependentRequired", "dependentSchemas", "maxProperties", "minProperties",
            "patternProperties", "properties", "propertyNames", "required", "unevaluatedProperties",
        ),
        frozenset({"object"}),
    ),
}  # fmt: skip
"""The types of values that a keyword constrains; it lets all others pass. None named: it is about all of them."""


def inner(schema: dict[str, Json]) -> Iterator[tuple[Steps, Json]]:
    """The schemas directly within a schema, and the steps to each."""
    for keyword, value in schema.items():
        if keyword in ONE:
            yield (keyword,), value
        elif keyword in MANY:
            for number, each in enumerate(value):
                yield (keyword, number), each
        elif keyword in NAMED:
            for name, each in value.items():
                yield (keyword, name), each
