"""One connection that many callers share: what goes out in order is answered in order.

Nobody's place is ever given up: a caller who leaves, or whose time is over, leaves their place behind, and the
answer that comes for it is thrown away.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from hiredis import Reader
from redis import exceptions
from redis.asyncio.connection import DefaultParser

WRITTEN_AHEAD: Final = 256 * 1024
"""Bytes that wait inside a connection for the server to take them; more wait in front of it."""

_MORE: Final = object()


class Call:
    """A packed command and who waits for its answer.

    `ends` is when its caller waits no longer, `due` when its answer must be here once it was written; both in
    seconds of the loop's clock. So many answers as `skips` come before its own.
    """

    __slots__ = ("answer", "due", "ends", "packed", "skips")

    def __init__(self, answer: "asyncio.Future[Any]", packed: bytes, ends: float) -> None:
        self.answer = answer
        self.packed = packed
        self.ends = ends
        self.due = ends
        self.skips = 0


class Dialled(Protocol):
    """A connection that has logged in."""

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Have another hear what comes; who hands over is of no more use.

        Raises:
            ConnectionError: the server is gone already.
        """


Notice: TypeAlias = Callable[["Link"], None]


class Link(asyncio.Protocol):
    """A connection at work; `eased` is called whenever more can be sent, `ended` once, when it is gone."""

    def __init__(self, connection: Dialled, *, eased: Notice, ended: Notice) -> None:
        """Take over a connection.

        Raises:
            ConnectionError: it is gone already.
        """
        self.in_flight: deque[Call] = deque()
        """What was written and not answered, in the order it was written."""
        self.paused = False
        """Whether the server takes no more bytes for now."""
        self.spent = False
        """Whether the server has said that it is no primary, or does not take this connection's commands."""
        loop = asyncio.get_running_loop()
        self.heard = loop.time()
        """When the last bytes came, in seconds of the loop's clock."""
        self.gone: asyncio.Future[None] = loop.create_future()
        self._expired = -math.inf
        self._now = loop.time
        self._eased = eased
        self._ended = ended
        self._failure: Exception | None = None
        self._reader = Reader(
            protocolError=exceptions.InvalidResponse,
            replyError=DefaultParser.parse_error,
            notEnoughData=_MORE,
        )
        self._connection = connection
        self._transport = connection.hand_over(self)
        self._transport.set_write_buffer_limits(high=WRITTEN_AHEAD)

    @property
    def closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def write(self, calls: Sequence[Call]) -> None:
        """Send calls in one go; from here on they count as asked."""
        self.in_flight.extend(calls)
        self._transport.writelines([call.packed for call in calls])

    def write_one(self, call: Call) -> None:
        """Send one call; from here on it counts as asked."""
        self.in_flight.append(call)
        self._transport.write(call.packed)

    def expire(self, now: float) -> bool:
        """Fail the calls whose answer is overdue, and say whether there are any; their places stay."""
        self._expired = now
        for call in self.in_flight:
            if call.due > now:
                break
            if not call.answer.done():
                call.answer.set_exception(exceptions.TimeoutError("no answer from the store in time"))
        return bool(self.in_flight and self.in_flight[0].due <= now)

    @property
    def next_due(self) -> float | None:
        """When the next answer is overdue, those left out whose callers have been failed; None when none is."""
        return next((call.due for call in self.in_flight if call.due > self._expired), None)

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for an answer."""
        return any(not call.answer.done() for call in self.in_flight)

    def abort(self, failure: Exception | None = None) -> None:
        """Close at once; who still waits is failed."""
        self._failure = self._failure or failure
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to its caller."""
        self.heard = self._now()
        reader, in_flight = self._reader, self.in_flight
        reader.feed(data)
        try:
            while (answer := reader.gets()) is not _MORE:
                if not in_flight:
                    raise exceptions.InvalidResponse("an answer that nobody asked for")
                call = in_flight.popleft()
                if call.skips:
                    call.skips -= 1
                    in_flight.appendleft(call)
                    continue
                error = answer[0] if answer.__class__ is list and answer else answer
                if isinstance(error, Exception):
                    self._refused(call.answer, answer, error)
                elif not call.answer.done():
                    call.answer.set_result(answer)
        except exceptions.InvalidResponse as failure:
            self.abort(failure)
            return
        self._eased(self)

    def _refused(self, waiting: "asyncio.Future[Any]", answer: Any, error: Exception) -> None:
        """Hand an answer that is an error, or begins with one, to its caller."""
        no_use = isinstance(error, exceptions.ConnectionError)
        self.spent = self.spent or no_use or isinstance(error, exceptions.ReadOnlyError)
        if waiting.done():
            return
        if error is answer or no_use:
            waiting.set_exception(error)
        else:
            waiting.set_result(answer)

    def pause_writing(self) -> None:
        """The server takes no more."""
        self.paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self.paused = False
        self._eased(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all that was asked: whether the server did it is not known, so nothing is asked again."""
        failure = self._failure or exc
        for call in self.in_flight:
            if not call.answer.done():
                call.answer.set_exception(exceptions.ConnectionError(f"the store hung up: {failure!r}"))
        if not self.gone.done():
            self.gone.set_result(None)
        self._ended(self)
        self.in_flight.clear()
