"""Which turns a model is told when not all fit into its window. The store is never cut: this makes a view.

A unit, an answer with the results of its calls, is told whole or not at all. Instructions, pinned turns, what the
caller says now and the last words before it always stay. What has to go goes in steps of a fixed share of the
window, so that the beginning of the conversation, and with it the provider's cache, holds for many calls.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.context.kept import Kept
from llmgw.context.views.pairing import says_only, units
from llmgw.types.message import ToolResultPart

Counter: TypeAlias = Callable[[Kept], int]
"""Tokens of a turn."""
Mode: TypeAlias = Literal["error", "drop_oldest", "middle_out"]

RECENT: Final = 3
"""Units at the end whose tool results keep their bodies."""
CLEARED: Final = 12
"""Tokens a tool result takes when its body was left out."""


class Fitted(Struct, frozen=True, kw_only=True):
    """What is told: all turns but those `dropped`, results of `cleared` turns without their bodies.

    `tokens` is what it takes. `summary` is the compaction that stands for the turns `covered`; without one
    these are told by a provider's own, in turn `native`. `how` names what was done, empty where all fits.
    """

    tokens: int
    dropped: frozenset[int] = frozenset()
    covered: frozenset[int] = frozenset()
    native: int = -1
    cleared: frozenset[int] = frozenset()
    summary: Kept | None = None
    how: str = ""


class DoesNotFit(Exception):
    """What must stay is more than the window takes; `needed` and `room` are in tokens."""

    def __init__(self, needed: int, room: int) -> None:
        super().__init__(f"{needed} tokens do not fit into {room}")
        self.needed = needed
        self.room = room


class _Unit(Struct):
    turns: list[Kept]
    tokens: int
    results: int
    """Tokens of the bodies of tool results."""
    stays: bool


def fitted(
    turns: Sequence[Kept],
    *,
    now: int,
    room: int,
    count: Counter,
    mode: Mode,
    target: float,
    keep_first: int,
    summary: Kept | None = None,
) -> Fitted:
    """Choose what is told of `turns`, of which those from the place `now` on are the caller's new ones.

    `turns` are all there are, by their numbers. `target` is the share of `room` to which an overfull view is cut.
    `summary` is told instead of what it covers.

    Raises:
        DoesNotFit: what must stay is too much, or `mode` allows no cut.
    """
    covered = covered_by(summary, turns)
    # Of what is told itself no summary is needed.
    summary = summary if covered else None
    cut = _judged(turns, now, count, covered)
    total = sum(unit.tokens for unit in cut) + (count(summary) if summary is not None else 0)
    if total <= room:
        return _plain(total, covered, summary)
    if mode == "error":
        raise DoesNotFit(total, room)
    step = max(1, math.ceil((1 - target) * room))
    wanted = step * math.ceil((total - room) / step)
    clearable = [unit for unit in cut[: max(0, len(cut) - RECENT)] if unit.results and not unit.stays]
    if sum(unit.results for unit in clearable) >= wanted:
        return _cleared(clearable, wanted, total, covered, summary, count)
    return _dropped(cut, wanted, total, room, 0 if mode == "drop_oldest" else keep_first, covered, summary)


def whole(turns: Sequence[Kept], tokens: int, summary: Kept | None, count: Counter) -> Fitted:
    """All turns, of so many tokens, told but for those that a summary stands for."""
    covered = covered_by(summary, turns)
    if summary is None or not covered:
        return Fitted(tokens=tokens)
    return _plain(tokens + count(summary) - sum(count(turns[seq]) for seq in covered), covered, summary)


def oldest(
    turns: Sequence[Kept], *, now: int, room: int, count: Counter, target: float
) -> tuple[int, int] | None:
    """Which run of turns a summary should stand for so that the rest fits: first and last number; None for none."""
    cut = _judged(turns, now, count, frozenset())
    total = sum(unit.tokens for unit in cut)
    excess = total - math.floor(target * room)
    end = _last_words(turns, now)
    first: int | None = None
    last = -1
    for unit in cut:
        if excess <= 0 or unit.turns[-1].seq >= end:
            break
        if unit.stays:
            continue  # pinned or instructions: told itself, wherever the summary ends
        first = unit.turns[0].seq if first is None else first
        last = unit.turns[-1].seq
        excess -= unit.tokens
    return None if first is None else (first, last)


def all_but(turns: Sequence[Kept], keep_last: int) -> tuple[int, int] | None:
    """The run of turns up to the last `keep_last` units: first and last number; None where nothing may go."""
    cut = _judged(turns, len(turns), lambda _: 0, frozenset())
    going = [unit for unit in cut[: max(0, len(cut) - keep_last)] if not unit.stays]
    return (going[0].turns[0].seq, going[-1].turns[-1].seq) if going else None


def before(turns: Sequence[Kept], native: int) -> frozenset[int]:
    """The turns that a provider's own summary, in turn `native`, stands for."""
    return frozenset(each.seq for each in turns[:native] if not each.summary)


def fits_with(turns: Sequence[Kept], summary: Kept, room: int, count: Counter, *, now: int) -> bool:
    """Whether all fits once a summary is told instead of what it covers."""
    cut = _judged(turns, now, count, covered_by(summary, turns))
    return sum(unit.tokens for unit in cut) + count(summary) <= room


def covered_by(summary: Kept | None, turns: Sequence[Kept]) -> frozenset[int]:
    """The turns that a summary stands for: those it covers, but for units that are always told themselves."""
    if summary is None or summary.turn.compaction is None:
        return frozenset()
    first, end = summary.turn.compaction.first, summary.turn.compaction.last + 1
    start, stop = first, end
    # A unit is never split: not where a result is pinned and its call is not, nor where a run begins between them.
    while 0 < start < len(turns) and (turns[start].summary or _is_result(turns[start])):
        start -= 1
    while stop < len(turns) and (turns[stop].summary or _is_result(turns[stop])):
        stop += 1
    run = [each for each in turns[start:stop] if not each.summary]
    if (start, stop) == (first, end) and not any(map(_is_fixed, run)):
        return frozenset(each.seq for each in run)
    return frozenset(
        each.seq
        for unit in units(run)
        if first <= unit[0].seq and unit[-1].seq < end and not any(map(_is_fixed, unit))
        for each in unit
    )


def _judged(turns: Sequence[Kept], now: int, count: Counter, covered: frozenset[int]) -> list[_Unit]:
    """Cut into units, each with its tokens and whether it must stay; what a summary covers is left out."""
    last_words = _last_words(turns, now)
    told = (each for each in turns if each.seq not in covered and not each.summary)
    return [_weighed(unit, count, last_words) for unit in units(told)]


def _weighed(unit: list[Kept], count: Counter, last_words: int) -> _Unit:
    first = unit[0]
    if len(unit) == 1 and says_only(first.message.parts):
        stays = first.seq >= last_words or _is_fixed(first)
        return _Unit(turns=unit, tokens=count(first), results=0, stays=stays)
    return _Unit(
        turns=unit,
        tokens=sum(map(count, unit)),
        results=sum(max(0, count(each) - CLEARED) for each in unit if _is_result(each)),
        stays=any(_is_fixed(each) or each.seq >= last_words for each in unit),
    )


def _last_words(turns: Sequence[Kept], now: int) -> int:
    """The turn from which on all stays: what the caller says now, else the user's last words."""
    said_now = any(each.turn.role == "user" for each in turns[now:])
    if said_now:
        return turns[now].seq
    for each in reversed(turns[:now]):
        if each.turn.role == "user" and not _is_result(each):
            return each.seq
    return turns[now].seq if now < len(turns) else 0


def _is_fixed(each: Kept) -> bool:
    return each.turn.pinned or each.turn.role in {"system", "developer"}


def _is_result(each: Kept) -> bool:
    return any(isinstance(part, ToolResultPart) for part in each.message.parts)


def _plain(total: int, covered: frozenset[int], summary: Kept | None) -> Fitted:
    return Fitted(
        tokens=total,
        dropped=covered,
        covered=covered,
        summary=summary,
        how="" if summary is None else "summarise",
    )


def _cleared(
    clearable: Sequence[_Unit],
    wanted: int,
    total: int,
    covered: frozenset[int],
    summary: Kept | None,
    count: Counter,
) -> Fitted:
    gone = 0
    cleared: set[int] = set()
    for unit in clearable:
        if gone >= wanted:
            break
        gone += unit.results
        cleared.update(each.seq for each in unit.turns if _is_result(each) and count(each) > CLEARED)
    return Fitted(
        tokens=total - gone,
        dropped=covered,
        covered=covered,
        cleared=frozenset(cleared),
        summary=summary,
        how="clear_results",
    )


def _dropped(
    cut: Sequence[_Unit],
    wanted: int,
    total: int,
    room: int,
    spare: int,
    covered: frozenset[int],
    summary: Kept | None,
) -> Fitted:
    """Drop whole units, the oldest first, but for the first `spare` that could go.

    What is told after the gap begins with somebody's words to the model, not with its own.
    """
    gone = 0
    dropped: set[int] = set()
    droppable = [unit for unit in cut if not unit.stays]
    for unit in droppable[spare:]:
        if gone >= wanted and unit.turns[0].turn.role == "user":
            break
        gone += unit.tokens
        dropped.update([each.turn.seq for each in unit.turns])
    if total - gone > room:
        raise DoesNotFit(total - gone, room)
    how = "middle_out" if spare else "drop_oldest"
    return Fitted(
        tokens=total - gone,
        dropped=frozenset(dropped | covered),
        covered=covered,
        summary=summary,
        how=how,
    )
