"""How large a JSON value is: counted level by level, without recursion, before anything that recurses sees it."""

from typing import Final

from msgspec import Struct

from llmgw.types.json import Json

_WORD: Final = 64
"""Bits of a number that is compared in one go."""
_LONG: Final = 60
"""How many plain places a longer number is worth to those who compare it."""
_SQUARE: Final = 3000
"""And one more for so many of its bits, squared: comparing 10**4000 takes 0.5 ms, and counts for as much."""


class Measure(Struct, frozen=True, gc=False):
    """The size of a JSON value.

    `places` counts the value and all in it, long numbers more than once; `characters` those of strings and member
    names; `depth` how many lists and objects lie in each other.
    """

    places: int
    characters: int
    depth: int


def measured(value: Json, max_depth: int) -> Measure:
    """Measure a value; one that is deeper than `max_depth` is counted only so far, and its depth is one more."""
    places = characters = depth = 0
    level: list[Json] = [value]
    while level and depth <= max_depth:
        inner: list[Json] = []
        containers = 0
        for each in level:
            if type(each) is str:
                characters += len(each)
            elif type(each) is dict:
                containers += 1
                characters += sum(map(len, each))
                inner.extend(each.values())
            elif type(each) is list:
                containers += 1
                inner.extend(each)
            elif type(each) is int and each.bit_length() > _WORD:
                places += _LONG + each.bit_length() ** 2 // _SQUARE
        places += len(level)
        depth += containers > 0
        level = inner
    return Measure(places, characters, depth)
