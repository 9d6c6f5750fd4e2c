"""Writing whole chat completions in OpenAI's dialect.

Typed clients want each member at its place, so known ones are always written; members without a field of ours
go back where they came from. Reasoning is written as `reasoning_content`, the name most clients know, and also
under the plain name it came by.
"""

from typing import Final

from llmgw.types import json
from llmgw.types.completion import Choice, Completion
from llmgw.types.event import FinishReason, Usage
from llmgw.types.json import Json
from llmgw.types.message import (
    Details,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from llmgw.wire.members import OPTIONS
from llmgw.wire.openai.chat_messages import PROTOCOL
from llmgw.wire.openai.seals import call_members, details_of

FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""The words typed clients know."""

_WRITTEN_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "error": "stop",
    "other": "stop",
}
CONTENT_PARTS: Final = "content_parts"
"""Member for parts of an answer that are neither text nor reasoning nor calls, as they came."""

PLAIN_REASONING: Final = "reasoning_content"
REASONING_MEMBERS: Final = frozenset({PLAIN_REASONING, "reasoning"})
_NOTHING: Final[Details] = {}


def encode_completion(completion: Completion) -> bytes:
    """Write a whole answer; members without a field of ours only where they are of this dialect."""
    native = completion.protocol == PROTOCOL
    body: Details = {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "choices": [_choice(choice, native=native) for choice in completion.choices],
    }
    if completion.usage is not None:
        body["usage"] = usage_body(completion.usage)
    if native:
        body |= completion.provider_details
    if completion.facts:
        body[OPTIONS] = completion.facts
    return json.encode(body)


def usage_body(usage: Usage) -> Details:
    """Write usage: a provider's own object of this dialect as it came, completed; else our counts."""
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    body: Details = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    if "prompt_tokens" in usage.provider_details:
        own = usage.provider_details
        if None in own.values():
            own = {name: value for name, value in own.items() if value is not None}
        return body | own
    reads: Details = {}
    writes: Details = {}
    for part, name, count in (
        (reads, "cached_tokens", usage.cached_read_tokens),
        (reads, "cache_write_tokens", usage.cache_write_tokens),
        (reads, "audio_tokens", usage.audio_input_tokens),
        (writes, "reasoning_tokens", usage.reasoning_tokens),
        (writes, "audio_tokens", usage.audio_output_tokens),
    ):
        if count is not None:
            part[name] = count
    if reads:
        body["prompt_tokens_details"] = reads
    if writes:
        body["completion_tokens_details"] = writes
    return body


def _choice(choice: Choice, *, native: bool) -> Details:
    message = _message(choice.message.parts, native=native)
    details = choice.provider_details if native else _NOTHING
    if native:
        message |= choice.message.provider_details
    body: Details = {"index": choice.index, "message": message, "logprobs": choice.logprobs}
    add_reason(body, choice.reason or "other", choice.native_reason or "", details)
    return body | details


def _message(parts: tuple[Part, ...], *, native: bool) -> Details:
    if len(parts) == 1 and isinstance(part := parts[0], TextPart) and not part.provider_details:
        message: Details = {"role": "assistant", "content": part.text, "refusal": None}
        if part.seal is not None:
            message["reasoning_details"] = details_of(parts)
        return message
    return _message_of(parts, native=native)


def _message_of(parts: tuple[Part, ...], *, native: bool) -> Details:
    """Write a message that may hold anything."""
    content: list[str] = []
    refusal: list[str] = []
    calls: list[Json] = []
    reasoning: dict[str, list[str]] = {}
    others: dict[str, list[Json]] = {}
    for part in parts:
        match part:
            case TextPart(text=text):
                content.append(text)
                citations = part.provider_details.get("citations")
                if isinstance(citations, list):
                    others.setdefault("citations", []).extend(citations)
            case RefusalPart(text=text):
                refusal.append(text)
            case ReasoningPart(text=text, member=member):
                reasoning.setdefault(PLAIN_REASONING, []).append(text)
                if member != PLAIN_REASONING and member in REASONING_MEMBERS:
                    reasoning.setdefault(member, []).append(text)
            case ToolCallPart():
                calls.append(_tool_call(part, native=native))
            case OpaquePart(value=value):
                others.setdefault(CONTENT_PARTS, []).append(value)
            case _:
                # Answers are folded from events, which make none of the other parts.
                pass
    message: Details = {
        "role": "assistant",
        "content": "".join(content) if content else None,
        "refusal": "".join(refusal) if refusal else None,
    }
    for member, texts in reasoning.items():
        message[member] = "".join(texts)
    if calls:
        message["tool_calls"] = calls
    if sealed := details_of(parts):
        message["reasoning_details"] = sealed
    return message | others


def _tool_call(part: ToolCallPart, *, native: bool) -> Details:
    text_name = "input" if part.kind == "custom" else "arguments"
    call: Details = {
        "id": part.id,
        "type": part.kind,
        part.kind: {"name": part.name, text_name: part.arguments},
    }
    if part.seal is not None:
        call |= call_members(part.seal)
    return with_details(call, part.provider_details) if native else call


def with_details(call: Details, details: Details) -> Details:
    """Add the members of a call that have no field of ours, in place."""
    for name, value in details.items():
        before = call.get(name)
        call[name] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    return call


def add_reason(body: Details, reason: FinishReason, native: str, of_choice: Details) -> None:
    """Write a finish reason typed clients know, and the provider's own word beside it where it differs."""
    if native in FINISH_REASONS:
        body["finish_reason"] = native
        return
    body["finish_reason"] = _WRITTEN_REASONS[reason]
    if native and "native_finish_reason" not in of_choice:
        body["native_finish_reason"] = native
