"""Where one span points to another that is in no line with it: what came late, to what it came to."""

import re
from typing import Final, Literal, TypeAlias

from msgspec import Struct

LinkReason: TypeAlias = Literal["fenced", "abandoned", "feedback"]
"""Why: an answer that lost its place, a question nobody came back for, or somebody's judgement of an answer."""

_PLACE: Final = re.compile(r"(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})", re.ASCII)


class SpanPlace(Struct, frozen=True):
    """A span among all: unsigned integers of 128 and 64 bits, never zero."""

    trace_id: int
    span_id: int

    @property
    def written(self) -> str:
        """As it is stored: hexadecimal, the trace before the span."""
        return f"{self.trace_id:032x}-{self.span_id:016x}"


class SpanLink(Struct, frozen=True, kw_only=True):
    """That a span is about another call's; `call` is that one's id."""

    place: SpanPlace
    call: str
    reason: LinkReason


def place_of(written: str) -> SpanPlace | None:
    """Read what `SpanPlace.written` wrote; None for anything else."""
    match = _PLACE.fullmatch(written)
    if match is None:
        return None
    place = SpanPlace(int(match["trace"], 16), int(match["span"], 16))
    return place if place.trace_id and place.span_id else None
