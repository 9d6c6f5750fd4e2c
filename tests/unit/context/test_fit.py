"""What is told when not all fits: no half unit, nothing less than what must stay, no more than there is room."""

from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llmgw.context.kept import Kept
from llmgw.context.views import fit
from llmgw.context.views.fit import CLEARED, DoesNotFit, Fitted, Mode
from llmgw.context.views.pairing import units
from llmgw.types.message import ToolCallPart, ToolResultPart
from llmgw.types.turn import Compaction
from tests.unit.context.conversations import Writer, conversations, course_of
from tests.unit.context.turns import call, held, result, text

MODES = get_args(Mode)


def tokens(each: Kept) -> int:
    """A turn's tokens: a number that differs from turn to turn, and is always the same."""
    return 5 + each.size // 10


def is_result(each: Kept) -> bool:
    """Whether a turn answers a call."""
    return any(isinstance(part, ToolResultPart) for part in each.message.parts)


def summary_of(turns: list[Kept]) -> Kept | None:
    """The last summary, if it stands for anything."""
    found = course_of(turns).summaries
    return found[-1] if found and fit.covered_by(found[-1], turns) else None


def told(turns: list[Kept], found: Fitted) -> list[Kept]:
    """The turns that are told themselves."""
    return [each for each in turns if each.seq not in found.dropped and not each.summary]


def cut(turns: list[Kept], room: int, mode: Mode = "drop_oldest", **more: object) -> Fitted:
    """Fit a conversation whose last turn is what the caller says now."""
    options = {"now": len(turns) - 1, "target": 0.6, "keep_first": 1, "summary": summary_of(turns)} | more
    return fit.fitted(turns, room=room, count=tokens, mode=mode, **options)  # type: ignore[arg-type]


def attempt(turns: list[Kept], room: int, mode: Mode, **more: object) -> Fitted | DoesNotFit:
    """Fit a conversation, or say why it does not."""
    try:
        return cut(turns, room, mode, **more)
    except DoesNotFit as failure:
        return failure


@settings(max_examples=200, deadline=None)
@given(
    turns=conversations(),
    room=st.integers(10, 500),
    mode=st.sampled_from(MODES),
    target=st.floats(0.1, 1.0),
    spare=st.integers(0, 3),
)
def test_what_is_told_fits_and_is_whole(
    turns: list[Kept], room: int, mode: Mode, target: float, spare: int
) -> None:
    """Whatever the conversation and the room: the tokens add up and fit, units are whole, what must stay stays."""
    whole = sum(map(tokens, told(turns, Fitted(tokens=0, dropped=fit.covered_by(summary_of(turns), turns)))))
    summary = summary_of(turns)
    whole += tokens(summary) if summary is not None else 0
    found = attempt(turns, room, mode, target=target, keep_first=spare)
    if isinstance(found, DoesNotFit):
        assert found.needed > found.room == room
        assert mode != "error" or found.needed == whole
        return
    assert found == cut(turns, room, mode, target=target, keep_first=spare)
    kept = told(turns, found)
    spent = sum(CLEARED if each.seq in found.cleared and is_result(each) else tokens(each) for each in kept)
    spent += tokens(found.summary) if found.summary is not None else 0
    assert spent == found.tokens <= room
    assert (found.how in {"", "summarise"}) == (whole <= room)
    if mode == "error":
        assert not found.dropped - found.covered
        assert not found.cleared
    _is_whole(turns, kept)
    for each in turns:
        fixed = each.turn.pinned or each.turn.role == "system" or each is turns[-1]
        if fixed and not each.summary:
            assert each in kept
            assert each.seq not in found.cleared or not each.turn.pinned


def _is_whole(turns: list[Kept], kept: list[Kept]) -> None:
    """Each unit is told whole or not at all, and so each call has the results it had."""
    spoken = [each for each in turns if not each.summary]
    seqs = {each.seq for each in kept}
    for unit in units(spoken):
        assert len({each.seq in seqs for each in unit}) == 1
    calls = {part.id for each in kept for part in each.message.parts if isinstance(part, ToolCallPart)}
    answered = {
        part.call_id for each in kept for part in each.message.parts if isinstance(part, ToolResultPart)
    }
    assert answered == calls


@settings(max_examples=100, deadline=None)
@given(turns=conversations(summaries=False), room=st.integers(20, 300), mode=st.sampled_from(MODES))
def test_what_follows_a_gap_speaks_to_the_model(turns: list[Kept], room: int, mode: Mode) -> None:
    """After turns that were left out comes somebody's words to the model, or what had to stay."""
    try:
        found = cut(turns, room, mode)
    except DoesNotFit:
        assume(False)
    kept = told(turns, found)
    for before, after in zip([None, *kept], kept, strict=False):
        gap = after.seq - (before.seq + 1 if before is not None else 0)
        if gap and not any(turns[seq].turn.status == "redacted" for seq in range(after.seq - gap, after.seq)):
            unit = next(unit for unit in units(turns) if after in unit)
            stays = any(each.turn.pinned or each.turn.role == "system" for each in unit)
            assert after.turn.role == "user" or stays or unit[0].seq < after.seq


@pytest.mark.parametrize("mode", ["drop_oldest", "middle_out"])
def test_the_beginning_holds_for_many_calls(mode: Mode) -> None:
    """A conversation that grows turn by turn is cut again only once for each step of tokens that it grew by."""
    room, target = 400, 0.5
    seen: list[frozenset[int]] = []
    writer = Writer()
    for number in range(60):
        writer.add("user", text(f"question {number:03}"))
        found = cut(writer.turns, room, mode, target=target)
        assert not seen or seen[-1] <= found.dropped
        if not seen or seen[-1] != found.dropped:
            seen.append(found.dropped)
        writer.add("assistant", text(f"answer {number:03}"))
    grown = sum(map(tokens, writer.turns))
    assert 3 < len(seen) <= grown // int(room * (1 - target)) + 2


def test_the_first_units_are_spared() -> None:
    """`middle_out` keeps the beginning and drops behind it; `drop_oldest` begins with the oldest."""
    writer = Writer()
    for _ in range(8):
        writer.add("user", text("x" * 50))
        writer.add("assistant", text("y" * 50))
    writer.add("user", text("now"))
    middle = cut(writer.turns, 200, "middle_out", keep_first=2)
    oldest = cut(writer.turns, 200, "drop_oldest", keep_first=2)
    assert (middle.how, oldest.how) == ("middle_out", "drop_oldest")
    assert min(middle.dropped) == 2
    assert min(oldest.dropped) == 0
    assert oldest.dropped == frozenset(range(max(oldest.dropped) + 1))


def test_results_are_cleared_before_turns_are_dropped() -> None:
    """Where old results alone make room enough, no turn goes; those of the last units keep their bodies."""
    writer = Writer()
    for number in range(6):
        writer.add("user", text("look"))
        writer.add("assistant", call(f"c{number}"))
        writer.add("tool", result(f"c{number}", "x" * 900))
        writer.add("assistant", text("found"))
    writer.add("user", text("now"))
    total = sum(map(tokens, writer.turns))
    found = cut(writer.turns, total - 50, target=0.9)
    assert found.how == "clear_results"
    assert not found.dropped
    assert sorted(found.cleared) == sorted(seq for seq in found.cleared if is_result(writer.turns[seq]))
    assert min(found.cleared) == 2
    assert max(found.cleared) < len(writer.turns) - fit.RECENT


def test_a_short_result_is_not_cleared() -> None:
    """What is shorter than the words that would stand in its place keeps its body."""
    short, long = result("a", ""), result("b", "x" * 4000)
    turns = [
        held(0, "user", text()), held(1, "assistant", call("a"), call("b")), held(2, "tool", short),
        held(3, "tool", long), *(held(seq, "user", text("x")) for seq in range(4, 9)),
    ]  # fmt: skip

    def count(each: Kept) -> int:
        return {2: 4, 3: 400}.get(each.seq, 10)

    found = fit.fitted(turns, now=8, room=440, count=count, mode="drop_oldest", target=0.9, keep_first=0)
    assert found.cleared == {3}
    assert found.tokens == sum(map(count, turns)) - 400 + CLEARED


def test_what_must_stay_may_be_too_much() -> None:
    """A pinned turn, instructions and what is said now are told or the call is refused, with both numbers."""
    turns = [
        held(0, "system", text("x" * 200)), held(1, "user", text("x" * 200), pinned=True),
        held(2, "assistant", text()), held(3, "user", text("x" * 200)),
    ]  # fmt: skip
    needed = sum(tokens(turns[seq]) for seq in (0, 1, 3))
    with pytest.raises(DoesNotFit) as failure:
        cut(turns, 40)
    assert (failure.value.needed, failure.value.room) == (needed, 40)
    assert cut(turns, needed).dropped == {2}


def compacted(first: int, last: int, seq: int) -> Kept:
    """A summary of some turns."""
    return held(
        seq,
        "user",
        text("in short"),
        compaction=Compaction(first=first, last=last, digest=f"sha256:{'0' * 64}"),
    )


def test_a_summary_stands_for_units_but_not_for_what_is_pinned() -> None:
    """What is covered is left out; instructions, pins, and a call whose result is pinned are told themselves."""
    turns = [
        held(0, "system", text()), held(1, "user", text()), held(2, "user", text(), pinned=True),
        held(3, "assistant", call("a")), held(4, "tool", result("a"), pinned=True), held(5, "assistant", text()),
        held(6, "user", text()),
    ]  # fmt: skip
    summary = compacted(0, 5, 7)
    assert fit.covered_by(summary, [*turns, summary]) == {1, 5}
    found = fit.whole([*turns, summary], 1000, summary, tokens)
    assert found.how == "summarise"
    assert found.dropped == found.covered == {1, 5}
    assert found.tokens == 1000 + tokens(summary) - tokens(turns[1]) - tokens(turns[5])
    assert fit.covered_by(None, turns) == frozenset()
    assert fit.whole(turns, 9, None, tokens) == Fitted(tokens=9)


@settings(max_examples=100, deadline=None)
@given(turns=conversations(summaries=False), room=st.integers(20, 400), target=st.floats(0.2, 1.0))
def test_a_run_to_sum_up_makes_room(turns: list[Kept], room: int, target: float) -> None:
    """What a summary is to stand for is one run of whole units, but for those in it that are always told."""
    run = fit.oldest(turns, now=len(turns) - 1, room=room, count=tokens, target=target)
    total = sum(map(tokens, turns))
    if run is None:
        return
    assert total > target * room - 1
    first, last = run
    assert first <= last < turns[-1].seq
    covered = fit.covered_by(compacted(first, last, len(turns)), turns)
    fixed = [
        each.seq
        for unit in units(turns[first : last + 1])
        if any(each.turn.pinned or each.turn.role in {"system", "developer"} for each in unit)
        for each in unit
    ]
    assert covered == frozenset(range(first, last + 1)).difference(fixed)
    assert covered
    _is_whole(turns, [each for each in turns if each.seq not in covered])


@settings(max_examples=100, deadline=None)
@given(turns=conversations(summaries=False), keep=st.integers(0, 6))
def test_all_but_the_last_units_are_summed_up(turns: list[Kept], keep: int) -> None:
    """The last units asked for stay told, and no unit is split by what the summary stands for."""
    run = fit.all_but(turns, keep)
    if run is None:
        return
    covered = fit.covered_by(compacted(*run, len(turns)), turns)
    kept = [each for each in turns if each.seq not in covered]
    _is_whole(turns, kept)
    assert len(units(kept)) >= min(keep, len(units(turns)))
    assert turns[-1] in kept


def test_a_providers_own_summary_stands_for_all_before_it() -> None:
    """All turns before it, whoever pinned them: the provider holds them itself."""
    turns = [
        held(0, "user", text(), pinned=True),
        held(1, "assistant", text()),
        compacted(0, 1, 2),
        held(3, "user", text()),
    ]
    assert fit.before(turns, 3) == {0, 1}
