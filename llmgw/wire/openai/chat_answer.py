"""Writing chat completions in OpenAI's dialect, whole and streamed.

Typed clients want each member at its place, so known ones are always written; members without a field of ours
go back where they came from. Reasoning is written as `reasoning_content`, the name most clients know, and also
under the plain name it came by.
"""

from typing import Final, TypeAlias, assert_never

from llmgw.types import json
from llmgw.types.completion import Choice, Completion
from llmgw.types.errors import GatewayError
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    FinishReason,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
    Vectors,
)
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
from llmgw.wire.openai.errors import error_body
from llmgw.wire.openai.seals import call_members, detail, details_of

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

_Seldom: TypeAlias = RefusalDelta | Detail | Sealed | Opaque | Start | UsageReport | Finish | Vectors
_PLAIN_REASONING: Final = "reasoning_content"
_REASONING_MEMBERS: Final = frozenset({_PLAIN_REASONING, "reasoning"})
_DONE: Final = b"data: [DONE]\n\n"
_NOTHING: Final[Details] = {}
_ALWAYS_WRITTEN: Final = frozenset({"id", "object", "created", "model", "choices"})
"""Members of each chunk."""
_TEXT_END: Final = b'},"logprobs":null,"finish_reason":null}]}\n\n'


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
        for name, value in usage.provider_details.items():
            if value is not None:
                body[name] = value
        return body
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
    _add_reason(body, choice.reason or "other", choice.native_reason or "", details)
    return body | details


def _message(parts: tuple[Part, ...], *, native: bool) -> Details:
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
                reasoning.setdefault(_PLAIN_REASONING, []).append(text)
                if member != _PLAIN_REASONING and member in _REASONING_MEMBERS:
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
    return _with_details(call, part.provider_details) if native else call


def _with_details(call: Details, details: Details) -> Details:
    for name, value in details.items():
        before = call.get(name)
        call[name] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    return call


def _add_reason(body: Details, reason: FinishReason, native: str, of_choice: Details) -> None:
    """Write a finish reason typed clients know, and the provider's own word beside it where it differs."""
    if native in FINISH_REASONS:
        body["finish_reason"] = native
        return
    body["finish_reason"] = _WRITTEN_REASONS[reason]
    if native and "native_finish_reason" not in of_choice:
        body["native_finish_reason"] = native


class ChatEncoder:
    """Writes one streamed chat completion; each event of ours becomes at most one chunk."""

    __slots__ = (
        "_head",
        "_include_usage",
        "_native",
        "_opening",
        "_pending",
        "_reasoning",
        "_sealed",
        "_spoke",
        "_tool_calls",
        "_usage",
    )

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._head: Details = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._opening = _opening(self._head)
        self._pending: Details = {}  # members of the chunk that comes next
        self._spoke: dict[int, bytes] = {}  # choices that have their role, with how their text chunks go on
        self._tool_calls: set[tuple[int, int]] = set()  # calls whose first piece is written
        self._usage: Usage | None = None
        self._native = True  # whether details that ride along are of this dialect
        self._reasoning: dict[int, tuple[int, list[str]]] = {}  # by choice: the part being told, and its text
        self._sealed = 0  # items of `reasoning_details` so far

    def encode(self, event: StreamEvent) -> bytes:
        """See `EventEncoder.encode`."""
        match event:
            case TextDelta(text=text):
                return self._plain_text(event) or self._chunk(
                    event.choice, {"content": text}, event.extra, event.logprobs
                )
            case ReasoningDelta(text=text, member=member):
                delta: Details = {_PLAIN_REASONING: text}
                if not self._native:
                    self._remember(event)
                if member in _REASONING_MEMBERS:
                    delta[member] = text
                return self._chunk(event.choice, delta, event.extra)
            case ToolCallDelta():
                return self._chunk(event.choice, {"tool_calls": [self._tool_call(event)]}, event.extra)
            case ChoiceEnd():
                return self._end(event)
            case _:
                return self._seldom(event)

    def _seldom(self, event: _Seldom) -> bytes:
        match event:
            case RefusalDelta(text=text):
                return self._chunk(event.choice, {"refusal": text}, event.extra, event.logprobs)
            case Detail():
                return self._detail(event)
            case Sealed():
                return self._seal(event)
            case Opaque(value=part):
                return self._chunk(event.choice, {CONTENT_PARTS: [part.value]}, None)
            case Start():
                self._native = event.protocol == PROTOCOL
                self._head |= {"id": event.id, "created": event.created, "model": event.model}
                self._opening = _opening(self._head)
                self._pend(event.extra)
                return b""
            case UsageReport():
                self._usage = event.usage
                self._pend(event.extra)
                return b""
            case Finish():
                return self._finish(event.usage or self._usage, event.facts)
            case Vectors():
                return b""
            case _:
                assert_never(event)

    def encode_error(self, error: GatewayError) -> bytes:
        """See `EventEncoder.encode_error`."""
        return _sse(error_body(error))

    def _plain_text(self, event: TextDelta) -> bytes:
        """Write the usual chunk around its text: the same bytes as `_chunk`, in a third of the time; else none."""
        of_choice = self._spoke.get(event.choice)
        if of_choice is None or event.logprobs is not None or self._pending:
            return b""
        extra = event.extra
        if extra is None or (not self._native and not extra.part):
            return self._opening + of_choice + json.encode(event.text) + _TEXT_END
        of_chunk = extra.chunk
        if (
            not of_chunk
            or extra.choice
            or extra.delta
            or extra.part
            or not _ALWAYS_WRITTEN.isdisjoint(of_chunk)
        ):
            return b""
        more = json.encode(of_chunk)[1:-1]
        return self._opening + b"," + more + of_choice + json.encode(event.text) + _TEXT_END

    def _detail(self, event: Detail) -> bytes:
        if not self._native and event.logprobs is None:
            return b""
        return self._chunk(event.choice, {}, event.extra, event.logprobs)

    def _remember(self, event: ReasoningDelta) -> None:
        """Keep the text of the reasoning that is being told: its seal comes at its end."""
        part, texts = self._reasoning.get(event.choice, (-1, []))
        if part != event.part:
            texts = []
            self._reasoning[event.choice] = (event.part, texts)
        texts.append(event.text)

    def _seal(self, event: Sealed) -> bytes:
        if event.call is not None:
            # The official client's stream helper wants the function in every piece of a call.
            call = {"index": event.call, "function": {"arguments": ""}, **call_members(event.seal)}
            return self._chunk(event.choice, {"tool_calls": [call]}, None)
        part, texts = self._reasoning.get(event.choice, (-1, []))
        item = detail(self._sealed, "".join(texts) if part == event.part else "", event.seal)
        self._sealed += 1
        return self._chunk(event.choice, {"reasoning_details": [item]}, None)

    def _chunk(self, choice: int, delta: Details, extra: Extra | None, logprobs: Json = None) -> bytes:
        body: Details = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return self._write(choice, body, extra)

    def _end(self, event: ChoiceEnd) -> bytes:
        body: Details = {"index": event.choice, "delta": {}, "logprobs": event.logprobs}
        of_choice = event.extra.choice if event.extra is not None and self._native else _NOTHING
        _add_reason(body, event.reason, event.native_reason, of_choice)
        return self._write(event.choice, body, event.extra)

    def _write(self, choice: int, body: Details, extra: Extra | None) -> bytes:
        delta = body["delta"]
        if choice not in self._spoke:
            self._spoke[choice] = b',"choices":[{"index":%b,"delta":{"content":' % json.encode(choice)
            body["delta"] = delta = {"role": "assistant", **delta}
        of_chunk = self._pending
        if extra is not None and not self._native:
            if "citations" in extra.part:
                delta["citations"] = extra.part["citations"]
        elif extra is not None:
            if extra.chunk:
                of_chunk = of_chunk | extra.chunk if of_chunk else extra.chunk
            if extra.choice:
                body |= extra.choice
            if extra.delta:
                delta |= extra.delta
        if self._pending:
            self._pending = {}
        return b"data: %b\n\n" % json.encode({**self._head, **of_chunk, "choices": [body]})

    def _tool_call(self, event: ToolCallDelta) -> Details:
        key = (event.choice, event.index)
        call: Details = {"index": event.index}
        custom = event.kind == "custom"
        body: Details = {"input" if custom else "arguments": event.arguments}
        if key not in self._tool_calls:
            self._tool_calls.add(key)
            call["id"] = event.id
            call["type"] = "custom" if custom else "function"
        elif event.id is not None:
            call["id"] = event.id
        if event.name is not None:
            body["name"] = event.name
        call["custom" if custom else "function"] = body
        return _with_details(call, event.call_details) if event.call_details and self._native else call

    def _pend(self, extra: Extra | None) -> None:
        if extra is not None and self._native:
            self._pending |= extra.chunk

    def _finish(self, usage: Usage | None, facts: Details) -> bytes:
        """Write the usage chunk if the caller asked for one, and the end marker.

        The gateway's own facts go with it: who has not asked for a chunk without choices cannot be sent one.
        """
        if not self._include_usage or (usage is None and not facts):
            return _DONE
        chunk = {**self._head, **self._pending, "choices": [], "usage": usage and usage_body(usage)}
        if facts:
            chunk[OPTIONS] = facts
        return _sse(chunk) + _DONE


def _opening(head: Details) -> bytes:
    """A chunk up to the members that follow its head."""
    return b"data: %b" % json.encode(head)[:-1]


def _sse(value: Json) -> bytes:
    return b"data: %b\n\n" % json.encode(value)
