"""Reading streams of Anthropic's: named events from `message_start` to `message_stop`.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Sequence
from typing import Final

from llmgw.providers.anthropic.inputs import keep_input
from llmgw.providers.anthropic.pieces import (
    BadBlock,
    Block,
    CallBlock,
    TextBlock,
    ThinkingBlock,
    end_extra,
    finish_reason,
    leftover,
    new_block,
    start_of,
    text_of,
    usage_from,
)
from llmgw.providers.anthropic.plain_delta import (
    PlainArguments,
    PlainDelta,
    PlainText,
    PlainThinking,
    plain_delta,
)
from llmgw.providers.base import Frame
from llmgw.providers.error_reports import in_answer, report_in
from llmgw.types import json
from llmgw.types.errors import InvalidJson, ProviderBadStream, StreamInterrupted
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReport,
)
from llmgw.types.json import Json
from llmgw.types.message import Details

_DELTA: Final = "content_block_delta"
_END: Final = frozenset({"stop_reason", "stop_sequence", "stop_details"})


class StreamParser:
    """Reads one streamed message.

    The answer is whole once its `stop_reason` was told: a stream that ends without `message_stop` after that has
    lost nothing.
    """

    __slots__ = ("_block", "_calls", "_done", "_ended", "_started", "_usage")

    def __init__(self) -> None:
        self._started = False
        self._ended = False
        self._done = False
        self._block: Block | None = None  # the one that is open: the vendor tells one after the other
        self._calls = 0
        self._usage: Details = {}

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        if self._done:
            return ()
        if frame.event == _DELTA:
            plain = plain_delta(frame.data)
            if plain is not None:
                events = self._plain(plain)
                if events is not None:
                    return events
        return self._feed(frame)

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        if self._done:
            return ()
        return self._finish("closed the stream")

    def _plain(self, plain: PlainDelta) -> Sequence[StreamEvent] | None:
        """The events of a usual piece; None where it does not fit its block."""
        block = self._block
        if block is None or block.part != plain.index:
            return None
        delta = plain.delta
        if isinstance(delta, PlainText) and isinstance(block, TextBlock):
            return (TextDelta(text=delta.text, part=block.part),)
        if isinstance(delta, PlainThinking) and isinstance(block, ThinkingBlock):
            return (ReasoningDelta(text=delta.thinking, part=block.part, member="thinking"),)
        if isinstance(delta, PlainArguments) and isinstance(block, CallBlock):
            return block.arguments(delta.partial_json)
        return None

    def _feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """Read a frame the long way."""
        try:
            event = json.decode(frame.data)
        except InvalidJson:
            raise ProviderBadStream("an event of the provider's stream is not JSON") from None
        report = report_in(event)
        if report is None and frame.event == "error":
            report = report_in(
                {"error": event if isinstance(event, dict | str) and event else "unknown error"}
            )
        if report is not None:
            raise in_answer(report)
        if event is None:
            return ()
        if not isinstance(event, dict):
            raise ProviderBadStream("an event of the provider's stream is not a JSON object")
        match event.get("type"):
            case "message_start":
                return self._start(event)
            case "content_block_start":
                keep_input(frame.data, event.get("content_block"))
                return self._open(event)
            case "content_block_delta":
                return self._opened(event).filled(_members(event, "delta"))
            case "content_block_stop":
                return self._close(event)
            case "message_delta":
                return self._message(event)
            case "message_stop":
                return self._finish("ended the message")
            case _:
                return ()  # `ping`, and what is yet to be invented

    def _start(self, event: Details) -> list[StreamEvent]:
        if self._started:
            return []
        self._started = True
        message = _members(event, "message")
        events: list[StreamEvent] = [start_of(message)]
        usage = self._add_usage(message.get("usage"))
        if usage is not None:
            events.append(UsageReport(usage=usage))
        return events

    def _open(self, event: Details) -> list[StreamEvent]:
        if not self._started:
            raise ProviderBadStream("the provider's stream has a block before its message began")
        if self._block is not None or self._ended:
            raise ProviderBadStream("the provider's stream begins a block where none can begin")
        try:
            block = new_block(_members(event, "content_block"), _index(event), self._calls)
        except BadBlock as bad:
            raise ProviderBadStream(f"the provider's stream has {bad}") from None
        self._calls += isinstance(block, CallBlock)
        self._block = block
        return block.opened()

    def _opened(self, event: Details) -> Block:
        """The block that an event is about, which must be the one that is open."""
        block = self._block
        if block is None or block.part != _index(event):
            raise ProviderBadStream("the provider's stream has a piece of a block that is not open")
        return block

    def _close(self, event: Details) -> list[StreamEvent]:
        block = self._opened(event)
        self._block = None
        return block.closed()

    def _message(self, event: Details) -> list[StreamEvent]:
        if not self._started:
            raise ProviderBadStream("the provider's stream ends a message before it began")
        delta = _members(event, "delta")
        of_chunk = leftover(event, ("type", "delta", "usage"))
        of_delta = leftover(delta, _END)
        native = text_of(delta.get("stop_reason"))
        events: list[StreamEvent] = []
        if native:
            # The last block's end may be missing where the message's is told.
            events += self._block.closed() if self._block is not None else ()
            self._block = None
            self._ended = True
            extra = end_extra(delta, of_delta, of_chunk)
            events.append(ChoiceEnd(reason=finish_reason(native), native_reason=native, extra=extra))
        elif of_chunk or of_delta:
            events.append(Detail(extra=Extra(chunk=of_chunk, delta=of_delta)))
        usage = self._add_usage(event.get("usage"))
        if usage is not None:
            events.append(UsageReport(usage=usage))
        return events

    def _add_usage(self, usage: Json) -> Usage | None:
        """Bring usage up to date; the counts are those of the message so far, and what is left out still holds."""
        if not isinstance(usage, dict):
            return None
        told = {name: value for name, value in usage.items() if value is not None or name not in self._usage}
        self._usage = self._usage | told
        return usage_from(self._usage)

    def _finish(self, how: str) -> Sequence[StreamEvent]:
        self._done = True
        if not self._started:
            raise StreamInterrupted(f"the provider {how} before it answered")
        if not self._ended:
            raise StreamInterrupted(f"the provider {how} before its answer was whole")
        return (Finish(usage=usage_from(self._usage) if self._usage else None),)


def _members(event: Details, name: str) -> Details:
    value = event.get(name)
    if not isinstance(value, dict):
        raise ProviderBadStream(f"an event of the provider's stream has no {name}")
    return value


def _index(event: Details) -> int:
    value = event.get("index")
    if not isinstance(value, int) or value < 0:
        raise ProviderBadStream("an event of the provider's stream has no index")
    return value
