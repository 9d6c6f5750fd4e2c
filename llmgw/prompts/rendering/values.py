"""Values held to their bounds: JSON and nothing else ever reaches a template, or leaves it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from llmgw.prompts.rendering.limits import VALUES_MAX, VARIABLES_DEEP, VARIABLES_MAX
from llmgw.types.json import Json

_LIGHT: Final = 500
_LIGHT_TEXT: Final = 16_384
_STRINGS: Final[frozenset[type]] = frozenset({str})


class Size(NamedTuple):
    """How many values there are in a value, itself included, and characters of strings and names."""

    values: int
    characters: int

    @property
    def light(self) -> bool:
        """Whether every tag is quick with it."""
        return self.values <= _LIGHT and self.characters <= _LIGHT_TEXT


def measured(value: Json) -> Size | None:
    """Count the values and the characters of a value; None where it is out of bounds or no JSON.

    A whole number has 64 bits at most, as the template engine would round a longer one.
    """
    if value.__class__ is dict and _all_strings(value) and _all_strings(value.values()):
        # As nearly always.
        size = Size(1 + len(value), sum(map(len, value)) + sum(map(len, value.values())))
        return size if size.values <= VALUES_MAX and size.characters <= VARIABLES_MAX else None
    values = characters = depth = 0
    level: list[Json] = [value]
    while level:
        depth += 1
        values += len(level)
        inner: list[Json] = []
        for each in level:
            kind = type(each)
            if kind is str:
                characters += len(each)
            elif kind is dict:
                if not all(type(name) is str for name in each):
                    return None
                characters += sum(map(len, each))
                inner.extend(each.values())
            elif kind is list:
                inner.extend(each)
            elif not _plain(each):
                return None
        if values + len(inner) > VALUES_MAX or characters > VARIABLES_MAX:
            return None
        if inner and depth > VARIABLES_DEEP:
            return None
        level = inner
    return Size(values, characters)


def _all_strings(values: Iterable[Json]) -> bool:
    return set(map(type, values)) <= _STRINGS


def _plain(value: Json) -> bool:
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is float:
        return value - value == 0  # neither infinite nor no number
    return value is None or type(value) is bool
