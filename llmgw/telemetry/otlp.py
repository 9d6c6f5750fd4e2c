"""Spans as OTLP has them on the wire, written straight from the SDK's values.

The SDK makes an object of each attribute before it writes it, which takes five times as long as all else that is
done for a trace. A test holds what is written here against what the SDK writes.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from struct import pack
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind

_KINDS: Final[Mapping[SpanKind, bytes]] = {
    SpanKind.INTERNAL: b"\x30\x01",
    SpanKind.SERVER: b"\x30\x02",
    SpanKind.CLIENT: b"\x30\x03",
    SpanKind.PRODUCER: b"\x30\x04",
    SpanKind.CONSUMER: b"\x30\x05",
}
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_KEPT: Final = frozenset({bool, int})
_SHORT: Final = 64
"""Characters of a word that is worth keeping."""


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


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """Write a request of spans that one process made in one scope, as all of them here are."""
    if not spans:
        return b""
    first = spans[0]
    of_scope = [_sized(b"\x0a", _scope(first.instrumentation_scope))]
    of_scope += [_sized(b"\x12", _span(span)) for span in spans]
    of_process = _sized(b"\x0a", _resource(first.resource)) + _sized(b"\x12", b"".join(of_scope))
    return _sized(b"\x0a", of_process)


@lru_cache(maxsize=8)
def _resource(resource: Resource) -> bytes:
    return b"".join(_attributes(b"\x0a", resource.attributes))


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    version = _sized(b"\x12", scope.version.encode()) if scope.version else b""
    return _sized(b"\x0a", scope.name.encode()) + version


def _span(span: ReadableSpan) -> bytes:
    context = span.context
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
    ]
    if context.trace_state:
        parts.append(_sized(b"\x1a", _text(context.trace_state.to_header())))
    if span.parent is not None:
        parts += (b"\x22\x08", span.parent.span_id.to_bytes(8, "big"))
    parts += (
        _sized(b"\x2a", _text(span.name)),
        _KINDS[span.kind],
        pack("<BQBQ", 0x39, span.start_time or 0, 0x41, span.end_time or 0),
    )
    parts += _attributes(b"\x4a", span.attributes or {})
    parts += [_sized(b"\x5a", _event(event)) for event in span.events]
    parts += [_sized(b"\x6a", _link(link)) for link in span.links]
    parts += (
        _count(b"\x50", span.dropped_attributes),
        _count(b"\x60", span.dropped_events),
        _count(b"\x70", span.dropped_links),
    )
    parts += (_status(span), pack("<BBI", 0x85, 0x01, _flags(span.parent)))
    return b"".join(parts)


def _status(span: ReadableSpan) -> bytes:
    code = span.status.status_code.value
    said = _sized(b"\x12", _text(span.status.description)) if span.status.description else b""
    return _sized(b"\x7a", said + (bytes((0x18, code)) if code else b""))


def _event(event: Event) -> bytes:
    head = pack("<BQ", 0x09, event.timestamp) + _sized(b"\x12", _text(event.name))
    said = b"".join(_attributes(b"\x1a", event.attributes or {}))
    return head + said + _count(b"\x20", event.dropped_attributes)


def _link(link: Link) -> bytes:
    context = link.context
    ids = (
        b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
    )
    said = b"".join(_attributes(b"\x22", link.attributes or {}))
    return ids + said + _count(b"\x28", link.dropped_attributes) + pack("<BI", 0x35, _flags(context))


def _count(tag: bytes, dropped: int) -> bytes:
    """How many were left out, where any were."""
    return tag + _varint(dropped) if dropped else b""


def _flags(context: SpanContext | None) -> int:
    """Whether the parent is known to be elsewhere: the SDK says so of whoever has none, too."""
    return _HAS_IS_REMOTE | (_IS_REMOTE if context is not None and context.is_remote else 0)


def _attributes(tag: bytes, attributes: Mapping[str, object]) -> Iterable[bytes]:
    return [
        _common(tag, name, value)
        if value.__class__ in _KEPT or (value.__class__ is str and len(value) <= _SHORT)
        else _attribute(tag, name, value)
        for name, value in attributes.items()
    ]


@lru_cache(maxsize=4096, typed=True)
def _common(tag: bytes, name: str, value: str | int) -> bytes:
    """A short word or a number, which several spans say: kept as it was written."""
    return _attribute(tag, name, value)


def _attribute(tag: bytes, name: str, value: object) -> bytes:
    return _sized(tag, _key(name) + _sized(b"\x12", _value(value)))


@lru_cache(maxsize=1024)
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
