"""Writing streamed chat completions in OpenAI's dialect; see `chat_answer` for what is written where."""

from typing import Final, TypeAlias, assert_never

from llmgw.types import json
from llmgw.types.errors import GatewayError
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
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
from llmgw.types.message import Details
from llmgw.wire.members import OPTIONS
from llmgw.wire.openai.chat_answer import (
    CONTENT_PARTS,
    PLAIN_REASONING,
    REASONING_MEMBERS,
    add_reason,
    usage_body,
    with_details,
)
from llmgw.wire.openai.chat_messages import PROTOCOL
from llmgw.wire.openai.errors import error_body
from llmgw.wire.openai.seals import call_members, detail

_Seldom: TypeAlias = RefusalDelta | Detail | Sealed | Opaque | Start | UsageReport | Finish | Vectors
_DONE: Final = b"data: [DONE]\n\n"
_NOTHING: Final[Details] = {}
_ALWAYS_WRITTEN: Final = frozenset({"id", "object", "created", "model", "choices"})
"""Members of each chunk."""
_TEXT_END: Final = b'},"logprobs":null,"finish_reason":null}]}\n\n'


class ChatEncoder:
    """Writes one streamed chat completion; each event of ours becomes at most one chunk."""

    __slots__ = (
        "_before",
        "_choice",
        "_extra",
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
        self._before = b""  # what stands before the text of a plain chunk of that choice with that extra
        self._choice = -1
        self._extra: Extra | None = None
        self._pending: Details = {}  # members of the chunk that comes next
        self._spoke: dict[int, bytes] = {}  # choices that have their role, with how their text chunks go on
        self._tool_calls: set[tuple[int, int]] = set()  # calls whose first piece is written
        self._usage: Usage | None = None
        self._native = True  # whether details that ride along are of this dialect
        self._reasoning: dict[int, tuple[int, list[str]]] = {}  # by choice: the part being told, and its text
        self._sealed = 0  # items of `reasoning_details` so far

    def encode(self, event: StreamEvent) -> bytes:
        """See `EventEncoder.encode`."""
        if (
            event.__class__ is TextDelta
            and event.extra is self._extra
            and event.choice == self._choice
            and event.logprobs is None
            and not self._pending
        ):
            # The same around it as around the text before.
            return self._before + json.encode(event.text) + _TEXT_END
        match event:
            case TextDelta(text=text):
                return self._plain_text(event) or self._chunk(
                    event.choice, {"content": text}, event.extra, event.logprobs
                )
            case ReasoningDelta(text=text, member=member):
                delta: Details = {PLAIN_REASONING: text}
                if not self._native:
                    self._remember(event)
                if member in REASONING_MEMBERS:
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
                self._choice = -1
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
            self._before = self._opening + of_choice
        else:
            of_chunk = extra.chunk
            if (
                not of_chunk
                or extra.choice
                or extra.delta
                or extra.part
                or not _ALWAYS_WRITTEN.isdisjoint(of_chunk)
            ):
                return b""
            self._before = self._opening + b"," + json.encode(of_chunk)[1:-1] + of_choice
        self._choice, self._extra = event.choice, extra
        return self._before + json.encode(event.text) + _TEXT_END

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
        add_reason(body, event.reason, event.native_reason, of_choice)
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
        return with_details(call, event.call_details) if event.call_details and self._native else call

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
