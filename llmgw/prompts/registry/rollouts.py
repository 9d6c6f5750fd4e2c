"""Rollouts: a share of a label's calls goes to another version, in steps, until it is promoted or given up."""

from itertools import pairwise
from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from llmgw.prompts.registry.changes import At, Change, changed, expect, label_of, text, version_of
from llmgw.prompts.registry.labels import check_target, gate_passed, lead, needs_approval
from llmgw.prompts.registry.wishes import Start, Turn
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import Label, PendingMove, PromptInfo, Rollout
from llmgw.types.prompt_errors import PromptConflict

Kind: TypeAlias = Literal["step", "pause", "resume", "abort", "promote"]

STEPS: Final = (100, 500, 2500, 5000, 10_000)
"""Shares of the usual rollout, in basis points."""
STEPS_MAX: Final = 20
UNAPPROVED_MAX: Final = 5000
"""The largest share of a label that only moves when two agree, before they do."""
_WHOLE: Final = 10_000


def start(info: PromptInfo, name: str, wish: Start, at: At, rollout_id: str) -> Change:
    """Send the first share of a label's calls to a candidate.

    Raises:
        InvalidRequest, PromptVersionNotFound, PromptChanged, PromptConflict, GateMissing: as their names say.
    """
    label = label_of(info, name)
    expect(label, wish.if_match)
    candidate = version_of(info, wish.candidate)
    reason = text(wish.reason, "reason")
    if label.rollout is not None:
        raise PromptConflict(f"a rollout of {info.name}@{label.rollout.candidate} is under way already")
    if label.pending is not None:
        raise PromptConflict(f"a move of the label {name} waits for approval")
    if not label.version or label.version == candidate.number:
        raise PromptConflict("a rollout leads from one version to another")
    check_target(info, name, candidate)
    _same_major(info, label, candidate.number)
    gate_passed(candidate, name, at, reason=reason, break_glass=wish.break_glass)
    steps = _steps(wish, name, at)
    rollout = Rollout(
        id=rollout_id,
        candidate=candidate.number,
        steps=steps,
        weight=steps[0],
        sticky_by=wish.sticky_by,
        started_ms=at.now_ms,
        started_by=at.author.who,
    )
    detail = "break glass" if wish.break_glass else ""
    return _change(info, "start", name, replace(label, rollout=rollout), at, reason, detail)


def turn(info: PromptInfo, name: str, kind: Kind, wish: Turn, at: At) -> Change | None:
    """Have a rollout go on, stand still, or end; None where it does so already.

    Raises:
        InvalidRequest, PromptVersionNotFound, PromptChanged, PromptConflict: as their names say.
    """
    label = label_of(info, name)
    expect(label, wish.if_match)
    reason = text(wish.reason, "reason")
    rollout = label.rollout
    if rollout is None:
        raise PromptConflict(f"no rollout of the label {name} is under way")
    match kind:
        case "step":
            stepped = replace(label, rollout=_stepped(rollout, wish.weight, name, at))
            return _change(info, kind, name, stepped, at, reason)
        case "pause" | "resume":
            state: Literal["running", "paused"] = "paused" if kind == "pause" else "running"
            if rollout.state == state:
                return None
            return _change(
                info, kind, name, replace(label, rollout=replace(rollout, state=state)), at, reason
            )
        case "abort":
            return _change(info, kind, name, replace(label, rollout=None, pending=None), at, reason)
        case "promote":
            return _promoted(info, name, label, at, reason)


def _promoted(info: PromptInfo, name: str, label: Label, at: At, reason: str) -> Change | None:
    rollout = label.rollout
    assert rollout is not None  # noqa: S101  # `turn` has looked
    candidate = version_of(info, rollout.candidate)
    check_target(info, name, candidate)
    if needs_approval(name, at):
        if label.pending is not None:
            return None
        gate = candidate.gate.verdict if candidate.gate is not None else None
        pending = PendingMove(
            version=candidate.number,
            by=at.author.who,
            at_ms=at.now_ms,
            reason=reason or f"promotion of the rollout {rollout.id}",
            # As it was when the rollout began.
            break_glass=gate != "pass",
        )
        return _change(info, "propose", name, replace(label, pending=pending), at, reason)
    return lead(info, name, label, candidate, at, op="rollout.promote", reason=reason)


def _stepped(rollout: Rollout, weight: int | None, name: str, at: At) -> Rollout:
    if rollout.state == "paused":
        raise PromptConflict("the rollout is paused: resume it first")
    if weight is None:
        if rollout.step + 1 >= len(rollout.steps):
            raise PromptConflict("the rollout has taken its last step: promote it, or name a weight")
        step = rollout.step + 1
        return replace(rollout, step=step, weight=rollout.steps[step])
    _share(weight)
    _capped(weight, name, at)
    step = max((at for at, share in enumerate(rollout.steps) if share <= weight), default=0)
    return replace(rollout, step=step, weight=weight)


def _steps(wish: Start, name: str, at: At) -> tuple[int, ...]:
    capped = needs_approval(name, at)
    if wish.weight is not None:
        if wish.steps:
            raise InvalidRequest("a rollout has steps or one weight, not both", param="weight")
        steps: tuple[int, ...] = (wish.weight,)
    elif wish.steps:
        steps = wish.steps
    else:
        return tuple(each for each in STEPS if not capped or each <= UNAPPROVED_MAX)
    for each in steps:
        _share(each)
    if len(steps) > STEPS_MAX or any(later <= earlier for earlier, later in pairwise(steps)):
        raise InvalidRequest(f"the steps of a rollout rise, and are at most {STEPS_MAX}", param="steps")
    _capped(steps[-1], name, at)
    return steps


def _share(weight: int) -> None:
    if not 0 <= weight <= _WHOLE:
        raise InvalidRequest(f"a share is between 0 and {_WHOLE} basis points", param="weight")


def _capped(weight: int, name: str, at: At) -> None:
    if weight > UNAPPROVED_MAX and needs_approval(name, at):
        raise PromptConflict(
            f"two people move the label {name}: until they agree, a share is at most {UNAPPROVED_MAX} basis points"
        )


def _same_major(info: PromptInfo, label: Label, candidate: int) -> None:
    old, new = info.versions[label.version].api, info.versions[candidate].api
    if (old and (old.slug, old.major)) != (new and (new.slug, new.major)):
        raise PromptConflict("a rollout stays within one API and major version: move the label instead")


def _change(
    info: PromptInfo, op: str, name: str, label: Label, at: At, reason: str, detail: str = ""
) -> Change:
    before = info.labels[name].rollout
    after = label.rollout
    return Change(
        info=changed(info, at, labels={name: replace(label, rev=label.rev + 1)}),
        op=f"rollout.{op}",
        subject=name,
        before=_told(before),
        after=_told(after),
        reason=reason,
        detail=detail,
    )


def _told(rollout: Rollout | None) -> str:
    return f"{rollout.candidate}:{rollout.weight}" if rollout is not None else ""
