"""What one target is told of a context: the messages, whence each comes, and what is not told as it is stored."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.integrity import blobs
from llmgw.context.kept import Kept
from llmgw.context.views.bindings import Maker, can_read, is_prefix_bound
from llmgw.context.views.fit import Fitted
from llmgw.types.loss import SEVERITY, LossCode
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.preservation import LossSource, PartLoss
from llmgw.types.turn import SUMMARY_ROLE
from llmgw.types.violation import pointer_to

_CLEARED: Final = (TextPart(text="[The result was cleared to save room.]"),)
_SUMMARY: Final = "Summary of the conversation before this point:\n\n"
_MISSING: Final = "[Content that was here is no longer kept.]"


class View(Struct, kw_only=True):
    """The messages for one target, in order, and the turn each of them is, None for a summary.

    `parts` has, for messages that are not told whole, where in its turn each part stands. `losses` are those that
    are known before a request is written.
    """

    messages: list[Message]
    turns: list[Kept]
    parts: dict[int, tuple[int, ...]] = {}
    losses: list[PartLoss] = []
    skipped: list[int] = []
    """Numbers of the turns that are not told, rising."""
    missing: list[str] = []
    """Digests of content that is gone."""
    unread: list[str] = []
    """Pointers to sealed parts that the target cannot read."""

    def pointer(self, written: str) -> tuple[str, Kept] | None:
        """Translate a place among the messages, `/messages/3/parts/0`, into one among the turns."""
        steps = written.split("/")
        if len(steps) < 3 or steps[1] != "messages" or not steps[2].isdigit():
            return None
        place = int(steps[2])
        if place >= len(self.turns):
            return None
        turn = self.turns[place]
        rest = steps[3:]
        if len(rest) > 1 and rest[0] == "parts" and rest[1].isdigit():
            originals = self.parts.get(place)
            number = int(rest[1])
            if originals is not None and number < len(originals):
                rest[1] = str(originals[number])
        return pointer_to("turns", turn.seq, *rest), turn


def view_of(
    turns: Sequence[Kept],
    special: Iterable[int],
    fitted: Fitted,
    target: Maker,
    contents: Mapping[str, bytes],
    prefix: Callable[[int], str],
) -> View:
    """Make the view of `turns` for one target.

    `turns` are all there are, by their numbers; `special` are the numbers of those that cannot just be told (see
    `is_special`). `contents` are the blobs at hand. `prefix` gives the digest of what the target would be told
    before a turn.
    """
    view = View(messages=[], turns=[], parts={}, losses=[], skipped=[], missing=[], unread=[])
    summary = fitted.summary
    stops = {*special, *fitted.dropped, *fitted.cleared}
    first = min(fitted.covered, default=-1)
    told_to = 0
    for stop in sorted(stops):
        if stop > told_to:
            _tell_plainly(view, turns[told_to:stop])
        told_to = stop + 1
        if stop == first and summary is not None:
            _tell_summary(view, summary)
        each = turns[stop]
        told = stop not in fitted.dropped and not each.summary
        if not told or not _tell(view, each, fitted, target, contents, prefix):
            view.skipped.append(stop)
    _tell_plainly(view, turns[told_to:])
    _note_dropped(view, turns, fitted)
    return view


def is_special(each: Kept) -> bool:
    """Whether a turn needs a look before it is told: sealed, with content elsewhere, without parts, a summary."""
    return each.sealed or bool(each.media) or not each.message.parts or each.summary


def without_part(view: View, written: str) -> bool:
    """Take out of a view, for good, a part that the target refuses; False where it is none of a stored turn.

    A message that has nothing left says so in words, as the target would wonder at the gap.
    """
    place, number = _place_of(written)
    if place is None or place >= len(view.messages):
        return False
    message = view.messages[place]
    turn = view.turns[place]
    originals = view.parts.get(place) or tuple(range(len(message.parts)))
    if number is None or number >= len(message.parts):
        return False
    pointer = pointer_to("turns", turn.seq, "parts", originals[number])
    view.losses.append(_loss(LossCode.PART_UNTRANSLATABLE, pointer, "render", turn))
    part = message.parts[number]
    left = message.parts[:number] + message.parts[number + 1 :]
    if isinstance(part, ToolResultPart):
        # Its call would be left alone.
        gone = replace(part, content=(TextPart(text=_MISSING),), provider_details={})
        if gone == part:
            return False
        view.messages[place] = replace(
            message, parts=(*message.parts[:number], gone, *message.parts[number + 1 :])
        )
        return True
    if not left:
        left = (TextPart(text=_MISSING),)
        view.parts[place] = (originals[number],)
        if left == message.parts:
            return False
    else:
        view.parts[place] = originals[:number] + originals[number + 1 :]
    view.messages[place] = replace(message, parts=left)
    return True


def _place_of(written: str) -> tuple[int | None, int | None]:
    steps = written.split("/")
    if len(steps) < 5 or steps[1] != "messages" or steps[3] != "parts":
        return None, None
    if not steps[2].isdigit() or not steps[4].isdigit():
        return None, None
    return int(steps[2]), int(steps[4])


def _tell_summary(view: View, summary: Kept) -> None:
    text = f"{_SUMMARY}{summary.message.text}"
    view.messages.append(Message(role=SUMMARY_ROLE, parts=(TextPart(text=text),)))
    view.turns.append(summary)


def _tell_plainly(view: View, turns: Sequence[Kept]) -> None:
    view.messages += [each.message for each in turns]
    view.turns += turns


def _tell(
    view: View,
    each: Kept,
    fitted: Fitted,
    target: Maker,
    contents: Mapping[str, bytes],
    prefix: Callable[[int], str],
) -> bool:
    """Tell a turn that needs a look; False where nothing of it is told."""
    if each.turn.status == "redacted":
        view.losses.append(_loss(LossCode.TURN_REDACTED, pointer_to("turns", each.seq), "storage", each))
        return False
    message = each.message
    if not message.parts:
        return False
    if each.seq in fitted.cleared:
        message = _cleared(view, each, message)
    if each.media:
        message = _with_content(view, each, message, contents)
    if each.sealed:
        told = _unsealed(view, each, message, target, prefix)
        if told is None:
            return False
        message, originals = _one_compaction(each, told, fitted)
        if not originals:
            return False
        if len(originals) != len(each.message.parts):
            view.parts[len(view.messages)] = originals
    view.messages.append(message)
    view.turns.append(each)
    return True


def _cleared(view: View, each: Kept, message: Message) -> Message:
    parts: list[Part] = []
    for number, part in enumerate(message.parts):
        if isinstance(part, ToolResultPart):
            pointer = pointer_to("turns", each.seq, "parts", number)
            view.losses.append(_loss(LossCode.RESULT_CLEARED, pointer, "fit", each))
            parts.append(replace(part, content=_CLEARED, provider_details={}))
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts))


def _with_content(view: View, each: Kept, message: Message, contents: Mapping[str, bytes]) -> Message:
    parts = blobs.brought_back(message.parts, contents, view.missing.append)
    lost = [number for number, part in enumerate(parts) if any(blobs.named((part,)))]
    if not lost:
        return replace(message, parts=parts)
    told: list[Part] = []
    for number, part in enumerate(parts):
        if number not in lost:
            told.append(part)
            continue
        pointer = pointer_to("turns", each.seq, "parts", number)
        view.losses.append(_loss(LossCode.MEDIA_UNRESOLVABLE, pointer, "storage", each))
        told.append(_without_media(part))
    return replace(message, parts=tuple(told))


def _without_media(part: Part) -> Part:
    missing = TextPart(text=_MISSING)
    if isinstance(part, ToolResultPart):
        content = tuple(
            missing if isinstance(item, MediaPart) and item.blob is not None else item
            for item in part.content
        )
        return replace(part, content=content)
    return missing


def _unsealed(
    view: View, each: Kept, message: Message, target: Maker, prefix: Callable[[int], str]
) -> tuple[Message, tuple[int, ...]] | None:
    """Tell a sealed turn: as it is to whoever can read it, else without its seals. None where nothing is left."""
    made_by = each.turn.produced_by
    code = LossCode.REASONING_OPAQUE_DROPPED
    if made_by is None or can_read(made_by, target):
        if made_by is None or not is_prefix_bound(made_by) or made_by.prefix == prefix(each.seq):
            return message, tuple(range(len(message.parts)))
        code = LossCode.REASONING_PREFIX_INVALIDATED
    same_protocol = made_by.protocol == target.protocol and made_by.kind == target.kind
    told: list[Part] = []
    originals: list[int] = []
    for number, part in enumerate(message.parts):
        pointer = pointer_to("turns", each.seq, "parts", number)
        if same_protocol and isinstance(part, OpaquePart) and not is_compaction(part):
            # What a tool of the provider's own left: any of its models reads it, whatever stood before.
            told.append(part)
            originals.append(number)
            continue
        kept = _without_seal(part)
        if kept is not part:
            lost = _loss_of(part, code)
            view.losses.append(_loss(lost, pointer, "render", each))
            view.unread.append(pointer)
        if kept is not None:
            told.append(kept)
            originals.append(number)
    if not told:
        return None
    return replace(message, parts=tuple(told)), tuple(originals)


def _loss_of(part: Part, sealed: LossCode) -> LossCode:
    """What it is to lose a part that only its maker reads; `sealed` is the word for what is under a seal."""
    if is_compaction(part):
        return LossCode.COMPACTION_OPAQUE_DROPPED
    return LossCode.BUILTIN_UNTRANSLATABLE if isinstance(part, OpaquePart) else sealed


def _one_compaction(
    each: Kept, told: tuple[Message, tuple[int, ...]], fitted: Fitted
) -> tuple[Message, tuple[int, ...]]:
    """Leave out a provider's summary that a later one replaces: it takes one only."""
    message, originals = told
    if each.seq >= fitted.native or not any(map(is_compaction, message.parts)):
        return told
    left = [number for number, part in enumerate(message.parts) if not is_compaction(part)]
    parts = tuple(message.parts[number] for number in left)
    return replace(message, parts=parts), tuple(originals[number] for number in left)


def _without_seal(part: Part) -> Part | None:
    """A part without what only its maker reads; itself where there is no such thing, None where nothing is left."""
    match part:
        case ReasoningPart() if part.seal is not None:
            return None
        case TextPart() if part.seal is not None:
            return replace(part, seal=None) if part.text else None
        case ToolCallPart() if part.seal is not None:
            return replace(part, seal=None)
        case OpaquePart():
            return None
        case _:
            return part


def is_compaction(part: Part) -> bool:
    """Whether a part is a provider's own summary of what stood before it; without content it is one that failed."""
    return (
        isinstance(part, OpaquePart)
        and part.kind == "compaction"
        and isinstance(part.value, dict)
        and part.value.get("content") is not None
    )


def _note_dropped(view: View, turns: Sequence[Kept], fitted: Fitted) -> None:
    """Note the turns that are not told, or told by a summary, run by run."""
    gone = sorted(fitted.dropped | fitted.covered)
    for first, last in _runs(gone, fitted.covered):
        summarised = first in fitted.covered
        code = LossCode.WINDOW_SUMMARISED if summarised else LossCode.WINDOW_TRIMMED
        view.losses.append(
            PartLoss(
                code=code.value,
                severity=SEVERITY[code],
                pointer=pointer_to("turns", first),
                source="fit" if fitted.native < 0 else "upstream",
                turn=turns[first].turn.id,
                through=last,
            )
        )


def _runs(gone: Sequence[int], covered: Collection[int]) -> list[tuple[int, int]]:
    """First and last of the numbers that follow each other and are covered alike; `gone` rise, and may be many."""
    runs: list[tuple[int, int]] = []
    first = last = -2
    alike = False
    for seq in gone:
        if seq == last + 1 and (seq in covered) == alike:
            last = seq
            continue
        if first >= 0:
            runs.append((first, last))
        first = last = seq
        alike = seq in covered
    if first >= 0:
        runs.append((first, last))
    return runs


def _loss(code: LossCode, pointer: str, source: LossSource, turn: Kept) -> PartLoss:
    return PartLoss(
        code=code.value, severity=SEVERITY[code], pointer=pointer, source=source, turn=turn.turn.id
    )
