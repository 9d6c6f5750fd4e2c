"""Pairs of schemas that may both be registered, and want comparing them to take long."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from tests.unit.user_schemas.hostile_schemas import ROOT

_Rows: TypeAlias = Iterator[tuple[str, tuple[Any, Any]]]


def _kind(number: int, **members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"kind": {"const": number}, "value": {"type": "string"}, **members},
        "required": ["kind"],
    }


def _kinds(count: int, **members: Any) -> list[dict[str, Any]]:
    return [_kind(number, **members) for number in range(count)]


def _choices() -> _Rows:
    for count in (20, 60, 120, 300):
        kinds = _kinds(count)
        yield f"{count} kinds in reverse", ({"oneOf": kinds}, {"oneOf": kinds[::-1]})
        yield f"{count} kinds and one", ({"oneOf": kinds}, {"oneOf": _kinds(count + 1)})
        yield f"{count} kinds less one", ({"anyOf": kinds}, {"anyOf": kinds[:-1]})
        yield f"{count} kinds with a member more", ({"oneOf": kinds}, {"oneOf": _kinds(count, more=True)})
    for count in (7, 12, 20):
        asked = [
            {"anyOf": [{"required": [f"a{number}{each}"]} for each in range(3)]} for number in range(count)
        ]
        yield f"{count} choices for one member", ({"allOf": asked}, {"required": ["b"]})
        ways = [{"required": [f"a{number}{each}" for number in range(count)]} for each in range(3)]
        yield f"{count} choices for all members", ({"allOf": asked}, {"anyOf": ways})
    choices = [{"anyOf": [{"required": [f"a{number}{each}"]} for each in range(3)]} for number in range(20)]
    yield (
        "a choice of choices",
        ({"allOf": choices}, {"allOf": [{"anyOf": [{"required": ["b"]}, *choices]}] * 2}),
    )
    same: list[Any] = [{}] * 900
    yield "many equal forms", ({"oneOf": same}, {"oneOf": [*same, True]})


def _circles() -> _Rows:
    def web(count: int, least: int) -> dict[str, Any]:
        members = {f"p{number}": {"$ref": f"#/$defs/d{number}"} for number in range(count)}
        return {f"d{number}": {"properties": members, "minProperties": least} for number in range(count)}

    def tree(depth: int, kind: str) -> dict[str, Any]:
        links = {
            f"d{number}": {
                "properties": {
                    "left": {"$ref": f"#/$defs/d{number + 1}"},
                    "right": {"anyOf": [{"$ref": f"#/$defs/d{number + 1}"}, {"type": kind}]},
                }
            }
            for number in range(depth)
        }
        return ROOT | {"$defs": links | {f"d{depth}": {"type": kind}}}

    yield "a web", (ROOT | {"$defs": web(5, 1)}, ROOT | {"$defs": web(5, 0)})
    forms = {"anyOf": [{"$ref": f"#/$defs/d{number}"} for number in range(5)]}
    yield "a web with many ways in", (forms | {"$defs": web(5, 1)}, forms | {"$defs": web(5, 2)})
    yield "a tree", (tree(9, "string"), tree(9, "number"))


def _crowds() -> _Rows:
    texts = [f"{number}" for number in range(4000)]
    yield (
        "many values for many forms",
        ({"enum": texts}, {"anyOf": [{"pattern": f"^{each}$"} for each in texts[:99]]}),
    )
    yield "many values, none of them", ({"enum": texts}, {"not": {"enum": texts}})
    members = {each: {"type": "string"} for each in texts[:1700]}
    patterns = {f"^{number}$": {"type": "string"} for number in range(99)}
    yield "many members of many patterns", ({"properties": members}, {"patternProperties": patterns})
    yield (
        "many members of a closed object",
        ({"properties": members, "additionalProperties": False}, {"properties": members, "maxProperties": 1}),
    )
    yield "many names", ({"required": texts}, {"propertyNames": {"enum": texts}})
    yield (
        "many wanted",
        ({"required": texts}, {"dependentRequired": dict.fromkeys(texts[:900], texts[:4])}),
    )


def _rows() -> _Rows:
    yield from _choices()
    yield from _circles()
    yield from _crowds()


HOSTILE_PAIRS: Final = dict(_rows())
