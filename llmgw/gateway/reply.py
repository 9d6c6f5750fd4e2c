"""One answer on its way to the caller: batches of events, and an end that happens exactly once.

An answer that continues a stored conversation is stored before its last events go out, so that whoever saw the end
finds it there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import structs

from llmgw.accounting.counted import Heard
from llmgw.gateway.accounts.claim import Claim
from llmgw.gateway.charging import tier_of
from llmgw.providers.base import EventParser, FeedAll, Frame
from llmgw.providers.framing import Framer
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.completion import Completion, fold
from llmgw.types.errors import GatewayError, ProviderBadResponse
from llmgw.types.event import ChoiceEnd, Finish, Start, StreamEvent, TextDelta, UsageReport, Vectors
from llmgw.types.message import Details
from llmgw.types.money import NANO
from llmgw.types.target import Target
from llmgw.upstream import UpstreamResponse


class Answer:
    """What one attempt reads: a response, cut into frames, parsed into events; knows when it is whole."""

    def __init__(
        self, response: UpstreamResponse, framer: Framer, parser: EventParser, *, keep: bool = False
    ) -> None:
        self.response = response
        self.finished = False
        self.raw = b""
        self._chunks: list[bytes] | None = [] if keep else None
        self._said_something = False
        self.failure: GatewayError | None = None
        """Why nothing more will be read; told once what was read before was."""
        self._framer = framer
        self._parser = parser
        # Where it is a `BatchParser`; asking for the one method is cheaper than asking for its type.
        self._feed_all: FeedAll | None = getattr(parser, "feed_all", None)

    async def whole(self) -> list[StreamEvent]:
        """Read an answer that is not streamed, to its end.

        Raises:
            ProviderError: it is not an answer, is cut, late or too large.
            DeadlineExceeded: the call's time is over.
        """
        self.raw = await self.response.read()
        frames = self._framer.feed(self.raw)
        events = self._until_its_end(self._read([*frames, *self._framer.close()]))
        if self.failure is not None:
            raise self.failure
        return events

    async def batch(self) -> list[StreamEvent]:
        """Read the events of the next bytes; empty when those bytes complete no event.

        Raises:
            ProviderError: the stream is cut, late, garbled, or reports an error.
            DeadlineExceeded: the call's time is over.
        """
        if self.failure is not None:
            raise self.failure
        return self.told(await self.response.chunk())

    def told(self, chunk: bytes) -> list[StreamEvent]:
        """Read the events of the next bytes, or of their end, which is the empty piece; see `batch`."""
        if self._chunks is not None:
            self._chunks.append(chunk)
        if chunk:
            return self._read(self._framer.feed(chunk))
        return self._until_its_end(self._read(self._framer.close()))

    @property
    def all_raw(self) -> bytes:
        """The answer's bytes so far, where they were to be kept."""
        return self.raw or b"".join(self._chunks or ())

    def _until_its_end(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """Add to the last events what the end of the bytes says."""
        if not self.finished and self.failure is None:
            try:
                events = self._until_finish([*events, *self._parser.end()])
            except GatewayError as error:
                self.failure = error if self._said_something else _no_events()
        return events

    def _read(self, frames: list[Frame]) -> list[StreamEvent]:
        """Parse frames; a failure waits until the events before it were delivered."""
        events: list[StreamEvent] = []
        if frames:
            self._said_something = True
        try:
            if self._feed_all is not None:
                self._feed_all(frames, events)
            else:
                for told in map(self._parser.feed, frames):
                    events += told
        except GatewayError as error:
            self.failure = error
        return self._until_finish(events)

    def _until_finish(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """What follows a `Finish` is not part of the answer."""
        if Finish not in map(type, events):
            return events
        self.finished = True
        return events[: [*map(type, events)].index(Finish) + 1]


def _no_events() -> GatewayError:
    """What ended in order without a single event was never a stream: an empty body, or words."""
    return ProviderBadResponse("the provider answered without a single event")


class Keeper(Protocol):
    """Whoever keeps an answer."""

    def add(self, events: Sequence[StreamEvent]) -> None:
        """Take in what the provider says."""

    async def finish(self, raw: bytes, *, streamed: bool, whole: Completion | None = None) -> Details:
        """Keep the whole answer; returns what the caller is told of that.

        `whole` is one that was read in one piece, of which nothing was taken in by `add`.

        Raises:
            GatewayError: it cannot be kept, so that it must not look whole.
        """

    async def break_off(self, error: GatewayError) -> None:
        """The answer did not come to its end; never raises."""

    def abandon(self) -> None:
        """Nobody waits for the answer any more; returns at once."""

    async def remember(self, media_type: str, body: bytes) -> None:
        """Keep what the caller is sent; never raises."""


class Reply:
    """An opened answer: the events already read, and the rest as they come."""

    _keeper: Keeper | None = None
    _claim: Claim | None = None
    _watch: Callable[[Sequence[StreamEvent]], None] | None = None
    _ended = False

    def __init__(
        self,
        call: Call,
        target: Target,
        answer: Answer,
        first: list[StreamEvent],
        on_end: Callable[[GatewayError | None], None],
        clock: Clock,
    ) -> None:
        self.call = call
        self.target = target
        self._answer = answer
        self._clock = clock
        self._first = self._named(first)
        self._on_end = on_end
        self._heard = Heard()

    def watched_by(self, watch: Callable[[Sequence[StreamEvent]], None]) -> None:
        """Have somebody told what the provider says, batch by batch."""
        self._watch = watch

    def charged_to(self, claim: Claim) -> None:
        """Have a claim charged for the answer."""
        self._claim = claim

    def kept_by(self, keeper: Keeper) -> None:
        """Have the answer kept, too."""
        self._keeper = keeper

    async def batches(self) -> AsyncIterator[list[StreamEvent]]:
        """Yield events in the groups in which they arrived; the last group ends with `Finish`.

        Raises:
            ProviderError: the answer broke off; what was yielded is all there is.
            DeadlineExceeded: the call's time is over.
            GatewayError: the answer could not be kept.
        """
        call, answer, now_ns = self.call, self._answer, self._clock.monotonic_ns
        try:
            batch = self._first
            while True:
                self._note(batch)
                if call.content is not None:
                    call.content.hear(batch)
                if answer.finished:
                    # Ended before the last events go out, so that whoever saw the end sees it settled.
                    self.end(None)
                    batch = await self._kept_stream(batch)
                elif self._keeper is not None:
                    self._keeper.add(batch)
                if batch:
                    yield batch
                if answer.finished:
                    return
                if answer.failure is not None:
                    raise answer.failure
                began = now_ns()
                try:
                    chunk = await answer.response.chunk()
                finally:
                    call.waited_ns += now_ns() - began
                batch = answer.told(chunk)
        except GatewayError as error:
            self.end(error)
            if self._claim is not None:
                self._claim.abandon(self._heard)
            if self._keeper is not None:
                await self._keeper.break_off(error)
            raise

    async def completion(self) -> Completion:
        """Fold an answer that was read whole.

        Raises:
            GatewayError: it could not be kept.
        """
        self._note(self._first)
        self.end(None)
        completion = fold(self._first, self._answer.raw)
        if self.call.content is not None:
            # Before it is kept, as that may fail.
            self.call.content.settle(completion)
        if self._keeper is None:
            # Nobody adds to what the caller is told.
            settling = self._settling()
            if settling is not None:
                await settling
            return completion
        facts = await self._kept(completion)
        return structs.replace(completion, facts=facts) if facts else completion

    async def remember(self, media_type: str, body: bytes) -> None:
        """Keep what the caller is about to be sent, where its call may come again."""
        if self._keeper is not None:
            await self._keeper.remember(media_type, body)

    def end(self, error: GatewayError | None) -> None:
        """Close the provider's connection and settle; only the first call counts."""
        if not self._ended:
            self._ended = True
            self._on_end(error)

    def abandon(self, error: GatewayError) -> None:
        """Nobody reads on; harmless after a normal end."""
        self.end(error)
        if self._claim is not None:
            self._claim.abandon(self._heard)
        if self._keeper is not None:
            self._keeper.abandon()

    async def _kept_stream(self, batch: list[StreamEvent]) -> list[StreamEvent]:
        """Have the stream charged and kept that ends with this batch; its end then tells the caller of it."""
        if self._keeper is not None:
            self._keeper.add(batch)
        facts = await self._kept(None)
        cost = self.call.cost_nano
        if cost is not None:
            # Of a whole answer a header tells.
            facts = {**facts, "cost_usd": cost / NANO}
        last = batch[-1]
        if not facts or not isinstance(last, Finish):
            return batch
        return [*batch[:-1], structs.replace(last, facts=facts)]

    async def _kept(self, whole: Completion | None) -> Details:
        """Have the answer charged and kept; returns what the caller is told of that. `whole` is no stream."""
        # Neither waits for the other, and one that fails leaves the other to its end.
        facts: Details = {}
        settling: Awaitable[None] | None = None
        try:
            try:
                settling = self._settling()
            finally:
                if self._keeper is not None:
                    raw = self._answer.all_raw
                    facts = await self._keeper.finish(raw, streamed=whole is None, whole=whole)
        finally:
            if settling is not None:
                await settling
        return facts

    def _settling(self) -> Awaitable[None] | None:
        """Have the answer charged, which what is returned waits for; None where there is nothing to wait for."""
        return None if self._claim is None else self._claim.settle(self._heard)

    def _named(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """Give an answer the call's own id and time where the provider gave none: clients file answers by them."""
        start = events[0] if events else None
        if not isinstance(start, Start) or (start.id and start.created) or Vectors in map(type, events):
            return events
        created = start.created or self._clock.unix_ns() // 1_000_000_000
        return [structs.replace(start, id=start.id or self.call.id, created=created), *events[1:]]

    def _note(self, events: Sequence[StreamEvent]) -> None:
        call = self.call
        self._heard.add(events)
        if self._watch is not None:
            self._watch(events)
        for event in events:
            if event.__class__ is TextDelta:
                continue
            if event.__class__ is UsageReport:
                call.usage = event.usage
            elif event.__class__ is ChoiceEnd:
                call.finish_reasons = (*call.finish_reasons, event.native_reason)
            elif event.__class__ is Finish:
                call.usage = event.usage or call.usage
            elif event.__class__ is Start:
                call.answered_id, call.answered_model = event.id, event.model
                call.tier = tier_of(event)
