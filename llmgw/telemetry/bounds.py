"""Attributes made fit to be sent: what is unknown left out, what is long cut."""

from collections.abc import Mapping
from typing import TypeAlias

from opentelemetry.util.types import AttributeValue

from llmgw.types.text import cut

MAX_ATTRIBUTE_BYTES = 8192
MAX_NAME_BYTES = 256

Attributes: TypeAlias = dict[str, AttributeValue]
Facts: TypeAlias = Mapping[str, AttributeValue | None]
"""Attributes as far as they are known."""

_MAX_INT = (1 << 63) - 1


def bounded(facts: Facts) -> Attributes:
    """Leave out what is unknown or does not fit the protocol's 64 bits; cut what is long."""
    attributes: Attributes = {}
    for name, value in facts.items():
        if value is None:
            continue
        if isinstance(value, str):
            attributes[name] = cut(value, MAX_ATTRIBUTE_BYTES)
        elif isinstance(value, tuple):
            attributes[name] = _bounded_list(value)
        elif not isinstance(value, int) or -_MAX_INT <= value <= _MAX_INT:
            attributes[name] = value
    return attributes


def _bounded_list(values: tuple[object, ...]) -> list[str]:
    """Cut a list of words as a whole, item by item."""
    left = MAX_ATTRIBUTE_BYTES
    words: list[str] = []
    for value in values:
        if left <= 0:
            break
        word = cut(str(value), left)
        left -= len(word.encode())
        words.append(word)
    return words
