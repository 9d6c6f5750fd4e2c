"""The filters that choose among the items of a list by a test of the language."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from llmgw.types.json import Json
from llmgw.types.prompt_errors import TemplateError

MISSING_MEMBER: Final = object()
"""What `member` gives for what is not there."""


def member(item: Json, path: str) -> Json:
    """Read a member of an item; dots in the path lead to members of members."""
    if type(item) is dict and path in item:
        return item[path]
    for name in path.split("."):
        if type(item) is not dict or name not in item:
            return MISSING_MEMBER
        item = item[name]
    return item


def choosing(look: Callable[[], None]) -> dict[str, Callable[..., list[Json]]]:
    """Give the filters by name; `look` looks at the clock once an item, as each may be long to compare."""

    def verdicts(items: Json, attribute: str | None, test: Json, said: tuple[Json, ...]) -> Iterator[bool]:
        if type(items) is not list:
            raise TemplateError("it needs a list")
        holds = _test(test)
        for item in items:
            look()
            yield holds(item if attribute is None else member(item, attribute), *said)

    def select(items: Json, test: Json = None, *said: Json) -> list[Json]:
        return [item for item, holds in zip(items, verdicts(items, None, test, said), strict=True) if holds]

    def reject(items: Json, test: Json = None, *said: Json) -> list[Json]:
        return [
            item for item, holds in zip(items, verdicts(items, None, test, said), strict=True) if not holds
        ]

    def selectattr(items: Json, attribute: Json, test: Json = None, *said: Json) -> list[Json]:
        found = verdicts(items, _path(attribute), test, said)
        return [item for item, holds in zip(items, found, strict=True) if holds]

    def rejectattr(items: Json, attribute: Json, test: Json = None, *said: Json) -> list[Json]:
        found = verdicts(items, _path(attribute), test, said)
        return [item for item, holds in zip(items, found, strict=True) if not holds]

    return {"select": select, "reject": reject, "selectattr": selectattr, "rejectattr": rejectattr}


def _path(attribute: Json) -> str:
    if type(attribute) is not str:
        raise TemplateError("it needs the name of a member")
    return attribute


def _test(name: Json) -> Callable[..., bool]:
    if name is None:
        return lambda value: value is not MISSING_MEMBER and bool(value)
    if name in {"defined", "undefined"}:
        return lambda value: (value is MISSING_MEMBER) == (name == "undefined")
    if type(name) is not str or name not in _TESTS:
        raise TemplateError("there is no such test")
    holds = _TESTS[name]

    def held(value: Json, *said: Json) -> bool:
        if value is MISSING_MEMBER:
            raise TemplateError("an item does not have that member")
        return bool(holds(value, *said))

    return held


def _is_number(value: Any) -> bool:
    return type(value) in {int, float}


def _equal(value: Any, other: Any) -> bool:
    return (type(value) is bool) == (type(other) is bool) and bool(value == other)


_COMPARISONS: Final[dict[tuple[str, ...], Callable[[Any, Any], bool]]] = {
    ("eq", "equalto"): _equal,
    ("ne",): lambda value, other: not _equal(value, other),
    ("lt", "lessthan"): lambda value, other: value < other,
    ("le",): lambda value, other: value <= other,
    ("gt", "greaterthan"): lambda value, other: value > other,
    ("ge",): lambda value, other: value >= other,
    ("in",): lambda value, other: value in other,
}
_TESTS: Final[dict[str, Callable[..., Any]]] = {
    "boolean": lambda value: type(value) is bool,
    "divisibleby": lambda value, by: _is_number(value) and value % by == 0,
    "endingwith": lambda value, end: type(value) is str and value.endswith(end),
    "even": lambda value: _is_number(value) and value % 2 == 0,
    "false": lambda value: value is False,
    "float": lambda value: type(value) is float,
    "integer": lambda value: type(value) is int,
    "iterable": lambda value: type(value) in {str, list, dict},
    "mapping": lambda value: type(value) is dict,
    "none": lambda value: value is None,
    "number": _is_number,
    "odd": lambda value: _is_number(value) and value % 2 == 1,
    "sequence": lambda value: type(value) is list,
    "startingwith": lambda value, start: type(value) is str and value.startswith(start),
    "string": lambda value: type(value) is str,
    "true": lambda value: value is True,
    **{name: compare for names, compare in _COMPARISONS.items() for name in names},
}
