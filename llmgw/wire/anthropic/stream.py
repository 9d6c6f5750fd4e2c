"""Writing a message in Anthropic's dialect as a stream.

`message_start`; blocks, each with its start, deltas and stop; `message_delta`; `message_stop`
(https://platform.claude.com/docs/en/build-with-claude/streaming). How the message ends and what it used is known
at different times with different providers, so that it is told once, at the very end.
"""

from typing import Final, assert_never

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
from llmgw.types.message import Details
from llmgw.wire.anthropic.answer import UNTOLD, holds_content, message_head, stop_reason, usage_body
from llmgw.wire.anthropic.errors import error_body
from llmgw.wire.anthropic.seals import PROTOCOL
from llmgw.wire.anthropic.stream_blocks import WORDS_END, Blocks, sse
from llmgw.wire.members import OPTIONS

_NO_DETAILS: Final[Details] = {}
_STOP: Final = sse("message_stop", {"type": "message_stop"})


class MessageEncoder:
    """Writes one streamed message; what is told of further choices has no place in it."""

    __slots__ = ("_begun", "_blocks", "_end", "_native", "_of_event", "_of_message", "_start", "_usage")

    def __init__(self) -> None:
        self._start: Start | None = None
        self._native = False
        self._blocks = Blocks(native=False)
        self._begun = False
        self._usage: Usage | None = None
        self._end: ChoiceEnd | None = None
        self._of_message: Details = {}  # members for the next event that describes the message
        self._of_event: Details = {}  # members beside its `delta`

    def encode(self, event: StreamEvent) -> bytes:
        """See `EventEncoder.encode`."""
        match event:
            case TextDelta():
                return self._plain_words(event, "") or self._content(event)
            case ReasoningDelta(member=member):
                return self._plain_words(event, member) or self._content(event)
            case ToolCallDelta() | RefusalDelta() | Sealed() | Opaque() | ChoiceEnd():
                return self._content(event)
            case Start():
                self._start = event
                self._native = event.protocol == PROTOCOL
                self._blocks = Blocks(native=self._native)
                self._note(event.extra)
            case UsageReport(usage=usage, extra=extra):
                self._usage = usage
                self._note(extra)
            case Detail(choice=0, extra=extra):
                self._note(extra)
            case Finish(usage=usage, facts=facts):
                self._usage = usage or self._usage
                return self._finish(facts)
            case Detail() | Vectors():
                pass
            case _:
                assert_never(event)
        return b""

    def encode_error(self, error: GatewayError) -> bytes:
        """See `EventEncoder.encode_error`."""
        return sse("error", error_body(error))

    def _plain_words(self, event: TextDelta | ReasoningDelta, member: str) -> bytes:
        """Write words that go on with the last ones: the same bytes as `_content`, in a fraction of the time."""
        blocks = self._blocks
        if (
            event.part != blocks.words_part
            or member != blocks.words_member
            or not event.text
            or event.choice
            or (event.extra is not None and self._native)
        ):
            return b""
        return blocks.words_head + json.encode(event.text) + WORDS_END

    def _content(
        self,
        event: TextDelta | ToolCallDelta | ReasoningDelta | RefusalDelta | Sealed | Opaque | ChoiceEnd,
    ) -> bytes:
        if event.choice:
            return b""
        begin = b"" if self._begun else self._begin()
        blocks = self._blocks
        match event:
            case Sealed(seal=seal, part=part, call=call):
                return begin + blocks.seal(seal, part, call)
            case Opaque(value=value, part=part):
                return begin + blocks.opaque(value, part)
            case _:
                extra = event.extra
        of_part = _NO_DETAILS
        if extra is not None:
            self._note(extra)
            of_part = extra.part
        match event:
            case TextDelta(text=text, part=part):
                return begin + blocks.text("text", part, text, of_part)
            case ReasoningDelta(text=text, part=part, member=member):
                return begin + blocks.reasoning(member, part, text, of_part)
            case RefusalDelta(text=text):
                return begin + blocks.text("refusal", 0, text, of_part)
            case ToolCallDelta():
                return begin + blocks.call(event)
            case ChoiceEnd():
                self._end = event
                return begin + blocks.end()
            case _:
                assert_never(event)

    def _note(self, extra: Extra | None) -> None:
        """Keep members of the message for the event that describes it: its start, and after that its end."""
        if extra is None:
            return
        if not self._native:
            self._blocks.untold = self._blocks.untold or holds_content(extra.delta)
            return
        self._of_event |= extra.chunk
        self._of_message |= extra.delta
        self._of_message |= extra.choice

    def _begin(self) -> bytes:
        self._begun = True
        start = self._start
        message: Details = {
            **message_head(start.id if start else "", start.model if start else ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_body(self._usage, native=self._native),
            **self._of_event,
            **self._of_message,
        }
        self._of_event, self._of_message = {}, {}
        return sse("message_start", {"type": "message_start", "message": message})

    def _finish(self, facts: Details) -> bytes:
        written = b"" if self._begun else self._begin()
        written += self._blocks.end()
        end = self._end
        delta: Details = {
            "stop_reason": stop_reason(
                end.reason if end else "other",
                end.native_reason if end else "",
                native=self._native,
                called=self._blocks.called,
                refused=self._blocks.refused,
            ),
            "stop_sequence": None,
            **self._of_message,
        }
        event: Details = {
            "type": "message_delta",
            "delta": delta,
            "usage": usage_body(self._usage, native=self._native),
            **self._of_event,
        }
        if self._blocks.untold or facts:
            event[OPTIONS] = {**(UNTOLD if self._blocks.untold else {}), **facts}
        return written + sse("message_delta", event) + _STOP
