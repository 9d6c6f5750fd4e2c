"""Reading whole answers of Gemini's, as the same events that a stream of them would give."""

from collections.abc import Sequence

from llmgw.providers.base import Frame
from llmgw.providers.gemini.arguments import keep_arguments
from llmgw.providers.gemini.errors import google_report
from llmgw.providers.gemini.parts import PROTOCOL
from llmgw.providers.gemini.pieces import (
    Candidate,
    answer_id,
    block_reason,
    blocked,
    candidates_of,
    index_of,
    start_of,
)
from llmgw.providers.gemini.usage import count, usage_from
from llmgw.providers.whole_answer import decode_answer, owed
from llmgw.types.errors import ProviderBadResponse
from llmgw.types.event import Finish, Start, StreamEvent, Usage, UsageReport


class AnswerParser:
    """Reads an answer that came in one piece; `model` is what was asked, where the answer does not say."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        answer = decode_answer(frame.data, google_report)
        candidates = candidates_of(answer, ProviderBadResponse)
        keep_arguments(frame.data, candidates)
        reason = block_reason(answer)
        if not candidates and not reason:
            raise ProviderBadResponse("the provider's answer has no candidates")
        events: list[StreamEvent] = [start_of(answer, self._model)]
        for position, each in enumerate(candidates):
            candidate = Candidate(index_of(each, position), answer_id(answer))
            candidate.read(each, events, ProviderBadResponse)
            if not candidate.ended:
                candidate.end("", events)
        if not candidates:
            events.append(blocked(reason))
        details = answer.get("usageMetadata")
        usage = usage_from(details) if isinstance(details, dict) else None
        if usage is not None:
            events.append(UsageReport(usage=usage))
        events.append(Finish(usage=usage))
        self._whole = True
        return events

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)


class CountParser:
    """Reads the answer to a count of tokens."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        answer = decode_answer(frame.data, google_report)
        # A count of nothing is left out, as all zeros are.
        tokens = count(answer, "totalTokens") if "totalTokens" in answer else 0
        if tokens is None:
            raise ProviderBadResponse("the provider's answer has no number of tokens")
        usage = Usage(
            input_tokens=tokens,
            cached_read_tokens=count(answer, "cachedContentTokenCount"),
            provider_details=answer,
        )
        self._whole = True
        start = Start(id="", model=self._model, created=0, protocol=PROTOCOL)
        return (start, UsageReport(usage=usage), Finish(usage=usage))

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)
