"""What became of a context in one call, put together from what each step noted. Pure: the same in, the same out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.context.kept import Kept
from llmgw.context.views.fit import Fitted
from llmgw.context.views.view import View
from llmgw.types.loss import SEVERITY, Loss, LossCode
from llmgw.types.message import OpaquePart, Part, ReasoningPart, TextPart
from llmgw.types.preservation import (
    WEIGHTS,
    Check,
    CheckResult,
    Counts,
    PartLoss,
    Report,
    TokenFacts,
    Verdict,
)
from llmgw.types.turn import Binding
from llmgw.types.violation import Violation

SHORTFALL: Final = 0.7
"""The share of our estimate below which a provider's count says that something did not reach the model."""
SMALLEST: Final = 512
"""Estimated tokens below which the difference says nothing."""

_DROPPED: Final = frozenset(
    {
        LossCode.MEDIA_DROPPED,
        LossCode.BUILTIN_UNTRANSLATABLE,
        LossCode.REASONING_TEXT_DROPPED,
        LossCode.MEDIA_UNRESOLVABLE,
        LossCode.PART_UNTRANSLATABLE,
        LossCode.COMPACTION_OPAQUE_DROPPED,
        LossCode.UPSTREAM_DROPPED,
        LossCode.WINDOW_TRIMMED,
        LossCode.TURN_REDACTED,
    }
)
"""Codes of parts that are not told at all; sealed reasoning goes with its seal, other sealed parts do not."""
_VITAL: Final[frozenset[Check]] = frozenset({"c1", "c4", "c5", "c6", "c7", "c8"})
"""Checks whose failure says that something did not reach the model, or is not what it was."""
_ANYWHERE: Final = "/turns"
_TO_PART: Final = 4
"""Steps of a pointer to a part, `/turns/3/parts/0`."""
_WITH_SEAL: Final = frozenset({LossCode.REASONING_OPAQUE_DROPPED, LossCode.REASONING_PREFIX_INVALIDATED})
_CHOSEN: Final = frozenset(
    {
        LossCode.WINDOW_TRIMMED,
        LossCode.REASONING_OPAQUE_DROPPED,
        LossCode.REASONING_PREFIX_INVALIDATED,
        LossCode.COMPACTION_OPAQUE_DROPPED,
        LossCode.REASONING_TEXT_DROPPED,
        LossCode.BUILTIN_UNTRANSLATABLE,
    }
)
"""Major losses that follow from the policy or the choice of target: they degrade, they are no accident."""


def of_request(losses: Iterable[Loss], view: View) -> list[PartLoss]:
    """Translate what a request could not say into losses of the context, without what is about the call alone."""
    found: list[PartLoss] = []
    for loss in losses:
        place = view.pointer(loss.pointer)
        if place is not None:
            pointer, turn = place
            found.append(
                PartLoss(
                    code=loss.code.value,
                    severity=SEVERITY[loss.code],
                    pointer=pointer,
                    source="render",
                    turn=turn.turn.id,
                )
            )
    return found


def shortfall(estimated: int, reported: int | None) -> CheckResult:
    """Check C6: whether the provider counted about as many tokens as it was sent."""
    if reported is None or estimated <= 0:
        return "skip"
    return "fail" if estimated >= SMALLEST and reported < SHORTFALL * estimated else "pass"


def report_of(
    *,
    context: str,
    rev: int,
    target: Binding,
    turns: Sequence[Kept],
    parts: int,
    view: View,
    losses: Sequence[PartLoss],
    checks: Mapping[Check, CheckResult],
    violations: Sequence[Violation] = (),
    fitted: Fitted,
    tokens: TokenFacts | None = None,
    input_digest: str | None = None,
    floor: float | None = None,
    before: Report | None = None,
) -> Report:
    """Write the report.

    `turns` are all there are, by their numbers, with `parts` parts, summaries apart. `floor` is the score below
    which the context counts as lost. `before` is what was reported of the same view: its counts hold where no more
    was lost since.
    """
    all_losses = tuple(dict.fromkeys(losses)) if losses else ()
    if before is not None and before.losses == all_losses:
        counts, score, sent = before.counts, before.score, before.sent
    else:
        counts, weight = _counted(turns, parts, view, all_losses)
        score = round(max(0.0, 1.0 - weight / counts.parts), 4) if weight and counts.parts else 1.0
        sent = _sent(len(turns), view.skipped)
    return Report(
        context=context,
        rev=rev,
        target=target,
        verdict=_verdict(all_losses, checks, score, floor),
        score=score,
        counts=counts,
        checks=dict(checks),
        losses=all_losses,
        violations=tuple(violations),
        sent=sent,
        input_digest=input_digest,
        tokens=tokens,
        fit=fitted.how or None,
    )


def answered(
    asked: Report, checks: Mapping[Check, CheckResult], tokens: TokenFacts, floor: float | None
) -> Report:
    """What was reported of a request, once it is answered and nothing more of the context was lost."""
    verdict = _verdict(asked.losses, checks, asked.score, floor)
    return replace(asked, verdict=verdict, checks=dict(checks), tokens=tokens)


def _sent(turns: int, skipped: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The runs of turns between those that were skipped."""
    if turns and not skipped:
        return ((0, turns - 1),)
    runs: list[tuple[int, int]] = []
    first = 0
    for gone in (*skipped, turns):
        if gone > first:
            runs.append((first, gone - 1))
        first = gone + 1
    return tuple(runs)


def _counted(
    turns: Sequence[Kept], parts: int, view: View, losses: Sequence[PartLoss]
) -> tuple[Counts, float]:
    """Count parts by what became of them, and add up what the losses weigh: work for what was lost only."""
    if not losses and not view.skipped:
        counts = Counts(
            turns=len(turns),
            turns_sent=len(turns),
            parts=parts,
            carried=parts,
            transformed=0,
            dropped=0,
            truncated=0,
        )
        return counts, 0.0
    fates: dict[tuple[int, int], str] = {}
    weight = 0.0
    for loss in losses:
        touched = _touched(loss, turns)
        # What cannot be placed, as tokens that a host did not read, weighs as one part.
        weight += WEIGHTS[loss.severity] * (1 if loss.pointer == _ANYWHERE else len(touched))
        if LossCode(loss.code) in _DROPPED and not _is_of_a_piece(loss):
            fates.update(dict.fromkeys(touched, "dropped"))
            continue
        for seq, number in touched:
            fate = _fate(loss, turns[seq], number)
            if fate is not None and fates.get((seq, number)) != "dropped":
                fates[seq, number] = fate
    found = list(fates.values())
    summaries = sum(turns[gone].summary for gone in view.skipped)
    stored = len(turns) - summaries
    by_fate = {fate: found.count(fate) for fate in ("dropped", "transformed", "truncated")}
    counts = Counts(
        turns=stored,
        turns_sent=stored - (len(view.skipped) - summaries),
        parts=parts,
        carried=parts - len(found),
        **by_fate,
    )
    return counts, weight


def _touched(loss: PartLoss, turns: Sequence[Kept]) -> list[tuple[int, int]]:
    """The parts a loss is about: one, or all of a turn or run of turns."""
    steps = loss.pointer.split("/")
    if len(steps) < 3 or not steps[2].isdigit() or int(steps[2]) >= len(turns):
        return []
    seq = int(steps[2])
    if turns[seq].summary:
        # What a summary lost is told; what was said is counted, and summaries are not among it.
        return []
    if len(steps) > 4 and steps[3] == "parts" and steps[4].isdigit():
        return [(seq, int(steps[4]))] if int(steps[4]) < len(turns[seq].message.parts) else []
    last = seq if loss.through is None else loss.through
    return [
        (place, number)
        for place, each in enumerate(turns[seq : last + 1], seq)
        if not each.summary
        for number in range(len(each.message.parts))
    ]


def _fate(loss: PartLoss, turn: Kept, number: int) -> str | None:
    code = LossCode(loss.code)
    if _is_of_a_piece(loss):
        return "transformed"
    if code is LossCode.RESULT_CLEARED:
        return "truncated"
    if code in _WITH_SEAL and _is_all_seal(turn.message.parts[number]):
        return "dropped"
    return None if loss.severity == "info" else "transformed"


def _is_of_a_piece(loss: PartLoss) -> bool:
    """Whether it is about something in a part, as one picture in the result of a tool."""
    return loss.severity != "info" and loss.pointer.count("/") > _TO_PART


def _is_all_seal(part: Part) -> bool:
    """Whether nothing of a part is told without its seal."""
    return isinstance(part, ReasoningPart | OpaquePart) or (isinstance(part, TextPart) and not part.text)


def _verdict(
    losses: Sequence[PartLoss], checks: Mapping[Check, CheckResult], score: float, floor: float | None
) -> Verdict:
    # Most calls lose nothing and fail no check.
    fails = "fail" in checks.values()
    failed = {check for check, result in checks.items() if result == "fail"} if fails else frozenset[Check]()
    if failed & _VITAL or (floor is not None and score < floor):
        return "lost"
    if any(
        loss.severity == "fatal" or (loss.severity == "major" and LossCode(loss.code) not in _CHOSEN)
        for loss in losses
    ):
        return "lost"
    if failed or any(loss.severity != "info" for loss in losses):
        return "degraded"
    return "unverified" if checks.get("c6") == "skip" else "preserved"
