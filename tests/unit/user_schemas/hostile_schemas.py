"""Schemas that want to take long, much memory, or somebody else's documents; many are as large as they may be."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from llmgw.types.json import encode
from llmgw.user_schemas.compiling import SCHEMA_MAX

_Rows: TypeAlias = Iterator[tuple[str, Any]]
_Link: TypeAlias = dict[str, Any]

ROOT: Final = {"$ref": "#/$defs/d0"}


def chain(length: int, link: Callable[[_Link], _Link], end: Any) -> dict[str, Any]:
    """Definitions of which each is a `link` around a reference to the next."""
    links = {f"d{number}": link({"$ref": f"#/$defs/d{number + 1}"}) for number in range(length)}
    return ROOT | {"$defs": links | {f"d{length}": end}}


def filled(make: Callable[[int], Any]) -> Any:
    """The largest of a row of schemas that has no more bytes than a schema may have."""
    low, high = 1, 1
    while len(encode(make(high))) <= SCHEMA_MAX:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(encode(make(middle))) <= SCHEMA_MAX else (low, middle)
    return make(low)


def nested(levels: int, wrap: Callable[[Any], Any], inmost: Any) -> Any:
    """A value in a value in a value."""
    for _ in range(levels):
        inmost = wrap(inmost)
    return inmost


def _towers() -> _Rows:
    """Schemas that double with every reference."""
    links: dict[str, Callable[[_Link], _Link]] = {
        "allOf": lambda link: {"allOf": [link, link]},
        "anyOf": lambda link: {"anyOf": [link, link]},
        "oneOf": lambda link: {"oneOf": [link, link]},
        "if": lambda link: {"if": link, "then": link, "else": link},
        "not": lambda link: {"not": link, "allOf": [link]},
        "members": lambda link: {"properties": {"a": link}, "patternProperties": {"a": link}},
        "items": lambda link: {"prefixItems": [link], "contains": link},
        "unevaluated members": lambda link: {"allOf": [link], "unevaluatedProperties": False},
        "unevaluated items": lambda link: {"anyOf": [link], "unevaluatedItems": link},
        "dependent schemas": lambda link: {"dependentSchemas": {"a": link, "b": link}},
    }
    for name, link in links.items():
        yield f"a tower of {name}", chain(100, link, {"type": "string"})
    anchored = {
        f"d{number}": {"$dynamicAnchor": f"a{number}", "allOf": [{"$dynamicRef": f"#a{number + 1}"}] * 2}
        for number in range(100)
    }
    yield (
        "a tower of anchors",
        {
            "$dynamicRef": "#a0",
            "$defs": anchored | {"d100": {"$dynamicAnchor": "a100", "type": "null"}},
        },
    )
    yield (
        "unevaluated in unevaluated",
        nested(
            12,
            lambda schema: {"allOf": [schema], "unevaluatedProperties": False},
            {"properties": {"a": True}},
        ),
    )


def _circles() -> _Rows:
    """Schemas that come round to themselves."""
    yield "itself", {"$ref": "#"}
    by_turns = {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}
    yield "itself by turns", {"$ref": "#/$defs/a", "$defs": by_turns}
    yield "itself in alternatives", {"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}
    yield "a long way round", chain(1500, lambda link: link, {"$ref": "#/$defs/d0"})
    yield "a long way round through members", chain(600, lambda link: {"properties": {"a": link}}, ROOT)
    yield "a long chain", chain(1900, lambda link: link, {"type": "string"})
    for keyword in ("allOf", "anyOf", "oneOf"):
        branch = {"properties": {"a": {"$ref": "#"}}}
        yield f"a doubling recursion of {keyword}", {keyword: [branch, branch | {"minProperties": 1}]}
    for count in (40, 60):
        web = {
            f"d{number}": {
                "properties": {f"p{other}": {"$ref": f"#/$defs/d{other}"} for other in range(count)}
            }
            for number in range(count)
        }
        yield f"{count} that lead to all of them", ROOT | {"$defs": web}


def _crowds() -> _Rows:
    """Schemas of sheer size."""
    yield "as many schemas as there may be", {"allOf": [{}] * 1999}
    yield "as many multiples as there may be", {"items": {"allOf": [{"multipleOf": 0.01}] * 1997}}
    yield "as many unique lists as there may be", {"items": {"allOf": [{"uniqueItems": True}] * 1997}}
    yield (
        "as many constants as there may be",
        {"items": {"oneOf": [{"const": number} for number in range(1900)]}},
    )
    integers = {"d": {"allOf": [{"type": "integer"}] * 95}}
    yield (
        "as many inlined as there may be",
        {"$defs": integers, "items": {"allOf": [{"$ref": "#/$defs/d"}] * 100}},
    )
    makers: dict[str, Callable[[int], Any]] = {
        "schemas": lambda count: {"allOf": [{}] * count},
        "booleans": lambda count: {"allOf": [True] * count},
        "definitions": lambda count: {"$defs": {f"{number}": {"$ref": "#"} for number in range(count)}},
        "members": lambda count: {"properties": {f"{number}": True for number in range(count)}},
        "numbers": lambda count: {"enum": list(range(count))},
        "fractions": lambda count: {"enum": [number + 0.5 for number in range(count)]},
        "texts": lambda count: {"enum": [f"{number}" for number in range(count)]},
        "lists": lambda count: {"enum": [[number] for number in range(count)]},
        "equal values": lambda count: {"enum": [0] * count},
        "required members": lambda count: {"required": [f"{number}" for number in range(count)]},
        "dependent members": lambda count: {
            "dependentRequired": {f"{number}": [] for number in range(count)}
        },
    }
    for name, make in makers.items():
        yield f"many {name}", filled(make)
    yield "a long number", {"minimum": 10**4000}
    yield "a number that is too long", b'{"minimum":1' + b"0" * 60_000 + b"}"
    yield "a tiny multiple", {"multipleOf": 1e-300}
    yield "a huge multiple", {"multipleOf": 1e300}
    yield "a huge length", {"minLength": 10**30, "minItems": 2**63}
    yield "a deep schema", b'{"not":' * 5000 + b"true" + b"}" * 5000
    yield "a deep constant", b'{"const":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    yield "a constant as deep as may be read", b'{"const":' + b"[" * 127 + b"]" * 127 + b"}"
    yield "a deep list", nested(31, lambda schema: {"items": schema}, True)


def _nonsense() -> _Rows:
    """What is no schema."""
    makers: dict[str, Callable[[int], Any]] = {
        "members": lambda count: {"properties": {f"{number}": 1 for number in range(count)}},
        "names": lambda count: {"required": [1] * count},
        "types": lambda count: {"type": [["x"]] * count},
        "references": lambda count: {"allOf": [{"$ref": "x"}] * count},
        "drafts": lambda count: {"allOf": [{"$schema": "x"}] * count},
        "anchors": lambda count: {"allOf": [{"$anchor": "x"}] * count},
        "identifiers": lambda count: {"allOf": [{"$id": "//["}] * count},
    }
    for name, make in makers.items():
        yield f"wrong {name}", filled(make)
    for name in ("references", "drafts", "anchors", "identifiers"):
        yield f"some wrong {name}", makers[name](1900)
    strange = 'é\U0001f600\u2028~/%#"\\\x00'
    yield "a long name", {"properties": {"x" * 60_000: 1, "y" * 1000: 2}}
    yield (
        "strange names",
        {"properties": {strange: {"$ref": "#/$defs/~1"}}, "$defs": {"/": {"type": 3, strange: 1}}},
    )


ELSEWHERE: Final = (
    "http://127.0.0.1:9/schema", "https://example.com/schema", "file:///etc/passwd", "//127.0.0.1/x", "other.json",
    "urn:example:other", "json-schema:///other", "https://json-schema.org/draft/2020-12/schema", "#/nowhere",
    "#nowhere", "#/properties", "#/%ff", "#/const", "http://[", "?x", "data:application/json,{}", "#/~2",
    "#/allOf/00",
)  # fmt: skip
"""References that lead out of a schema, or to no schema in it."""

NOT_LINEAR: Final = (
    "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\1", "(?<n>a)\\k<n>", "(?i)a", "(?>a)", "\\\\(?i)a", "(", "[",
    "a{100000}", "(?:(?:(?:a{100}){100}){100}){100}", "\\p{L}{100}", "(" * 500 + ")" * 500, "\\p{Nothing}", "\\",
    "(?i)" + "[a-\U0010ffff]" * 120, "a" * 1025,
)  # fmt: skip
"""Patterns that are none, or none that can be matched in linear time by a program of bounded size."""


def _patterns() -> _Rows:
    for pattern in NOT_LINEAR:
        yield f"the pattern {pattern[:20]}", {"pattern": pattern}
        yield (
            f"the member pattern {pattern[:20]}",
            {"properties": {"a": {"patternProperties": {pattern: True}}}},
        )
    for pattern in ("\\S", "[\\s\\S]{20}", "[^\\p{L}]", "\\p{L}", "("):
        repeated = (pattern * 1024)[: 1016 // len(pattern) * len(pattern)]
        yield (
            f"many long patterns {pattern}",
            {"anyOf": [{"pattern": f"{repeated}{number}"} for number in range(60)]},
        )
        several = {f"{pattern}{number}": True for number in range(1900)}
        yield f"many patterns {pattern}", {"patternProperties": several}


def _rows() -> _Rows:
    yield from _towers()
    yield from _circles()
    yield from _crowds()
    yield from _nonsense()
    yield from _patterns()
    for elsewhere in ELSEWHERE:
        beside = {"properties": {}, "const": {"type": "string"}}
        yield f"a reference to {elsewhere}", {"$ref": elsewhere} | beside
        yield (
            f"a dynamic reference to {elsewhere}",
            {"$id": "http://localhost/x", "$dynamicRef": elsewhere} | beside,
        )


HOSTILE: Final[dict[str, bytes]] = {
    name: schema if isinstance(schema, bytes) else encode(schema) for name, schema in _rows()
}
HARMLESS: Final = frozenset({
    "a deep list", "a doubling recursion of allOf", "a doubling recursion of anyOf",
    "a doubling recursion of oneOf",
    "as many inlined as there may be", "as many schemas as there may be", "as many unique lists as there may be",
    "many dependent members", "many equal values", "many numbers", "many required members", "many texts",
})  # fmt: skip
"""Those that look worse than they are, and may be registered."""
