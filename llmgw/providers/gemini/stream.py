"""Reading streams of Gemini's: each event is a small answer, and no event says that there are no more."""

from collections.abc import Sequence
from typing import Final

from msgspec import Raw

from llmgw.providers.base import Frame
from llmgw.providers.error_reports import in_answer
from llmgw.providers.gemini.arguments import keep_arguments
from llmgw.providers.gemini.errors import google_report
from llmgw.providers.gemini.pieces import (
    ANSWER_MEMBERS,
    Candidate,
    answer_id,
    block_reason,
    blocked,
    candidates_of,
    index_of,
    leftover,
    start_of,
)
from llmgw.providers.gemini.plain_chunk import plain_chunk
from llmgw.providers.gemini.usage import usage_from
from llmgw.types import json
from llmgw.types.errors import InvalidJson, ProviderBadStream, StreamInterrupted
from llmgw.types.event import Detail, Extra, Finish, StreamEvent, TextDelta, Usage, UsageReport
from llmgw.types.json import Json
from llmgw.types.message import Details

_HOPES: Final = 3
"""A chunk tried in vain as a plain one costs more, so a stream without any is let be after so many."""
_OF_START: Final = ANSWER_MEMBERS | {"createTime"}
"""What every chunk repeats."""


class ChunkParser:
    """Reads one streamed answer; `model` is what was asked, where the answer does not say."""

    __slots__ = ("_candidates", "_hopes", "_id", "_latest", "_model", "_over", "_plain", "_started", "_usage")

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = False
        self._over = False
        self._id = ""
        self._candidates: dict[int, Candidate] = {}
        self._usage: Usage | None = None
        self._latest: bytes | Raw = b""  # newer usage, not read yet
        self._plain = False  # whether the next chunk is likely a plain one
        self._hopes = _HOPES  # tries in vain that are left

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        if self._plain:
            chunk = plain_chunk(frame.data)
            if chunk is not None:
                plain = chunk.candidates[0]
                candidate = self._candidates.get(plain.index)
                text = plain.content.parts[0].text
                if candidate is not None and candidate.is_in_text and text:
                    self._hopes = _HOPES
                    self._latest = chunk.usage_metadata or self._latest
                    return (TextDelta(text=text, choice=plain.index, part=candidate.part),)
            self._hopes -= 1
        return self._feed(frame.data)

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`: an answer is whole when all its candidates have said why they ended."""
        if self._over:
            return ()
        self._over = True
        if not self._candidates:
            raise StreamInterrupted("the provider closed the stream before it answered")
        if not all(candidate.ended for candidate in self._candidates.values()):
            raise StreamInterrupted("the provider closed the stream before its answer was whole")
        if self._latest:
            details = _decode(bytes(self._latest))
            if isinstance(details, dict):
                self._usage = usage_from(details)
        return (Finish(usage=self._usage),)

    def _feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Read a frame the long way."""
        chunk = _decode(data)
        report = google_report(chunk)
        if report is not None:
            raise in_answer(report)
        if chunk is None:
            return ()
        if not isinstance(chunk, dict):
            raise ProviderBadStream("an event of the provider's stream is not a JSON object")
        events: list[StreamEvent] = []
        if not self._started:
            self._started = True
            self._id = answer_id(chunk)
            events.append(start_of(chunk, self._model))
        elif unknown := leftover(chunk, _OF_START):
            events.append(Detail(extra=Extra(chunk=unknown)))
        candidates = candidates_of(chunk, ProviderBadStream)
        keep_arguments(data, candidates)
        for position, each in enumerate(candidates):
            self._candidate(index_of(each, position)).read(each, events, ProviderBadStream)
        reason = block_reason(chunk)
        if reason and not self._candidates:
            self._candidate(0).ended = True
            events.append(blocked(reason))
        self._report(chunk, events)
        self._plain = self._hopes > 0 and any(each.is_in_text for each in self._candidates.values())
        return events

    def _candidate(self, index: int) -> Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = Candidate(index, self._id)
        return candidate

    def _report(self, chunk: Details, events: list[StreamEvent]) -> None:
        details = chunk.get("usageMetadata")
        if isinstance(details, dict):
            self._latest = b""
            self._usage = usage_from(details)
            events.append(UsageReport(usage=self._usage))


def _decode(data: bytes) -> Json:
    try:
        return json.decode(data)
    except InvalidJson:
        raise ProviderBadStream("an event of the provider's stream is not JSON") from None
