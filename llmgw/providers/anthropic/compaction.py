"""Having the vendor sum up a conversation that grows too long, and telling it what it summed up before.

https://platform.claude.com/docs/en/build-with-claude/compaction: a block of type `compaction` in an answer
stands for all before it, and goes back with the conversation; what stands before it is then passed over by the
vendor itself.
"""

from collections.abc import Iterable
from typing import Final

from llmgw.providers.anthropic.blocks import PROTOCOL
from llmgw.providers.anthropic.models import profile_of
from llmgw.providers.stored import kinds_of_parts
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Details, Message, OpaquePart
from llmgw.types.target import Target

_EDIT: Final = "compact_20260112"
_MANAGEMENT: Final = "context_management"
_BETAS: Final = {
    "compaction": "compact-2026-01-12",
    "mcp_tool_use": "mcp-client-2025-11-20",
    "mcp_tool_result": "mcp-client-2025-11-20",
}
"""The betas without which the vendor refuses blocks that it made itself."""


def add_compaction(body: Details, invocation: ChatInvocation, target: Target) -> tuple[str, ...]:
    """Ask for a summary where the caller wants one and the model makes them; returns the betas the body needs."""
    if not invocation.stored:
        return ()
    betas: dict[str, None] = {}
    if OpaquePart in kinds_of_parts(invocation.messages):
        betas = _needed(invocation.messages)
    if invocation.compact and profile_of(target.model).compacts:
        betas[_BETAS["compaction"]] = None
        _add_edit(body)
    return tuple(betas)


def _needed(messages: Iterable[Message]) -> dict[str, None]:
    return {
        _BETAS[part.kind]: None
        for message in messages
        for part in message.parts
        if isinstance(part, OpaquePart) and part.protocol == PROTOCOL and part.kind in _BETAS
    }


def _add_edit(body: Details) -> None:
    management = body.get(_MANAGEMENT)
    management = dict(management) if isinstance(management, dict) else {}
    edits = management.get("edits")
    edits = list(edits) if isinstance(edits, list) else []
    if not any(isinstance(edit, dict) and edit.get("type") == _EDIT for edit in edits):
        edits.append({"type": _EDIT})
    body[_MANAGEMENT] = {**management, "edits": edits}
