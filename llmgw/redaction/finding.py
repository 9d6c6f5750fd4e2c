"""Where in a text something stands that must go: places, found by many patterns and joined.

Every pattern reads the original text, so that none is misled by what another replaced, and each costs time linear
in its length: runs are taken whole and never given back (`*+`), and none may begin again within one that it has
read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from re import Match, Pattern
from typing import NamedTuple, TypeAlias

Said: TypeAlias = "Match[bytes]"


class Span(NamedTuple):
    """Bytes from `start` to `end` that are a secret of a kind; of two that overlap the lower `rank` names both."""

    start: int
    end: int
    rank: int
    kind: str


class Shape(NamedTuple):
    """One way in which a kind of secret looks.

    It is searched for only in texts with one of `marks`. The last group is what goes, or without groups all of it,
    if `proves` says so; `reach` says of a match how many bytes before it go, too. `again` has the search go on one
    byte behind where it last began, for shapes of a fixed length, which might begin in the middle of a look-alike.
    """

    kind: str
    pattern: Pattern[bytes]
    marks: tuple[bytes, ...] = ()
    proves: Callable[[Said], bool] | None = None
    reach: Callable[[Said], int] | None = None
    folded: bool = False
    """Whether it is searched for in the text with ASCII letters in lower case."""
    again: bool = False


def signs(shapes: Iterable[tuple[int, Shape]]) -> Pattern[bytes]:
    """Make one pattern of all marks, by which most short texts in lower case are known to hold nothing.

    All shapes have some.
    """
    groups: dict[bytes, list[bytes]] = {}
    for mark in sorted({mark.lower() for _, shape in shapes for mark in shape.marks}):
        groups.setdefault(mark[:1], []).append(mark[1:])
    # Grouped by their first byte, as the engine looks at one alternative after the other.
    alternatives = [
        re.escape(first) + b"(?:" + b"|".join(map(re.escape, rest)) + b")" for first, rest in groups.items()
    ]
    return re.compile(b"|".join(alternatives))


def spans(shapes: Iterable[tuple[int, Shape]], data: bytes, folded: bytes) -> list[Span]:
    """Find all places of all shapes, in no order; `folded` is `data` in lower case, and as long."""
    found: list[Span] = []
    for rank, shape in shapes:
        text = folded if shape.folded else data
        for sign in shape.marks:
            if sign in text:
                break
        else:
            if shape.marks:
                continue
        for match in _matches(shape, text):
            if shape.proves is None or shape.proves(match):
                start, end = match.span(match.lastindex or 0)
                before = 0 if shape.reach is None else shape.reach(match)
                found.append(Span(start - before, end, rank, shape.kind))
    return found


def replaced(data: bytes, found: list[Span], mark: Callable[[str], bytes]) -> bytes:
    """Put marks in the place of what was found; what overlaps becomes one."""
    pieces: list[bytes] = []
    done = 0
    for span in _joined(sorted(found)):
        pieces += (data[done : _edge(data, span.start, -1)], mark(span.kind))
        done = _edge(data, span.end, 1)
    return b"".join([*pieces, data[done:]])


def _edge(data: bytes, at: int, step: int) -> int:
    """Move a place out of the middle of a character."""
    while 0 < at < len(data) and data[at] & 0xC0 == 0x80:
        at += step
    return at


def _matches(shape: Shape, text: bytes) -> Iterator[Said]:
    if not shape.again:
        yield from shape.pattern.finditer(text)
        return
    match = shape.pattern.search(text)
    while match is not None:
        yield match
        match = shape.pattern.search(text, match.start() + 1)


def _joined(ordered: Iterable[Span]) -> Iterator[Span]:
    current: Span | None = None
    for span in ordered:
        if span.start == span.end:
            continue
        if current is None or span.start >= current.end:
            if current is not None:
                yield current
            current = span
            continue
        best = min(current, span, key=lambda each: each.rank)
        current = Span(current.start, max(current.end, span.end), best.rank, best.kind)
    if current is not None:
        yield current
