"""Pairs of schemas of which the second is the first one, changed as an editor of schemas would."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import combinations, product
from typing import Any, Final

from hypothesis import strategies as st
from llmgw.user_schemas.keywords import MANY, NAMED, ONE
from tests.unit.user_schemas.schema_strategies import ASSERTIONS, PARTS, SCHEMAS

_CHANGES_MAX: Final = 3
_HOLDERS: Final = PARTS.map(lambda part: part if isinstance(part, dict) else {})
_LEAVES: Final[tuple[Any, ...]] = (
    None, True, False, -2, -1, 0, 1, 2, 3, 4, 0.5, 1.5, 1.0, 2**70, "", "a", "b", "ab", "bab", "c1", "zz",
)  # fmt: skip
_FEW: Final[tuple[Any, ...]] = (None, 0, 1.5, "a", "bab", [], [1], {"a": 1}, {"b": "a"})


def _documents() -> Iterator[Any]:
    yield from _LEAVES
    for length in range(3):
        yield from map(list, product(_FEW, repeat=length))
    yield [1, 1, 1]
    yield [1, "a", None, 2]
    for names in combinations(("a", "b", "ab", "c1", "zz"), 2):
        for values in product(_FEW, repeat=2):
            yield dict(zip(names, values, strict=True))
    for name in ("a", "b", "ab", "c1", "zz"):
        for value in (*_LEAVES, *_FEW):
            yield {name: value}
            yield {"a": {name: value}}
    yield dict.fromkeys(("a", "b", "ab", "c1"), 1)
    yield dict.fromkeys(("a", "b", "ab", "c1", "zz"), "a")


EACH_DOCUMENT: Final = tuple(_documents())
"""Small documents in all shapes, over a thousand."""


def _places(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema that is no boolean."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in ONE:
            yield from _places(value)
        elif keyword in MANY:
            for each in value:
                yield from _places(each)
        elif keyword in NAMED:
            for each in value.values():
                yield from _places(each)


def _change(draw: st.DrawFn, place: dict[str, Any]) -> None:
    keywords = sorted(place.keys() - {"$defs"})
    how = draw(st.sampled_from(["take away", "say more", "say other", "hold more", "wrap", "shorten"]))
    if how == "say more":
        place.update(draw(ASSERTIONS))
    elif how == "hold more":
        place.update(draw(_HOLDERS))
    elif how == "wrap":
        moved = {keyword: place.pop(keyword) for keyword in keywords}
        place[draw(st.sampled_from(["allOf", "anyOf", "oneOf"]))] = [
            moved,
            *draw(st.lists(PARTS, max_size=1)),
        ]
    elif keywords:
        keyword = draw(st.sampled_from(keywords))
        if how == "take away":
            del place[keyword]
        elif how == "shorten" and isinstance(place[keyword], list) and len(place[keyword]) > 1:
            place[keyword] = place[keyword][:-1]
        else:
            for other in draw(st.lists(ASSERTIONS, min_size=1, max_size=4)):
                place.update({each: value for each, value in other.items() if each == keyword})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema, and one that it was changed into, or seldom another one altogether."""
    old = draw(SCHEMAS)
    if draw(st.integers(0, 9)) == 0:
        return old, draw(SCHEMAS)
    new = deepcopy(old)
    for _ in range(draw(st.integers(0, _CHANGES_MAX))):
        places = list(_places(new))
        _change(draw, places[draw(st.integers(0, len(places) - 1))])
    return old, new
