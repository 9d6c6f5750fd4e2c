"""What providers say about what they did with a conversation: what they dropped, cleared or summed up."""

import re
from typing import Final

from llmgw.context.view import View
from llmgw.types.completion import Completion
from llmgw.types.json import Json
from llmgw.types.loss import SEVERITY, LossCode
from llmgw.types.message import Details
from llmgw.types.preservation import PartLoss

_PATH: Final = re.compile(r"messages\.(\d+)\.content\.(\d+)")
"""How Anthropic names a block: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking."""
_LONGEST: Final = 200


def echoed(completion: Completion, view: View) -> list[PartLoss]:
    """Read what an answer says about its input, as losses of the context.

    Anthropic lists `input_transformations`, and `applied_edits` of its own context management
    (https://platform.claude.com/docs/en/build-with-claude/context-editing).
    """
    if completion.protocol != "anthropic":
        return []
    details = _all_details(completion)
    losses = [
        loss for each in _listed(details.get("input_transformations")) if (loss := _dropped(each, view))
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


def _dropped(said: Details, view: View) -> PartLoss | None:
    """One block that the model was not shown; one that was shown all the same is no loss."""
    if said.get("type") != "thinking_dropped":
        return None
    pointer, turn = "/turns", None
    path = _PATH.fullmatch(str(said.get("path", "")))
    if path is not None and int(path[1]) < len(view.turns):
        # Instructions stand apart in this dialect, so that the number is a message's among the others.
        told = [each for each in view.turns if each.turn.role not in {"system", "developer"}]
        if int(path[1]) < len(told):
            turn = told[int(path[1])]
            pointer = f"/turns/{turn.seq}"
    return PartLoss(
        code=LossCode.UPSTREAM_DROPPED.value,
        severity=SEVERITY[LossCode.UPSTREAM_DROPPED],
        pointer=pointer,
        source="upstream",
        turn=turn.turn.id if turn is not None else None,
        detail=str(said.get("reason", ""))[:_LONGEST] or None,
    )
