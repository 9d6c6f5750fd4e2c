"""What providers say about what they did with a conversation: what they dropped, cleared or summed up."""

import re
from collections.abc import Sequence
from typing import Final

from llmgw.context.kept import Kept
from llmgw.context.views.view import View
from llmgw.types.completion import Completion
from llmgw.types.json import Json
from llmgw.types.loss import SEVERITY, LossCode
from llmgw.types.message import Details, Message
from llmgw.types.preservation import PartLoss

ECHOING: Final = "anthropic"
"""The protocol whose answers say it."""
_PATH: Final = re.compile(r"messages\.(\d{1,9})\.content\.(\d{1,9})")
"""How Anthropic names a block: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking."""
_LONGEST: Final = 200


def echoed(completion: Completion, view: View, before: Sequence[Message] = ()) -> list[PartLoss]:
    """Read what an answer says about its input, as losses of the context, which was told behind what is `before`.

    Anthropic lists `input_transformations`, and `applied_edits` of its own context management
    (https://platform.claude.com/docs/en/build-with-claude/context-editing).
    """
    if completion.protocol != ECHOING:
        return []
    details = _all_details(completion)
    losses = [
        loss
        for each in _listed(details.get("input_transformations"))
        if (loss := _dropped(each, view, before))
    ]
    management = details.get("context_management")
    edits = management.get("applied_edits") if isinstance(management, dict) else None
    losses += [
        PartLoss(
            code=LossCode.UPSTREAM_DROPPED.value,
            severity=SEVERITY[LossCode.UPSTREAM_DROPPED],
            pointer="/turns",
            source="upstream",
            detail=str(edit.get("type", "edit"))[:_LONGEST],
        )
        for edit in _listed(edits)
        if any(
            isinstance(count, int) and count > 0 for name, count in edit.items() if name.startswith("cleared")
        )
    ]
    return losses


def _all_details(completion: Completion) -> Details:
    details: Details = dict(completion.provider_details)
    for choice in completion.choices[:1]:
        details |= choice.provider_details
        details |= choice.message.provider_details
    return details


def _listed(value: Json) -> list[Details]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dropped(said: Details, view: View, before: Sequence[Message]) -> PartLoss | None:
    """One block that the model was not shown; one that was shown all the same is no loss."""
    if said.get("type") != "thinking_dropped":
        return None
    path = _PATH.fullmatch(str(said.get("path", "")))
    turn = None if path is None else _turn_at(int(path[1]), view, before)
    pointer = "/turns" if turn is None else f"/turns/{turn.seq}"
    return PartLoss(
        code=LossCode.UPSTREAM_DROPPED.value,
        severity=SEVERITY[LossCode.UPSTREAM_DROPPED],
        pointer=pointer,
        source="upstream",
        turn=turn.turn.id if turn is not None else None,
        detail=str(said.get("reason", ""))[:_LONGEST] or None,
    )


def _turn_at(number: int, view: View, opening: Sequence[Message]) -> Kept | None:
    """The turn that the provider calls by a number; None where that is not sure."""
    place, before = -1, ""
    told = zip((*opening, *view.messages), (*(None for _ in opening), *view.turns), strict=True)
    for message, turn in told:
        if message.role in {"system", "developer"}:
            if place >= 0:
                return None
            # Instructions at the beginning stand apart in this dialect, and are not counted.
            continue
        speaker = "assistant" if message.role == "assistant" else "user"
        if speaker == before:
            # What one speaker says in a row may have become one message.
            return None
        before = speaker
        place += 1
        if place == number:
            return turn
    return None
