"""Reading streams of OpenAI-like hosts: one chunk gives the events of its pieces."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.providers.base import Frame
from llmgw.providers.error_reports import in_answer, report_in
from llmgw.providers.openai.answer import text_of
from llmgw.providers.openai.call_numbers import CallNumbers
from llmgw.providers.openai.messages import PROTOCOL
from llmgw.providers.openai.pieces import (
    ANSWER_MEMBERS,
    CHOICE_MEMBERS,
    CONTENT_PARTS,
    MESSAGE_MEMBERS,
    content_list,
    finish_reason,
    has_content,
    leftover,
    odd_members,
    reasoning_events,
    tool_call,
)
from llmgw.providers.openai.plain_chunk import PlainChunk, Surroundings, plain_chunk, surroundings
from llmgw.providers.openai.usage import usage_from
from llmgw.types import json
from llmgw.types.errors import InvalidJson, ProviderBadStream, StreamInterrupted
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llmgw.types.json import Json
from llmgw.types.message import Details

_PLAIN_DELTA: Final = frozenset({"role", "content"})
_NOTHING: Final[Details] = {}
_HOPES: Final = 3
"""A chunk tried in vain as a plain one costs a fifth more, so a stream without any is let be after so many."""
_LOOKS: Final = 4
"""How often a stream is looked at for bytes that its chunks repeat; some put a new word into each."""

_FEW: Final = 4
"""So many frames are worth being read in one run."""
_RUNS: Final = 4
"""How often that is tried for frames that came together: each time those that are left are copied."""


class ChunkParser:
    """Reads one streamed chat completion.

    `Start` waits for the first chunk with an id: Azure sends its prompt filter results ahead without one.
    """

    __slots__ = (
        "_around",
        "_calls",
        "_done",
        "_ended",
        "_hopes",
        "_last",
        "_looks",
        "_pending",
        "_started",
        "_usage",
    )

    def __init__(self) -> None:
        self._started = False
        self._done = False
        self._ended: dict[int, bool] = {}  # by choice
        self._calls: dict[int, CallNumbers] = {}  # by choice
        self._usage: Usage | None = None
        self._pending: Details = {}  # members of chunks that gave no event
        self._last = 0  # the choice that spoke last
        self._hopes = _HOPES  # tries in vain that are left
        self._around: Surroundings | None = None  # of the plain chunk read last
        self._looks = _LOOKS  # looks at surroundings that are left

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        if self._done:
            return ()
        data = frame.data
        if self._pending or frame.event == "error":
            return self._feed(frame)
        if self._around is not None and (delta := self._around.read(data)) is not None:
            self._last = delta.choice
            return (delta,)
        if self._hopes and data != b"[DONE]":
            chunk = plain_chunk(data)
            events = None if chunk is None else self._plain(chunk, data)
            if events is not None:
                self._hopes = _HOPES
                return events
            self._hopes -= 1
        return self._feed(frame)

    def feed_all(self, frames: Sequence[Frame], events: list[StreamEvent]) -> None:
        """See `BatchParser.feed_all`."""
        at, count = 0, len(frames)
        runs = _RUNS if count >= _FEW else 0
        while at < count:
            if runs and self._around is not None and not (self._pending or self._done):
                runs -= 1
                told = self._around.read_run(frames[at:])
                if told:
                    self._last = self._around.choice
                    events += told
                    at += len(told)
                    continue
            events += self.feed(frames[at])
            at += 1

    def _plain(self, chunk: PlainChunk, data: bytes) -> Sequence[StreamEvent] | None:
        """The event of a usual chunk; None where it says several things, or none."""
        usage = chunk.usage
        if not chunk.choices:
            if not usage or not self._started:
                return None
            self._usage = usage_from(usage)
            return (UsageReport(usage=self._usage, extra=chunk.extra()),)
        choice = chunk.choices[0]
        index, text, native = choice.index, choice.delta.content, choice.finish_reason
        event: StreamEvent
        if usage is not None or (text and native is not None):
            return None
        if not self._started:
            if text or native is not None:
                return None
            self._started = True
            event = Start(
                protocol=PROTOCOL,
                id=chunk.id or "",
                model=chunk.model or "",
                created=chunk.created or 0,
                extra=chunk.extra(),
            )
        elif text:
            event = TextDelta(text=text, choice=index, extra=chunk.extra())
            if self._looks:
                self._looks -= 1
                self._around = surroundings(data, event)
        elif native and not self._ended.get(index):
            reason = finish_reason(native)
            event = ChoiceEnd(reason=reason, native_reason=native, choice=index, extra=chunk.extra())
            self._ended[index] = True
        else:
            return None
        self._last = index
        if index not in self._ended:
            self._ended[index] = False
        return (event,)

    def _feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """Read a frame the long way."""
        data = frame.data
        if data.startswith(b"[DONE]"):
            self._done = True
            return self._finish("said [DONE]")
        try:
            chunk = json.decode(data)
        except InvalidJson:
            raise ProviderBadStream("an event of the provider's stream is not JSON") from None
        if (
            frame.event == "error"
            or chunk.__class__ is not dict
            or "choices" not in chunk
            or "error" in chunk
        ):
            self._refuse(chunk, frame.event)
            if chunk is None:
                return ()
            if not isinstance(chunk, dict):
                raise ProviderBadStream("an event of the provider's stream is not a JSON object")
        return self._chunk(chunk)

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`: an answer whose choices have all ended is whole without `[DONE]`."""
        if self._done:
            return ()
        self._done = True
        return self._finish("closed the stream")

    def _finish(self, how: str) -> Sequence[StreamEvent]:
        if not self._ended:
            raise StreamInterrupted(f"the provider {how} before it answered")
        if not all(self._ended.values()):
            raise StreamInterrupted(f"the provider {how} before its answer was whole")
        finish = Finish(usage=self._usage)
        if not self._pending:
            return (finish,)
        return (Detail(choice=self._last, extra=Extra(chunk=self._take_pending())), finish)

    @staticmethod
    def _refuse(chunk: Json, event: str) -> None:
        """Raise the error that a frame reports, if it does."""
        report = report_in(chunk)
        if report is None and event == "error":
            report = report_in(
                {"error": chunk if isinstance(chunk, dict | str) and chunk else "unknown error"}
            )
        if report is not None:
            raise in_answer(report)

    def _chunk(self, chunk: Details) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        of_chunk = {
            name: value for name, value in chunk.items() if value is not None and name not in ANSWER_MEMBERS
        }
        choices = chunk.get("choices") or ()
        if not isinstance(choices, list | tuple):
            raise ProviderBadStream("a chunk of the provider's stream has choices that are not a list")
        if not self._started and (choices or chunk.get("id")):
            events.append(self._start(chunk, of_chunk))
            of_chunk = _NOTHING
        elif self._pending:
            of_chunk = self._take_pending() | of_chunk
        before = len(events)
        for position, choice in enumerate(choices):
            if not isinstance(choice, dict):
                raise ProviderBadStream("a chunk of the provider's stream has a choice that is not an object")
            self._choice(choice, position, events, of_chunk if len(events) == before else _NOTHING)
        if len(events) > before:
            of_chunk = _NOTHING
        usage = _usage_in(chunk)
        if usage is not None:
            self._usage = usage
            events.append(UsageReport(usage=usage, extra=Extra(chunk=of_chunk) if of_chunk else None))
        elif of_chunk:
            self._pending |= of_chunk
        return events

    def _start(self, chunk: Details, of_chunk: Details) -> Start:
        self._started = True
        created = chunk.get("created")
        extra = self._take_pending() | of_chunk
        return Start(
            protocol=PROTOCOL,
            id=text_of(chunk.get("id")),
            model=text_of(chunk.get("model")),
            created=int(created) if isinstance(created, int | float) else 0,
            extra=Extra(chunk=extra) if extra else None,
        )

    def _take_pending(self) -> Details:
        pending, self._pending = self._pending, {}
        return pending

    def _choice(self, choice: Details, position: int, events: list[StreamEvent], of_chunk: Details) -> None:
        index = choice.get("index", position)
        if index.__class__ is not int:
            index = position
        self._last = index
        delta = choice.get("delta") or _NOTHING
        if not isinstance(delta, dict):
            raise ProviderBadStream("a chunk of the provider's stream has a delta that is not an object")
        native = choice.get("finish_reason")
        # Perplexity repeats the answer so far as `message` beside each delta, hence CHOICE_MEMBERS has it.
        of_choice = {
            name: value for name, value in choice.items() if value is not None and name not in CHOICE_MEMBERS
        }
        if of_choice and "error" in of_choice:
            self._refuse(of_choice, "")
        logprobs = choice.get("logprobs")
        if not isinstance(logprobs, dict):
            logprobs = None
        content = delta.get("content")
        if delta.keys() <= _PLAIN_DELTA and content.__class__ is str and native is None:
            if index not in self._ended:
                self._ended[index] = False
            extra = Extra(chunk=of_chunk, choice=of_choice) if of_chunk or of_choice else None
            if content:
                events.append(TextDelta(text=content, choice=index, logprobs=logprobs, extra=extra))
            elif of_choice or logprobs:
                events.append(Detail(choice=index, logprobs=logprobs, extra=extra or Extra()))
            return
        self._ended.setdefault(index, False)
        self._rich_choice(
            index,
            delta,
            _Around(of_chunk, of_choice, logprobs, native if isinstance(native, str) else ""),
            events,
        )

    def _rich_choice(self, index: int, delta: Details, around: "_Around", events: list[StreamEvent]) -> None:
        """Read a chunk's choice that may say anything; the first event carries what has no field."""
        unknown = leftover(delta, MESSAGE_MEMBERS) | odd_members(delta)
        pieces = reasoning_events(delta, index, empty=False)
        content = delta.get("content")
        if isinstance(content, list):
            parts, rest = content_list(content, index)
            pieces += [part for part in parts if isinstance(part, TextDelta | ReasoningDelta) and part.text]
            if rest:
                unknown[CONTENT_PARTS] = rest
        elif isinstance(content, str) and content:
            pieces.append(TextDelta(text=content, choice=index))
        if isinstance(delta.get("refusal"), str) and delta["refusal"]:
            pieces.append(RefusalDelta(text=delta["refusal"], choice=index))
        calls = delta.get("tool_calls")
        if isinstance(calls, list) and calls:
            pieces += self._tool_calls(calls, index)
        if around.native and not self._ended[index]:
            self._ended[index] = True
            pieces.append(
                ChoiceEnd(reason=finish_reason(around.native), native_reason=around.native, choice=index)
            )
        events += around.onto(pieces, index, unknown)

    def _tool_calls(self, calls: list[Json], choice: int) -> list[ToolCallDelta]:
        known = self._calls.get(choice)
        if known is None:
            known = self._calls[choice] = CallNumbers()
        deltas = []
        for call in calls:
            if not isinstance(call, dict):
                raise ProviderBadStream(
                    "a chunk of the provider's stream has a tool call that is not an object"
                )
            delta = tool_call(call, 0, choice, keep_index=False)
            number = known.number(call.get("index"), delta)
            deltas.append(
                ToolCallDelta(
                    index=number,
                    choice=choice,
                    id=delta.id,
                    name=delta.name,
                    arguments=delta.arguments,
                    kind=delta.kind,
                    call_details=delta.call_details,
                )
            )
        return deltas


class _Around:
    """What a chunk says beside the pieces of a choice, to ride on one of their events."""

    __slots__ = ("logprobs", "native", "of_choice", "of_chunk")

    def __init__(self, of_chunk: Details, of_choice: Details, logprobs: Json, native: str) -> None:
        self.of_chunk = of_chunk
        self.of_choice = of_choice
        self.logprobs = logprobs
        self.native = native

    def onto(self, pieces: list[StreamEvent], index: int, unknown: Details) -> list[StreamEvent]:
        """Put the leftovers on the first piece, or on an event of their own where it has no place for them."""
        extra = None
        if self.of_chunk or self.of_choice or unknown:
            extra = Extra(chunk=self.of_chunk, choice=self.of_choice, delta=unknown)
        if not pieces:
            if not (self.of_choice or unknown or self.logprobs):
                return pieces
            said = has_content(unknown)
            return [Detail(choice=index, logprobs=self.logprobs, extra=extra or Extra(), has_content=said)]
        first = pieces[0]
        if self.logprobs is None:
            if extra is not None:
                pieces[0] = replace(first, extra=extra)
        elif isinstance(first, TextDelta | RefusalDelta | ChoiceEnd):
            pieces[0] = replace(first, extra=extra, logprobs=self.logprobs)
        else:
            pieces[0] = Detail(choice=index, logprobs=self.logprobs, extra=extra or Extra())
            pieces.insert(1, first)
        return pieces


def _usage_in(chunk: Details) -> Usage | None:
    """Find usage: at its place, under `x_groq`, or in the last choice (Moonshot)."""
    usage = chunk.get("usage")
    if usage is None:
        groq = chunk.get("x_groq")
        if isinstance(groq, dict):
            usage = groq.get("usage")
        else:
            choices = chunk.get("choices")
            last = choices[-1] if choices else None
            usage = last.get("usage") if isinstance(last, dict) else None
    return usage_from(usage) if isinstance(usage, dict) and usage else None
