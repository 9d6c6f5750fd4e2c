"""Spans made fit to be sent: what is unknown left out, what is long cut, each as a whole of a bounded size."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util import BoundedList
from opentelemetry.util.types import AttributeValue

from llmgw.telemetry import semconv
from llmgw.types.text import cut

MAX_ATTRIBUTE_BYTES: Final = 8192
MAX_NAME_BYTES: Final = 256
MAX_SPAN_BYTES: Final = 64 * 1024
"""Bytes of all that a span says, its events included: names and values."""

Attributes: TypeAlias = dict[str, AttributeValue]
Facts: TypeAlias = Mapping[str, str | int | float | tuple[str, ...] | None]
"""Attributes as far as they are known."""

_MAX_INT = (1 << 63) - 1
_NUMBER: Final = 8
"""Bytes of a number."""
ROOM_FOR_EVENT: Final = 32
"""Bytes of an event beside its name and attributes."""
_LONG: Final = 128
"""Bytes from which a value is left out where there is no room."""


def bounded(facts: Facts) -> Attributes:
    """Leave out what is unknown or does not fit the protocol's 64 bits; cut what is long."""
    return _bounded(facts)[0]


def bounded_span(facts: Facts, events: Sequence[Event]) -> tuple[Attributes, Sequence[Event]]:
    """Bound what a span says: each value, and all of them with its events.

    Where there is no room for all, the last events go, then the longest values. `llmgw.truncated` says that
    something is missing, wherever it was left out.
    """
    attributes, was_cut, size = _bounded(facts)
    left = MAX_SPAN_BYTES - size - len(semconv.LLMGW_TRUNCATED) - _NUMBER
    sizes = [len(event.name) + size_of(event.attributes or {}) + ROOM_FOR_EVENT for event in events]
    if left < sum(sizes):
        was_cut = True
        kept: list[Event] = []
        for event, taken in zip(events, sizes, strict=True):
            if left < taken:
                break
            left -= taken
            kept.append(event)
        dropped = len(events) - len(kept) + getattr(events, "dropped", 0)
        events = BoundedList.from_seq(max(1, len(kept)), kept)
        events.dropped = dropped
        for name in sorted(attributes, key=lambda name: -_size(attributes[name])):
            if left >= 0 or _size(attributes[name]) < _LONG:
                break
            left += len(name) + _size(attributes.pop(name))
    if was_cut:
        attributes[semconv.LLMGW_TRUNCATED] = True
    return attributes, events


def size_of(attributes: Mapping[str, AttributeValue]) -> int:
    """Bytes of names and values."""
    return sum(len(name) + _size(value) for name, value in attributes.items())


def _size(value: AttributeValue) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, Sequence):
        return sum(map(_size, value))
    return _NUMBER


def _bounded(facts: Facts) -> tuple[Attributes, bool, int]:
    """Bound each value; says besides whether one was cut, and how many bytes all of them have with their names."""
    attributes: Attributes = {}
    was_cut = False
    size = 0
    # There are a hundred of them in a trace, most of them short plain words and numbers.
    for name, value in facts.items():
        if value is None:
            continue
        if isinstance(value, str):
            told = value
            if not value.isascii() or len(value) > MAX_ATTRIBUTE_BYTES:
                told = cut(value, MAX_ATTRIBUTE_BYTES)
                was_cut = was_cut or len(told) < len(value)
            attributes[name] = told
            size += len(name) + (len(told) if told.isascii() else _size(told))
        elif isinstance(value, tuple):
            words = _bounded_list(value)
            was_cut = was_cut or words != list(value)
            attributes[name] = words
            size += len(name) + _size(words)
        elif not isinstance(value, int) or -_MAX_INT <= value <= _MAX_INT:
            attributes[name] = value
            size += len(name) + _NUMBER
    return attributes, was_cut, size


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
