"""What a target is told of a conversation, and what the report says of it: in order, whole, and counted."""

from collections.abc import Mapping, Sequence
from typing import Final

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llmgw.context.integrity import blobs
from llmgw.context.kept import Kept
from llmgw.context.views import fit
from llmgw.context.views.bindings import Maker
from llmgw.context.views.fit import DoesNotFit, Fitted
from llmgw.context.views.report import of_request, report_of, shortfall
from llmgw.context.views.view import View, is_special, view_of, without_part
from llmgw.types.loss import Loss, LossCode
from llmgw.types.message import MediaPart, OpaquePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from llmgw.types.preservation import PartLoss, Report
from llmgw.types.turn import Compaction
from msgspec.structs import replace
from tests.unit.context.conversations import MAKER, SEALED, conversations, course_of
from tests.unit.context.turns import SALT, call, held, result, text

READER: Final = Maker(provider="p", kind="anthropic", protocol="anthropic", model="claude-opus-5-5")
STRANGER: Final = Maker(provider="q", kind="openai", protocol="openai", model="gpt")
ALL: Final = Fitted(tokens=1)


def viewed(
    turns: Sequence[Kept],
    fitted: Fitted = ALL,
    target: Maker = READER,
    contents: Mapping[str, bytes] | None = None,
    prefix: str = "",
) -> View:
    """The view of some turns for one target."""
    special = [each.seq for each in turns if is_special(each)]
    return view_of(turns, special, fitted, target, contents or {}, lambda _seq: prefix)


def reported(
    turns: Sequence[Kept], view: View, fitted: Fitted = ALL, losses: Sequence[PartLoss] = ()
) -> Report:
    """The report on a view."""
    return report_of(
        context="ctx",
        rev=1,
        target=READER.binding(""),
        turns=turns,
        parts=sum(len(each.message.parts) for each in turns if not each.summary),
        view=view,
        losses=[*view.losses, *losses],
        checks={"c1": "pass"},
        fitted=fitted,
    )


def codes(view: View) -> list[tuple[str, str]]:
    """Code and pointer of each loss."""
    return [(each.code, each.pointer) for each in view.losses]


@settings(max_examples=200, deadline=None)
@given(
    turns=conversations(),
    room=st.integers(20, 600) | st.none(),
    mode=st.sampled_from(["drop_oldest", "middle_out"]),
    target=st.sampled_from([READER, STRANGER]),
)
def test_a_view_is_in_order_and_its_report_adds_up(
    turns: list[Kept], room: int | None, mode: fit.Mode, target: Maker
) -> None:
    """Told and skipped turns make up all there are, each message is its turn's, and all counts add up."""
    summaries = course_of(turns).summaries
    summary = summaries[-1] if summaries and fit.covered_by(summaries[-1], turns) else None
    try:
        fitted = fit.fitted(
            turns, now=len(turns) - 1, room=10**6 if room is None else room, count=lambda each: each.size // 10,
            mode=mode, target=0.7, keep_first=1, summary=summary,
        )  # fmt: skip
    except DoesNotFit:
        assume(False)
    view = viewed(turns, fitted, target)
    seqs = [each.seq for each in view.turns if each is not summary]
    assert seqs == sorted(set(seqs))
    assert sorted([*seqs, *view.skipped]) == list(range(len(turns)))
    assert view.skipped == sorted(view.skipped)
    assert len(view.messages) == len(view.turns)
    assert all(message.parts for message in view.messages)
    _is_legal(view)
    report = reported(turns, view, fitted)
    assert report == reported(turns, viewed(turns, fitted, target), fitted)
    counts = report.counts
    assert counts.parts == counts.carried + counts.transformed + counts.truncated + counts.dropped
    assert min(counts.carried, counts.turns_sent) >= 0
    assert counts.turns == sum(not each.summary for each in turns)
    assert counts.turns_sent == len(seqs)
    assert 0 <= report.score <= 1
    assert [seq for first, last in report.sent for seq in range(first, last + 1)] == seqs
    untouched = not view.losses
    assert (report.score == 1.0 and counts.carried == counts.parts) or not untouched
    assert (report.verdict == "preserved") <= untouched


def _is_legal(view: View) -> None:
    """Each result follows its call, and nothing comes between a call and its results."""
    waiting: set[str] = set()
    for message in view.messages:
        results = {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}
        assert results <= waiting
        waiting -= results
        assert not waiting or results
        waiting |= {part.id for part in message.parts if isinstance(part, ToolCallPart)}


def test_what_is_sealed_goes_to_who_can_read_it() -> None:
    """The maker is told its own seals, byte for byte; another what is in the clear, and the rest is noted."""
    turns = [
        held(0, "user", text()),
        held(1, "assistant", SEALED, text("so"), protocol="anthropic", produced_by=MAKER),
        held(2, "user", text()),
    ]
    own = viewed(turns)
    assert own.messages[1] == turns[1].message
    assert not own.losses
    other = viewed(turns, target=STRANGER)
    assert other.messages[1].parts == (text("so"),)
    assert codes(other) == [(LossCode.REASONING_OPAQUE_DROPPED.value, "/turns/1/parts/0")]
    assert other.unread == ["/turns/1/parts/0"]
    assert other.pointer("/messages/1/parts/0/text") == ("/turns/1/parts/1/text", turns[1])
    report = reported(turns, other)
    assert (report.counts.dropped, report.counts.carried, report.verdict) == (1, 3, "degraded")


def test_a_seal_that_is_bound_to_what_stood_before_falls_with_it() -> None:
    """Behind another conversation than it was made in, the seal is left out, with a code of its own."""
    bound = replace(MAKER, prefix="a" * 32)
    turns = [held(0, "assistant", SEALED, text("so"), protocol="anthropic", produced_by=bound)]
    assert not viewed(turns, prefix="a" * 32).losses
    assert codes(viewed(turns, prefix="b" * 32)) == [
        (LossCode.REASONING_PREFIX_INVALIDATED.value, "/turns/0/parts/0")
    ]


def test_a_turn_that_is_all_seal_is_not_told_to_others() -> None:
    """Where nothing of a turn is in the clear there is no message, and the turn counts as skipped."""
    opaque = OpaquePart(protocol="anthropic", kind="compaction", value={"content": "x"})
    turns = [
        held(0, "user", text()),
        held(1, "assistant", SEALED, opaque, protocol="anthropic", produced_by=MAKER),
        held(2, "user", text()),
    ]
    view = viewed(turns, target=STRANGER)
    assert view.skipped == [1]
    assert [code for code, _ in codes(view)] == [
        LossCode.REASONING_OPAQUE_DROPPED.value, LossCode.COMPACTION_OPAQUE_DROPPED.value,
    ]  # fmt: skip
    assert reported(turns, view).sent == ((0, 0), (2, 2))


def test_what_was_redacted_is_missed_and_a_redacted_summary_is_not() -> None:
    """A turn without its content is a loss of the conversation; a summary without its content is none."""
    gone = replace(held(2, "user", status="redacted"), summary=True)
    turns = [held(0, "user", text()), held(1, "assistant", status="redacted"), gone, held(3, "user", text())]
    view = viewed(turns)
    assert codes(view) == [(LossCode.TURN_REDACTED.value, "/turns/1")]
    assert view.skipped == [1, 2]
    report = reported(turns, view)
    assert (report.counts.turns, report.counts.turns_sent, report.counts.parts) == (3, 2, 2)
    whole = [each for each in turns if each.seq != 1]
    assert course_of(whole).summaries == []


def test_large_content_is_put_back_or_missed() -> None:
    """What is at hand is told as it was said; what is gone is told as gone, and noted where it stood."""
    aside: dict[str, bytes] = {}
    picture = MediaPart(kind="image", base64="A" * blobs.LARGE)
    said = (text("look"), picture, result("a"))
    inner = ToolResultPart(call_id="a", content=(picture,))
    small = blobs.put_aside((*said[:2], inner), SALT, aside)
    turns = [held(0, "user", *small)]
    assert viewed(turns, contents=aside).messages[0].parts == (*said[:2], inner)
    view = viewed(turns)
    assert view.messages[0].parts[0] == text("look")
    assert not any(blobs.named(view.messages[0].parts))
    assert codes(view) == [
        (LossCode.MEDIA_UNRESOLVABLE.value, f"/turns/0/parts/{number}") for number in (1, 2)
    ]  # fmt: skip
    assert set(view.missing) == set(aside)
    assert reported(turns, view).verdict == "lost"


def test_cleared_results_say_so() -> None:
    """A result without its body stands where it stood, answers the same call, and counts as told in part."""
    turns = [
        held(0, "user", text()),
        held(1, "assistant", call("a")),
        held(2, "tool", result("a", "x" * 999)),
    ]
    fitted = Fitted(tokens=1, cleared=frozenset({2}), how="clear_results")
    view = viewed(turns, fitted)
    (part,) = view.messages[2].parts
    assert isinstance(part, ToolResultPart)
    assert part.call_id == "a"
    (words,) = part.content
    assert isinstance(words, TextPart)
    assert "cleared" in words.text
    assert codes(view) == [(LossCode.RESULT_CLEARED.value, "/turns/2/parts/0")]
    assert reported(turns, view, fitted).counts.truncated == 1


def test_a_summary_stands_where_what_it_covers_stood() -> None:
    """It is told in place of the first turn it covers, in words that say what it is."""
    compaction = Compaction(first=1, last=2, digest=f"sha256:{'0' * 64}")
    turns = [
        held(0, "system", text("be brief")), held(1, "user", text("one")), held(2, "assistant", text("two")),
        held(3, "user", text("in short"), compaction=compaction), held(4, "user", text("now")),
    ]  # fmt: skip
    fitted = fit.whole(turns, 100, turns[3], lambda _: 1)
    view = viewed(turns, fitted)
    said = ["".join(part.text for part in each.parts if isinstance(part, TextPart)) for each in view.messages]
    assert [words[-8:] for words in said] == ["be brief", "in short", "now"]
    assert said[1].startswith("Summary of the conversation")
    assert codes(view) == [(LossCode.WINDOW_SUMMARISED.value, "/turns/1")]
    assert view.losses[0].through == 2
    report = reported(turns, view, fitted)
    assert (report.counts.turns, report.counts.turns_sent, report.counts.parts) == (4, 2, 4)


def test_a_loss_of_a_summary_is_not_counted_against_what_was_said() -> None:
    """What a target could not be told of a summary is noted; the parts of the conversation still add up."""
    compaction = Compaction(first=0, last=0, digest=f"sha256:{'0' * 64}")
    turns = [
        held(0, "user", text("one")),
        held(1, "user", text("short"), compaction=compaction),
        held(2, "user", text()),
    ]
    fitted = fit.whole(turns, 100, turns[1], lambda _: 1)
    loss = PartLoss(
        code=LossCode.PART_UNTRANSLATABLE.value, severity="major", pointer="/turns/1/parts/0", source="render"
    )
    counts = reported(turns, viewed(turns, fitted), fitted, [loss]).counts
    assert counts.parts == counts.carried + counts.transformed + counts.truncated + counts.dropped == 2
    assert counts.carried >= 1


def test_a_part_that_is_refused_is_taken_out() -> None:
    """A view can be told without a part: its message keeps the others, a result its place, and each is noted."""
    turns = [
        held(0, "user", text("a"), MediaPart(kind="audio", base64="QQ=="), text("b")),
        held(1, "tool", result("a")),
    ]
    view = viewed(turns)
    assert without_part(view, "/messages/0/parts/1")
    assert list(view.messages[0].parts) == [text("a"), text("b")]
    assert view.pointer("/messages/0/parts/1") == ("/turns/0/parts/2", turns[0])
    assert without_part(view, "/messages/0/parts/1/text")
    assert without_part(view, "/messages/0/parts/0")
    assert list(view.messages[0].parts) == [text("[Content that was here is no longer kept.]")]
    assert not without_part(view, "/messages/0/parts/0")
    assert without_part(view, "/messages/1/parts/0")
    assert isinstance(view.messages[1].parts[0], ToolResultPart)
    assert not without_part(view, "/messages/1/parts/0")
    for nowhere in (
        "/messages/9/parts/0",
        "/messages/0/parts/9",
        "/messages/0",
        "/tools/0",
        "",
        "/messages/x/parts/0",
    ):
        assert not without_part(view, nowhere)
    assert {pointer for _, pointer in codes(view)} >= {
        "/turns/0/parts/0",
        "/turns/0/parts/1",
        "/turns/0/parts/2",
    }


def test_pointers_into_a_request_are_translated() -> None:
    """Where a message stands is not where its turn stands; what is about the call alone is no loss here."""
    turns = [held(0, "user", status="redacted"), held(1, "user", text(), ReasoningPart(text="x"))]
    view = viewed(turns)
    losses = [
        Loss(code=LossCode.REASONING_TEXT_DROPPED, pointer="/messages/0/parts/1"),
        Loss(code=LossCode.REASONING_TEXT_DROPPED, pointer="/messages/7/parts/1"),
        Loss(code=LossCode.REASONING_TEXT_DROPPED, pointer="/sampling/top_k"),
    ]
    assert [(each.pointer, each.turn) for each in of_request(losses, view)] == [
        ("/turns/1/parts/1", turns[1].turn.id)
    ]


def test_the_shortfall_of_a_providers_count() -> None:
    """Much fewer tokens than were sent fail; little context, no count and no estimate say nothing."""
    assert shortfall(1000, 699) == "fail"
    assert shortfall(1000, 700) == "pass"
    assert shortfall(511, 1) == "pass"
    assert shortfall(1000, None) == shortfall(0, 5) == "skip"
