"""The form of a schema, as a schema: what its keywords may hold.

This is 2020-12's own meta-schema in one piece, with the gateway's bounds; a test proves that it accepts nothing
that the original refuses.
"""

from typing import Final

from llmgw.types.json import Json

PATTERN_MAX: Final = 1024
"""Characters of one pattern."""
_SCHEMA: Final[Json] = {"$ref": "#"}
_SCHEMAS: Final[Json] = {"type": "array", "minItems": 1, "items": _SCHEMA}
_NAMED: Final[Json] = {"type": "object", "additionalProperties": _SCHEMA}
_NAMES: Final[Json] = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_NUMBER: Final[Json] = {"type": "number"}
_STRING: Final[Json] = {"type": "string"}
_FLAG: Final[Json] = {"type": "boolean"}
_PATTERN: Final[Json] = {"type": "string", "maxLength": PATTERN_MAX}
_ANCHOR: Final[Json] = {"type": "string", "pattern": "^[A-Za-z_][-A-Za-z0-9._]*$"}
_TYPE: Final[Json] = {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]}

FORM: Final[dict[str, Json]] = {
    "type": ["object", "boolean"],
    "properties": {
        "$schema": _STRING,
        "$id": {"type": "string", "pattern": "^[^#]*#?$"},
        "$anchor": _ANCHOR,
        "$dynamicAnchor": _ANCHOR,
        "$ref": _STRING,
        "$dynamicRef": _STRING,
        "$vocabulary": {"type": "object", "additionalProperties": _FLAG},
        "$comment": _STRING,
        "$defs": _NAMED,
        "definitions": _NAMED,
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _SCHEMAS),
        **dict.fromkeys(
            (
                "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
                "then", "unevaluatedItems", "unevaluatedProperties",
            ),
            _SCHEMA,
        ),
        "dependentSchemas": _NAMED,
        "patternProperties": {**_NAMED, "propertyNames": _PATTERN},
        "properties": _NAMED,
        "type": {"anyOf": [_TYPE, {"type": "array", "minItems": 1, "uniqueItems": True, "items": _TYPE}]},
        "const": True,
        "enum": {"type": "array"},
        "multipleOf": {"type": "number", "minimum": 1e-20, "maximum": 1e20},
        **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _NUMBER),
        **dict.fromkeys(
            (
                "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength",
                "minProperties",
            ),
            _COUNT,
        ),
        "pattern": _PATTERN,
        "required": _NAMES,
        "uniqueItems": _FLAG,
        "dependentRequired": {"type": "object", "additionalProperties": _NAMES},
        **dict.fromkeys(("contentEncoding", "contentMediaType", "description", "format", "title"), _STRING),
        **dict.fromkeys(("deprecated", "readOnly", "writeOnly"), _FLAG),
        "examples": {"type": "array"},
    },
}  # fmt: skip
