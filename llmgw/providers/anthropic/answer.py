"""Reading whole answers of Anthropic's, as the same events that a stream of them would give."""

from collections.abc import Sequence

from llmgw.providers.anthropic.blocks import PROTOCOL
from llmgw.providers.anthropic.inputs import keep_inputs
from llmgw.providers.anthropic.pieces import (
    OF_DELTA,
    BadBlock,
    CallBlock,
    end_extra,
    finish_reason,
    leftover,
    new_block,
    start_of,
    text_of,
    usage_from,
)
from llmgw.providers.base import Frame
from llmgw.providers.whole_answer import decode_answer, owed
from llmgw.types.errors import ProviderBadResponse
from llmgw.types.event import ChoiceEnd, Extra, Finish, Start, StreamEvent, UsageReport


class AnswerParser:
    """Reads a message that came in one piece."""

    def __init__(self) -> None:
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        answer = decode_answer(frame.data)
        content = answer.get("content")
        if not isinstance(content, list):
            raise ProviderBadResponse("the provider's answer has no content")
        if not all(isinstance(value, dict) for value in content):
            raise ProviderBadResponse("the provider's answer has a block that is not an object")
        keep_inputs(frame.data, content)
        events: list[StreamEvent] = [start_of(answer)]
        calls = 0
        for part, value in enumerate(content):
            try:
                block = new_block(value, part, calls)
            except BadBlock as bad:
                raise ProviderBadResponse(f"the provider's answer has {bad}") from None
            calls += isinstance(block, CallBlock)
            events += block.opened()
            events += block.closed()
        native = text_of(answer.get("stop_reason"))
        if not native:
            raise ProviderBadResponse("the provider's answer has no reason for its end")
        of_delta = {name: answer[name] for name in OF_DELTA if answer.get(name) is not None}
        extra = end_extra(answer, of_delta, {})
        events.append(ChoiceEnd(reason=finish_reason(native), native_reason=native, extra=extra))
        usage = answer.get("usage")
        usage = usage_from(usage) if isinstance(usage, dict) else None
        if usage is not None:
            events.append(UsageReport(usage=usage))
        events.append(Finish(usage=usage))
        self._whole = True
        return events

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)


class CountParser:
    """Reads the number of a conversation's tokens."""

    def __init__(self) -> None:
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        answer = decode_answer(frame.data)
        usage = usage_from(answer)
        if usage.input_tokens is None:
            raise ProviderBadResponse("the provider's answer has no number of tokens")
        self._whole = True
        unknown = leftover(answer, ("input_tokens",))
        extra = Extra(chunk=unknown) if unknown else None
        start = Start(protocol=PROTOCOL, id="", model="", created=0, extra=extra)
        return (start, UsageReport(usage=usage), Finish(usage=usage))

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)
