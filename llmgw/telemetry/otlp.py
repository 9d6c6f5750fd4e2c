"""Spans as OTLP has them on the wire, written straight from the facts of calls.

The SDK makes an object of each span, event and attribute before it writes them, which takes ten times as long. A
test holds what is written here against what the SDK writes of the same spans.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from struct import pack
from typing import Final, Generic, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link

from llmgw.telemetry.bounds import MAX_SPAN_BYTES, ROOM_FOR_EVENT, Facts, bounded, bounded_span
from llmgw.telemetry.span import Said, Span, merged

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")

_SHORT: Final = 64
"""Characters of a word that is worth remembering."""
_PLAIN: Final = 2048
"""Characters of a word that is sent whole, whatever characters they are."""
_NAMES: Final = 1024
_VALUES: Final = 256
"""Names that are remembered, and values of each: ids go through, words and small numbers stay."""
_WHOLE: Final = MAX_SPAN_BYTES - 64
"""Bytes of attributes and events as they are written, which are more than the bound counts, that are within it."""

_HERE: Final = pack("<BBI", 0x85, 0x01, 0x100)
_ELSEWHERE: Final = pack("<BBI", 0x85, 0x01, 0x300)
"""Where the parent is known to be; the SDK says `here` of whoever has none, too."""
_STATUS: Final = {False: b"\x7a\x00", True: b"\x7a\x02\x18\x02"}


class Recent(dict[_Key, _Made], Generic[_Key, _Made]):
    """What was made for the keys asked for lately; all of it is forgotten when there are too many."""

    __slots__ = ("_make", "_most")

    def __init__(self, make: Callable[[_Key], _Made], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: _Key) -> _Made:
        if len(self) >= self._most:
            self.clear()
        made = self[key] = self._make(key)
        return made


def _varint(number: int) -> bytes:
    """A number of at most 64 bits, seven of them to a byte."""
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_LENGTHS: Final = tuple(map(_varint, range(4096)))


def _sized(tag: bytes, content: bytes) -> bytes:
    """A member of some length: its tag, how long it is, and what it is."""
    size = len(content)
    return tag + (_LENGTHS[size] if size < 4096 else _varint(size)) + content


class Envelope:
    """Writes requests of spans that one process made in one scope."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        of_scope = _sized(b"\x0a", scope.name.encode()) + _sized(b"\x12", (scope.version or "").encode())
        self._process = _sized(b"\x0a", _attributes(b"\x0a", resource.attributes))
        self._scope = _sized(b"\x0a", of_scope)

    def around(self, traces: Sequence[bytes]) -> bytes:
        """Return the request with all that `written` gave for each trace."""
        spans = len(self._scope) + sum(map(len, traces))
        head = self._process + b"\x12" + _varint(spans)
        # Megabytes: put together once.
        return b"".join((b"\x0a", _varint(len(head) + spans), head, self._scope, *traces))


def written(spans: Sequence[Span]) -> bytes:
    """Write spans down as they stand in a request, without what is said of their process."""
    return b"".join([_sized(b"\x12", _span(span)) for span in spans])


def said(facts: Facts) -> Said:
    """Write down what one span or several of a trace say."""
    return Said(facts, _as_they_are(facts))


def _span(span: Span) -> bytes:
    context, parent = span.context, span.parent
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
        _heading(span.name, span.kind),
        pack("<BQBQ", 0x39, span.start_time, 0x41, span.end_time),
        _STATUS[span.red],
        _ELSEWHERE if span.remote else _HERE,
    ]
    if span.state:
        parts.append(_sized(b"\x1a", _text(span.state)))
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    parts.append(_statements(span))
    if span.links:
        parts += [_sized(b"\x6a", _link(link)) for link in span.links]
        parts.append(_count(b"\x70", span.links))
    return b"".join(parts)


@lru_cache(maxsize=512)
def _heading(name: str, kind: int) -> bytes:
    return _sized(b"\x2a", _text(name)) + bytes((0x30, kind))


def _statements(span: Span) -> bytes:
    """Attributes and events: as they were written where they have room, else what the bounds leave of them."""
    groups = span.said
    if span.words is not None:
        groups = (*groups, said(span.words()))
    whole = [group.written for group in groups if group.written is not None]
    if len(whole) == len(groups):
        events = _events(span.events) if span.events else b""
        if sum(map(len, whole)) + len(events) + ROOM_FOR_EVENT * len(span.events) <= _WHOLE:
            whole.append(events)
            return b"".join(whole)
    attributes, kept = bounded_span(merged(groups), span.events)
    return _attributes(b"\x4a", attributes) + _events(kept)


def _events(events: Sequence[Event]) -> bytes:
    return b"".join([_sized(b"\x5a", _event(event)) for event in events]) + _count(b"\x60", events)


def _event(event: Event) -> bytes:
    head = pack("<BQ", 0x09, event.timestamp) + _sized(b"\x12", _text(event.name))
    return head + _attributes(b"\x1a", event.attributes or {})


def _link(link: Link) -> bytes:
    context = link.context
    ids = (
        b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
    )
    flags = pack("<BI", 0x35, 0x300 if context.is_remote else 0x100)
    return ids + _attributes(b"\x22", link.attributes or {}) + flags


def _count(tag: bytes, chosen: Sequence[object]) -> bytes:
    """How many others there were, where there were any."""
    dropped = getattr(chosen, "dropped", 0)
    return tag + _varint(dropped) if dropped else b""


def _as_they_are(facts: Facts) -> bytes | None:
    """Write facts down as a span's attributes; None where one of them is so long that it may have to be cut."""
    parts: list[bytes] = []
    for name, value in facts.items():
        if value is None:
            continue
        kind = value.__class__
        if kind is str:
            if len(value) <= _SHORT:  # type: ignore[arg-type]  # its class is known
                parts.append(_LATELY[name][value])
            elif len(value) <= _PLAIN:  # type: ignore[arg-type]
                parts.append(_attribute(b"\x4a", name, value))
            else:
                return None
        elif kind is float:
            parts.append(_FLOAT[name] + pack("<d", value))
        elif kind is int or kind is bool:
            parts.append((_LATELY if kind is int else _SWITCHES)[name][value])
        elif kind is tuple and len(value) <= _SHORT and sum(map(len, value)) <= _SHORT:  # type: ignore[arg-type]
            parts.append(_LATELY[name][value])
        else:
            return None
    return b"".join(parts)


def _fact(name: str, value: str | int | tuple[str, ...]) -> bytes:
    """A fact as an attribute; nothing where it has none of the protocol's values."""
    if isinstance(value, str):
        return _attribute(b"\x4a", name, value)
    return _attributes(b"\x4a", bounded({name: value}))


def _remembered(name: str) -> Recent[object, bytes]:
    """What one attribute said lately."""
    return Recent(partial(_fact, name), _VALUES)


_LATELY: Final[Recent[str, Recent[object, bytes]]] = Recent(_remembered, _NAMES)
_SWITCHES: Final[Recent[str, Recent[object, bytes]]] = Recent(_remembered, _NAMES)
"""Apart, as True is 1 to a mapping."""
_FLOAT: Final[Recent[str, bytes]] = Recent(lambda name: _attribute(b"\x4a", name, 0.0)[:-8], _NAMES)
"""What stands before the eight bytes of a float."""


def _attributes(tag: bytes, attributes: Mapping[str, object]) -> bytes:
    return b"".join([_attribute(tag, name, value) for name, value in attributes.items()])


def _attribute(tag: bytes, name: str, value: object) -> bytes:
    return _sized(tag, _key(name) + _sized(b"\x12", _value(value)))


@lru_cache(maxsize=_NAMES)
def _key(name: str) -> bytes:
    return _sized(b"\x0a", _text(name))


def _value(value: object) -> bytes:
    """A value of an attribute.

    Raises:
        TypeError: it is none of the protocol's.
    """
    if isinstance(value, str):
        return _sized(b"\x0a", _text(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + (_LENGTHS[value] if 0 <= value < 4096 else _varint(value))
    if isinstance(value, float):
        return pack("<Bd", 0x21, value)
    if isinstance(value, Sequence):
        return _sized(b"\x2a", b"".join(_sized(b"\x0a", _value(each)) for each in value))
    raise TypeError(f"a {type(value).__name__} is no value of an attribute")


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")
