"""Where labels lead: moves, and who must agree; back to where they led before."""

from typing import Final

from msgspec.structs import replace

from llmgw.prompts.registry.changes import At, Change, changed, expect, label_name, label_of, text, version_of
from llmgw.prompts.registry.wishes import Back, LabelMove
from llmgw.prompts.serving.apis import OLD_MAJOR
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import SERVED, Label, Move, PendingMove, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import GateMissing, PromptConflict

LABELS_MAX: Final = 100
"""Labels of one prompt."""
BEFORE_MAX: Final = 100
"""Versions that are remembered of where a label led."""
_LABEL_MAX: Final = 64


def move(info: PromptInfo, name: str, wish: LabelMove, at: At) -> Change | None:
    """Lead a label to a version, or note that somebody shall agree to it; None where it leads there already.

    Raises:
        InvalidRequest, PromptVersionNotFound, PromptChanged, PromptConflict, GateMissing: as their names say.
    """
    label = info.labels.get(label_name(name))
    expect(label, wish.if_match)
    version = version_of(info, wish.version)
    if label is not None and label.rollout is not None:
        raise PromptConflict(
            f"a rollout of {info.name}@{label.rollout.candidate} is under way: promote or abort it"
        )
    if label is not None and label.version == version.number and label.pending is None:
        return None
    check_target(info, name, version)
    reason = text(wish.reason, "reason")
    there = label or _new(info, at)
    if there.version == version.number:
        withdrawn = replace(there, rev=there.rev + 1, pending=None)
        return _change(info, "label.withdraw", name, withdrawn, at, reason)
    gate_passed(version, name, at, reason=reason, break_glass=wish.break_glass)
    detail = "break glass" if wish.break_glass else ""
    if needs_approval(name, at):
        same = there.pending is not None and there.pending.version == version.number
        if same and there.pending is not None and there.pending.by == at.author.who:
            return None
        pending = PendingMove(
            version=version.number,
            by=at.author.who,
            at_ms=at.now_ms,
            reason=reason,
            break_glass=wish.break_glass,
        )
        waiting = replace(there, rev=there.rev + 1, pending=pending)
        change = _change(info, "label.propose", name, waiting, at, reason, detail)
        return replace(change, after=str(version.number))
    return lead(info, name, there, version, at, op="label.move", reason=reason, detail=detail)


def approve(info: PromptInfo, name: str, if_match: str | None, at: At) -> Change:
    """Do what another person proposed.

    Raises:
        PromptVersionNotFound, PromptChanged, PromptConflict, GateMissing: as their names say.
    """
    label = label_of(info, name)
    expect(label, if_match)
    pending = label.pending
    if pending is None:
        raise PromptConflict(f"no move of the label {name} waits for anybody")
    if pending.by == at.author.who:
        raise PromptConflict("somebody else must approve this move: the key is the one that proposed it")
    version = version_of(info, pending.version)
    check_target(info, name, version)
    gate_passed(version, name, at, reason=pending.reason, break_glass=pending.break_glass)
    detail = f"proposed by {pending.by}" + (", break glass" if pending.break_glass else "")
    return lead(info, name, label, version, at, op="label.approve", reason=pending.reason, detail=detail)


def remove(info: PromptInfo, name: str, if_match: str | None, at: At) -> Change:
    """Take a label out; calls that name it find nothing from then on.

    Raises:
        PromptVersionNotFound, PromptChanged: as their names say.
        PromptConflict: a second person must agree to what becomes of it, and nobody can be asked about nothing.
    """
    label = label_of(info, name)
    expect(label, if_match)
    if label.version and needs_approval(name, at):
        raise PromptConflict(
            f"the label {name} takes two people to move, and is not removed: move it instead"
        )
    return Change(
        info=changed(info, at, labels={name: None}),
        op="label.remove",
        subject=name,
        before=str(label.version),
    )


def roll_back(info: PromptInfo, name: str, wish: Back, at: At) -> Change:
    """Lead a label to where it led before, which needs no evaluation and nobody's consent; a rollout ends.

    What came after that is forgotten, so that a second rollback goes further back.

    Raises:
        PromptVersionNotFound, PromptChanged, PromptConflict: as their names say.
    """
    label = label_of(info, name)
    expect(label, wish.if_match)
    reason = text(wish.reason, "reason")
    before = [each.version for each in label.before]
    if wish.to is None and not before and label.rollout is not None:
        ended = replace(label, rev=label.rev + 1, rollout=None, pending=None)
        return _change(info, "label.rollback", name, ended, at, reason, "the rollout ends")
    target = wish.to if wish.to is not None else (before[-1] if before else None)
    if target is None or target not in before:
        listed = ", ".join(map(str, dict.fromkeys(reversed(before)))) or "none"
        raise PromptConflict(f"the label {name} goes back only to versions it led to before: {listed}")
    version = version_of(info, target)
    if version.state not in SERVED:
        raise PromptConflict(f"{info.name}@{target} is {version.state}: publish it again, or go further back")
    at_before = len(before) - 1 - before[::-1].index(target)
    moved = replace(
        label,
        version=target,
        rev=label.rev + 1,
        moved_ms=at.now_ms,
        moved_by=at.author.who,
        rollout=None,
        pending=None,
        before=label.before[:at_before],
    )
    labels = {name: moved, **_old_major(info, name, label, version, at)}
    return Change(
        info=changed(info, at, labels=labels),
        op="label.rollback",
        subject=name,
        before=str(label.version),
        after=str(target),
        reason=reason,
    )


def lead(
    info: PromptInfo,
    name: str,
    label: Label,
    version: VersionInfo,
    at: At,
    *,
    op: str,
    reason: str,
    detail: str = "",
) -> Change:
    """Lead a label to a version, remembering where it led; the major version it leaves gets a label of its own."""
    before = label.before
    if label.version:
        left = Move(version=label.version, at_ms=at.now_ms, by=at.author.who)
        before = (*before, left)[-BEFORE_MAX:]
    moved = Label(
        version=version.number,
        rev=label.rev + 1,
        moved_ms=at.now_ms,
        moved_by=at.author.who,
        before=before,
    )
    labels = {name: moved, **_old_major(info, name, label, version, at)}
    if len({*info.labels, *labels}) > LABELS_MAX:
        raise PromptConflict(f"a prompt has at most {LABELS_MAX} labels")
    return Change(
        info=changed(info, at, labels=labels),
        op=op,
        subject=name,
        before=str(label.version) if label.version else "",
        after=str(version.number),
        reason=reason,
        detail=detail,
    )


def check_target(info: PromptInfo, label: str, version: VersionInfo) -> None:
    """Refuse a version that a label cannot lead to.

    Raises:
        PromptConflict: it is not served, or of another major version than the label serves.
    """
    if version.state not in SERVED:
        hint = ": publish it first" if version.state == "draft" else ""
        raise PromptConflict(f"{info.name}@{version.number} is {version.state}{hint}")
    major = label.removeprefix(OLD_MAJOR)
    if label != major and major.isdigit() and (version.api is None or str(version.api.major) != major):
        raise PromptConflict(
            f"the label {label} serves v{major} of an API, and {info.name}@{version.number} is none"
        )


def gate_passed(version: VersionInfo, label: str, at: At, *, reason: str, break_glass: bool) -> None:
    """Refuse a version that was not evaluated as the label demands.

    Raises:
        GateMissing: it was not, and the glass is not broken.
        InvalidRequest: the glass is broken without a reason.
    """
    if break_glass:
        if not reason.strip():
            raise InvalidRequest("breaking the glass asks for a reason", param="reason")
        return
    if version.partial:
        return
    verdict = version.gate.verdict if version.gate is not None else None
    what = f"version {version.number}"
    if verdict is None:
        raise GateMissing(f"{what} was not evaluated: evaluate it, or break the glass with a reason")
    if at.settings.is_protected(label) and verdict != "pass":
        more = f"on {at.settings.min_cases} cases or more" if verdict == "insufficient_data" else "anew"
        raise GateMissing(
            f"the label {label} is protected, and the evaluation of {what} came to {verdict}: "
            f"evaluate it {more}, or break the glass with a reason"
        )
    if verdict == "fail":
        raise GateMissing(f"{what} failed its evaluation: see why in its gates, and evaluate another version")


def needs_approval(label: str, at: At) -> bool:
    """Whether somebody else must agree before a label moves."""
    return at.settings.approvals > 0 and at.settings.is_protected(label)


def _new(info: PromptInfo, at: At) -> Label:
    # Revisions go on from the prompt's, so that a label that was taken out and made again has no old entity tag.
    return Label(version=0, rev=info.rev, moved_ms=at.now_ms, moved_by=at.author.who)


def _old_major(info: PromptInfo, name: str, label: Label, new: VersionInfo, at: At) -> dict[str, Label]:
    """The label that goes on serving the major version which a move leaves."""
    old = info.versions.get(label.version)
    if old is None or old.api is None or new.api is None or old.api.major == new.api.major:
        return {}
    kept = f"{name}-v{old.api.major}"
    if len(kept) > _LABEL_MAX:
        return {}
    there = info.labels.get(kept) or _new(info, at)
    left = (Move(version=there.version, at_ms=at.now_ms, by=at.author.who),) if there.version else ()
    return {
        kept: Label(
            version=old.number,
            rev=there.rev + 1,
            moved_ms=at.now_ms,
            moved_by=at.author.who,
            before=(*there.before, *left)[-BEFORE_MAX:],
        )
    }


def _change(
    info: PromptInfo, op: str, name: str, label: Label, at: At, reason: str, detail: str = ""
) -> Change:
    """A change of a label that leaves it where it leads."""
    if len({*info.labels, name}) > LABELS_MAX:
        raise PromptConflict(f"a prompt has at most {LABELS_MAX} labels")
    leads = str(label.version) if label.version else ""
    return Change(
        info=changed(info, at, labels={name: label}),
        op=op,
        subject=name,
        before=leads,
        after=leads,
        reason=reason,
        detail=detail,
    )
