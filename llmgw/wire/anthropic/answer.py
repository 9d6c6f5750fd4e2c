"""Writing messages in Anthropic's dialect, whole; the words, usage and blocks that streams have too.

What came over the same protocol goes back as it came. From another one only what has a place here is written:
texts and refusals, reasoning, tool calls, and their seals. Members that typed clients need are always there.
Shapes: https://platform.claude.com/docs/en/api/messages/create
"""

from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from llmgw.types import json
from llmgw.types.completion import Completion
from llmgw.types.errors import InvalidJson
from llmgw.types.event import FinishReason, Usage
from llmgw.types.json import Json
from llmgw.types.loss import LossCode
from llmgw.types.message import (
    Details,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.wire.anthropic.ids import written_id
from llmgw.wire.anthropic.seals import PROTOCOL, THINKING, encrypted_block, seal_block, signature
from llmgw.wire.members import OPTIONS

REFUSAL: Final = "refusal"

_STOPS: Final[dict[FinishReason, str]] = {"length": "max_tokens", "content_filter": REFUSAL}

UNTOLD: Final[Details] = {"losses": [LossCode.ANSWER_PART_DROPPED]}
"""What is said, under `OPTIONS`, of an answer that the dialect cannot hold as a whole."""

_JSON_SPACE: Final = " \t\r\n"


def encode_completion(completion: Completion) -> bytes:
    """Write a whole answer; a dialect without choices has the first one."""
    native = completion.protocol == PROTOCOL
    choice = completion.choices[0] if completion.choices else None
    parts = choice.message.parts if choice is not None else ()
    body: Details = {
        **message_head(completion.id, completion.model),
        "content": [
            block for part in parts if native or has_place(part) for block in _blocks(part, native=native)
        ],
        "stop_reason": stop_reason(
            (choice and choice.reason) or "other",
            (choice and choice.native_reason) or "",
            native=native,
            called=any(isinstance(part, ToolCallPart) for part in parts),
            refused=any(isinstance(part, RefusalPart) for part in parts),
        ),
        "stop_sequence": None,
        "usage": usage_body(completion.usage, native=native),
    }
    if native:
        body |= completion.provider_details
        if choice is not None:
            body |= choice.message.provider_details
            body |= choice.provider_details
    elif choice is not None and (
        holds_content(choice.message.provider_details) or not all(map(has_place, parts))
    ):
        body[OPTIONS] = UNTOLD
    if completion.facts:
        body[OPTIONS] = {**body.get(OPTIONS, {}), **completion.facts}
    return json.encode(body)


def holds_content(details: Details) -> bool:
    """Whether members of another dialect's message hold some of the answer: sounds, pictures, annotations."""
    return any(isinstance(value, list | dict) and bool(value) for value in details.values())


def has_place(part: Part) -> bool:
    """Whether the dialect has a block for a part of another's answer."""
    match part:
        case OpaquePart(protocol=protocol):
            return protocol == PROTOCOL
        case ToolCallPart(name=name):
            return bool(name)
        case _:
            return True


def message_head(answer_id: str, model: str) -> Details:
    """Write the members by which an answer begins."""
    return {"id": answer_id, "type": "message", "role": "assistant", "model": model}


def stop_reason(
    reason: FinishReason, native_reason: str, *, native: bool, called: bool, refused: bool
) -> str:
    """Name why an answer ended.

    A refusal is no turn that went well, whatever the provider says; and clients run tools at `tool_use` only, so
    that word goes with the calls, not with what a provider calls their end.
    """
    if native and native_reason:
        return native_reason
    if reason in _STOPS:
        return _STOPS[reason]
    if refused:
        return REFUSAL
    return "tool_use" if called else "end_turn"


def usage_body(usage: Usage | None, *, native: bool) -> Details:
    """Write usage: the vendor's own object as it came, else our counts, in which input excludes the cache."""
    if usage is None:
        usage = Usage()
    read, write = usage.cached_read_tokens, usage.cache_write_tokens
    body: Details = {
        "input_tokens": max(0, (usage.input_tokens or 0) - (read or 0) - (write or 0)),
        "output_tokens": usage.output_tokens or 0,
    }
    if native and usage.provider_details:
        return body | usage.provider_details
    body["cache_creation_input_tokens"] = write
    body["cache_read_input_tokens"] = read
    if usage.reasoning_tokens is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return body


def is_object_start(arguments: str) -> bool | None:
    """Whether arguments begin as a JSON object does; None where they do not tell yet."""
    begin = arguments.lstrip(_JSON_SPACE)[:1]
    return begin == "{" if begin else None


def is_object(arguments: str) -> bool:
    """Whether arguments are one JSON object."""
    if not is_object_start(arguments):
        return False
    try:
        json.decode(arguments.encode())
    except InvalidJson:
        return False
    return True


def _blocks(part: Part, *, native: bool) -> Iterable[Json]:
    """Write a part as the blocks it takes: itself, and its seal behind it where it has no place in itself."""
    match part:
        case TextPart():
            return _text_blocks(part, native=native)
        case RefusalPart(text=text):
            return [{"type": "text", "text": text}] if text else []
        case ReasoningPart():
            return _reasoning_blocks(part, native=native)
        case ToolCallPart():
            block: Details = {"type": "tool_use", "id": written_id(part.id), "name": part.name}
            block["input"] = _input(part)
            if native:
                block |= part.provider_details
            return [block] if part.seal is None else [block, seal_block(part.seal, alone=False)]
        case OpaquePart(protocol=protocol, value=value):
            return [value] if protocol == PROTOCOL and isinstance(value, dict) else []
        case MediaPart() | ToolResultPart():
            # Answers are folded from events, which make none of these.
            return []
        case _:
            assert_never(part)


def _text_blocks(part: TextPart, *, native: bool) -> list[Json]:
    blocks: list[Json] = []
    if part.text or native:
        block: Details = {"type": "text", "text": part.text}
        blocks.append(block | part.provider_details if native else block)
    if part.seal is not None:
        blocks.append(seal_block(part.seal, alone=not blocks))
    return blocks


def _reasoning_blocks(part: ReasoningPart, *, native: bool) -> list[Json]:
    seal = part.seal
    if seal is not None and seal.kind == "encrypted":
        block = encrypted_block(seal)
    elif part.text or seal is not None or native:
        block = {"type": THINKING, THINKING: part.text, "signature": signature(seal)}
    else:
        return []
    return [block | part.provider_details if native else block]


def _input(part: ToolCallPart) -> Json:
    """Write a call's arguments as the object they must be here: others' texts become its only member."""
    if part.kind == "function":
        if is_object(part.arguments):
            return msgspec.Raw(part.arguments.encode())
        if is_object_start(part.arguments) is None:
            return {}
    return {"input": part.arguments}
