"""Taking in what is said: each message becomes a turn of the protocol, or the caller is told why it cannot."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from llmgw.context import protocol
from llmgw.context.contexts import Contexts
from llmgw.context.drafting import Draft
from llmgw.context.kept import decode_turn
from llmgw.context.opened import Opened
from llmgw.types.context_errors import SchemaViolation
from llmgw.types.json import decode
from llmgw.types.message import Message, OpaquePart, Part, TextPart, ToolResultPart
from llmgw.types.violation import Violation


def take_in(
    contexts: Contexts, opened: Opened, said: Iterable[tuple[str, Message]], wire: str, **more: Any
) -> None:
    """Draft the turns of messages, each with the pointer to it in the caller's body; `more` are members of `Turn`.

    Raises:
        SchemaViolation: one cannot be stored; the violations say where and why.
    """
    for place, message in said:
        written = message if message.protocol else replace(message, protocol=wire)
        if written.protocol == wire and _is_plain(written):
            try:
                opened.said.append(contexts.draft(opened, written, **more))
            except UnicodeEncodeError as error:
                raise _unwritten(place, error) from None
            continue
        # An answer without content is one that broke off, as it is where the gateway itself was given it.
        broken = {"status": "incomplete"} if message.role == "assistant" and not message.parts else {}
        try:
            draft = contexts.draft(opened, written, **broken, **more)
        except (UnicodeEncodeError, ValueError, RecursionError) as error:
            raise _unwritten(place, error) from None
        _check(
            draft, place, may_be_deep=any(map(_may_be_deep, message.parts)) or bool(message.provider_details)
        )
        opened.said.append(draft)


def _is_plain(message: Message) -> bool:
    """Whether a message is one text and no more, so that what it becomes is a turn of the protocol (check C5).

    Most are: of such a turn the gateway makes all but the words.
    """
    if len(message.parts) != 1 or message.name is not None or message.provider_details:
        return False
    part = message.parts[0]
    return part.__class__ is TextPart and part.seal is None and not part.provider_details


def _check(draft: Draft, place: str, *, may_be_deep: bool) -> None:
    """Check C5: what is about to be stored is a turn of the protocol."""
    try:
        decode_turn(draft.body)
    except (msgspec.DecodeError, RecursionError):
        pass
    else:
        if not may_be_deep or not protocol.is_too_deep(decode(draft.body)):
            return
    found = protocol.violations("turn", decode(draft.body))
    raise _refused([replace(each, pointer=place + each.pointer) for each in found])


def _may_be_deep(part: Part) -> bool:
    """Whether a part has members of others' making, which may nest."""
    match part:
        case OpaquePart():
            return True
        case ToolResultPart():
            return bool(part.provider_details) or any(map(_may_be_deep, part.content))
        case _:
            return bool(part.provider_details)


def _unwritten(place: str, error: Exception) -> SchemaViolation:
    return _refused([Violation(rule="schema.turn", pointer=place, message=str(error)[:300])])


def _refused(found: Iterable[Violation]) -> SchemaViolation:
    return SchemaViolation("what is said cannot be stored", found)
