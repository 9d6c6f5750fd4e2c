"""W3C Trace Context, version 00 of `traceparent` and its `tracestate` (https://www.w3.org/TR/trace-context/).

A header that breaks a rule is treated as absent: a trace may be cut, a call never fails.
"""

import random
import re

from msgspec import Struct

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_KEY = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"({_KEY})={_VALUE}", re.ASCII)
_SAMPLED = 1
_MAX_MEMBERS = 32
_MAX_TRACEPARENT = 512
_MAX_TRACESTATE = 512
"""Characters passed on, the least the standard asks every participant to carry."""
_LARGE_MEMBER = 128
"""Members over this size are the first to go, as the standard recommends."""


class Parent(Struct, frozen=True, kw_only=True):
    """Who called us: ids are unsigned 128 and 64 bit integers, never zero."""

    trace_id: int
    span_id: int
    sampled: bool


def parse_traceparent(header: str) -> Parent | None:
    """Read a `traceparent` value; None where the standard says to start a new trace.

    Versions above 00 are read as 00 with more behind it; flags other than `sampled` are ignored.
    """
    if len(header) > _MAX_TRACEPARENT:
        return None
    match = _TRACEPARENT.fullmatch(header.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    parent = Parent(
        trace_id=int(trace_id, 16), span_id=int(span_id, 16), sampled=bool(int(flags, 16) & _SAMPLED)
    )
    return parent if parent.trace_id and parent.span_id else None


def format_traceparent(trace_id: int, span_id: int, *, sampled: bool) -> str:
    """Write the `traceparent` under which the next one will know the span."""
    return f"00-{trace_id:032x}-{span_id:016x}-{_SAMPLED if sampled else 0:02x}"


def parse_tracestate(header: str) -> str:
    """Return what of a `tracestate` value (several headers joined by commas) is passed on; "" for nothing.

    A list that breaks the grammar, repeats a key or has more than 32 members is dropped whole. A list of more
    than 512 characters loses its large members first, then members from the right.
    """
    members = [member for raw in header.split(",") if (member := raw.strip(" \t"))]
    if len(members) > _MAX_MEMBERS:
        return ""
    keys: set[str] = set()
    for member in members:
        match = _MEMBER.fullmatch(member)
        if match is None or match[1] in keys:
            return ""
        keys.add(match[1])
    return _fit(members)


def new_trace_id() -> int:
    """Draw a trace id: 128 random bits, not all zero."""
    return random.getrandbits(128) or 1


def new_span_id() -> int:
    """Draw a span id: 64 random bits, not all zero."""
    return random.getrandbits(64) or 1


def _fit(members: list[str]) -> str:
    state = ",".join(members)
    if len(state) <= _MAX_TRACESTATE:
        return state
    members = [member for member in members if len(member) <= _LARGE_MEMBER]
    while len(state := ",".join(members)) > _MAX_TRACESTATE:
        members.pop()
    return state
