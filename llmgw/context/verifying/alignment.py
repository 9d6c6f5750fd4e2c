"""Which turns of a history are those that were known before: what stands where it stood, and what moved."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_MOST_PLACES: Final = 16
"""Places that are tried for a turn that was said again and again."""


class Gap(Struct, frozen=True, kw_only=True):
    """Turns between two that stand where they stood: those that were there, and those that are there now.

    `after` is the number of the turn of now that follows; None where none does.
    """

    before: list[int]
    now: list[int]
    after: int | None


class Alignment(Struct, frozen=True, kw_only=True):
    """Two histories side by side: `moved` are pairs of a number before and one now."""

    gaps: list[Gap]
    moved: list[tuple[int, int]]


def align(before: Sequence[bytes], now: Sequence[bytes]) -> Alignment:
    """Find the longest common course of two histories, and what of the rest only moved."""
    kept = _kept(before, now)
    kept_before = {place for place, _ in kept}
    kept_now = {place for _, place in kept}
    moved = _moved(before, now, kept_before, kept_now)
    moved_before = {place for place, _ in moved}
    moved_now = {place for _, place in moved}
    gaps: list[Gap] = []
    last_before = last_now = -1
    for end_before, end_now in [*kept, (len(before), len(now))]:
        gone = [each for each in range(last_before + 1, end_before) if each not in moved_before]
        come = [each for each in range(last_now + 1, end_now) if each not in moved_now]
        final = end_now == len(now)
        if gone or come or final:
            gaps.append(Gap(before=gone, now=come, after=None if final else end_now))
        last_before, last_now = end_before, end_now
    return Alignment(gaps=gaps, moved=moved)


def common_prefix(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    """How many turns two histories begin with alike."""
    count = 0
    for one, other in zip(before, now, strict=False):
        if one != other:
            break
        count += 1
    return count


def _kept(before: Sequence[bytes], now: Sequence[bytes]) -> list[tuple[int, int]]:
    """Pair what the longest common course consists of."""
    first = common_prefix(before, now)
    last = 0
    most = min(len(before), len(now)) - first
    while last < most and before[-1 - last] == now[-1 - last]:
        last += 1
    middle = _longest_course(before, now, first, len(before) - last, len(now) - last)
    return [
        *((each, each) for each in range(first)),
        *middle,
        *((len(before) - last + each, len(now) - last + each) for each in range(last)),
    ]


def _longest_course(
    before: Sequence[bytes], now: Sequence[bytes], first: int, end_before: int, end_now: int
) -> list[tuple[int, int]]:
    """The longest increasing run of places (Hunt and Szymanski), of which repeated turns have few candidates."""
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for place in range(first, end_before):
        places[before[place]].append(place)
    tails: list[int] = []
    links: list[tuple[int, int, int]] = []
    last_link: list[int] = []
    for at in range(first, end_now):
        # From the last to the first, so that a turn of now is paired once at most.
        for place in reversed(_near(places.get(now[at], []), at)):
            length = bisect_left(tails, place)
            links.append((place, at, last_link[length - 1] if length else -1))
            if length == len(tails):
                tails.append(place)
                last_link.append(len(links) - 1)
            else:
                tails[length] = place
                last_link[length] = len(links) - 1
    course: list[tuple[int, int]] = []
    link = last_link[-1] if last_link else -1
    while link >= 0:
        place, at, link = links[link]
        course.append((place, at))
    return course[::-1]


def _near(places: list[int], at: int) -> list[int]:
    if len(places) <= _MOST_PLACES:
        return places
    begin = max(0, min(bisect_left(places, at) - _MOST_PLACES // 2, len(places) - _MOST_PLACES))
    return places[begin : begin + _MOST_PLACES]


def _moved(
    before: Sequence[bytes], now: Sequence[bytes], kept_before: set[int], kept_now: set[int]
) -> list[tuple[int, int]]:
    """Pair what stands elsewhere; what was said more than once might be said again, and counts as new."""
    gone = {before[each]: each for each in range(len(before)) if each not in kept_before}
    come = [each for each in range(len(now)) if each not in kept_now and now[each] in gone]
    if not come:
        return []
    often_before, often_now = Counter(before), Counter(now)
    return [
        (gone[now[each]], each) for each in come if often_before[now[each]] == 1 and often_now[now[each]] == 1
    ]
