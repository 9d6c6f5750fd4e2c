"""Media of earlier turns that a target cannot take at all: left out of its view before a request is written."""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from llmgw.context.kept import Kept
from llmgw.context.views.view import View
from llmgw.types.loss import SEVERITY, LossCode
from llmgw.types.message import ContentPart, MediaKind, MediaPart, Part, TextPart, ToolResultPart
from llmgw.types.preservation import PartLoss
from llmgw.types.violation import pointer_to

_NOT_SHOWN: Final = TextPart(text="[Content that was here cannot be shown to this model.]")


def leave_out(view: View, turns: Collection[int], taken: Collection[MediaKind]) -> None:
    """Take media of other kinds than those `taken` out of the turns of these numbers, each with a loss.

    What is left empty by it says so in words.
    """
    if not turns:
        return
    for place, turn in enumerate(view.turns):
        if turn.seq in turns and turn.turn.compaction is None:
            _without(view, place, turn, taken)


def _without(view: View, place: int, turn: Kept, taken: Collection[MediaKind]) -> None:
    message = view.messages[place]
    originals = view.parts.get(place) or tuple(range(len(message.parts)))
    told: list[tuple[int, Part]] = []
    for number, part in zip(originals, message.parts, strict=True):
        pointer = pointer_to("turns", turn.seq, "parts", number)
        if _lacks(part, taken):
            _note(view, turn, pointer)
        elif isinstance(part, ToolResultPart) and any(_lacks(item, taken) for item in part.content):
            content: list[ContentPart] = []
            for nth, item in enumerate(part.content):
                if _lacks(item, taken):
                    _note(view, turn, f"{pointer}/content/{nth}")
                else:
                    content.append(item)
            told.append((number, replace(part, content=tuple(content) or (_NOT_SHOWN,))))
        else:
            told.append((number, part))
    told = told or [(originals[0], _NOT_SHOWN)]
    view.messages[place] = replace(message, parts=tuple(part for _, part in told))
    view.parts[place] = tuple(number for number, _ in told)


def _lacks(part: Part, taken: Collection[MediaKind]) -> bool:
    return isinstance(part, MediaPart) and part.text is None and part.kind not in taken


def _note(view: View, turn: Kept, pointer: str) -> None:
    view.losses.append(
        PartLoss(
            code=LossCode.MEDIA_DROPPED.value,
            severity=SEVERITY[LossCode.MEDIA_DROPPED],
            pointer=pointer,
            source="render",
            turn=turn.turn.id,
        )
    )
