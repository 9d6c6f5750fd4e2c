"""Schemas and documents at random: small, so that they often have to do with each other."""

from typing import Any, Final

from hypothesis import strategies as st

NAMES: Final = st.sampled_from(["a", "b", "ab", "c1"])
TEXTS: Final = NAMES | st.sampled_from(["", "bab"])
NUMBERS: Final = st.integers(-2, 4) | st.sampled_from([0.5, 1.0, 1.5, -0.5, 2**70, 3.0])
SCALARS: Final = st.none() | st.booleans() | NUMBERS | TEXTS
PATTERNS: Final = st.sampled_from(["a", "^a", "b$", "^.$", "[0-9]", "^(a|b)+$"])
COUNTS: Final = st.integers(0, 3)
DOCUMENTS: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES: Final = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])

_ASSERTIONS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=4, unique=True),
    "enum": st.lists(SCALARS | DOCUMENTS, max_size=4),
    "const": SCALARS,
    "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), NUMBERS),
    **dict.fromkeys(
        ("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), COUNTS
    ),
    "pattern": PATTERNS,
    "uniqueItems": st.booleans(),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
    "$ref": st.sampled_from(["#", "#/$defs/x", "#/$defs/y"]),
}
_PAIRS: Final = st.sampled_from(sorted(_ASSERTIONS)).flatmap(
    lambda keyword: st.tuples(st.just(keyword), _ASSERTIONS[keyword])
)
ASSERTIONS: Final = st.lists(_PAIRS, max_size=2).map(dict)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas with other schemas in them."""
    several = st.lists(inner, min_size=1, max_size=3)
    holders: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), several),
        **dict.fromkeys(("not", "if", "then", "else", "items", "contains"), inner),
        **dict.fromkeys(
            ("additionalProperties", "unevaluatedProperties", "unevaluatedItems"), inner | st.just(False)
        ),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "propertyNames": inner,
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=2),
        **dict.fromkeys(("minContains", "maxContains"), COUNTS),
    }
    pairs = st.sampled_from(sorted(holders)).flatmap(
        lambda keyword: st.tuples(st.just(keyword), holders[keyword])
    )
    return st.tuples(ASSERTIONS, st.lists(pairs, min_size=1, max_size=3).map(dict)).map(
        lambda both: both[0] | both[1]
    )


PARTS: Final = st.recursive(st.booleans() | ASSERTIONS, _around, max_leaves=6)
SCHEMAS: Final = st.tuples(PARTS.filter(lambda part: isinstance(part, dict)), PARTS, PARTS).map(
    lambda parts: parts[0] | {"$defs": {"x": parts[1], "y": parts[2]}}
)
"""Whole schemas; some refer to themselves without end, which registration refuses."""
