"""The fast way to one server: everybody's commands over one connection, all that wait at once in one write.

A command is written at most once. One that was not written yet when its connection was lost goes out on the next;
one that was is failed, for the server may have done it.
"""

import asyncio
import copy
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from hiredis import pack_command
from redis import exceptions

from llmgw.state.link import Call, Dialled, Link

Dial: TypeAlias = Callable[[], Awaitable[Dialled]]
"""Makes a connection that has logged in, or fails as the client library does."""

IN_FLIGHT_MAX: Final = 256
"""Commands that a server is asked before it has answered any of them."""
WAITING_MAX: Final = 4096
"""Commands that wait for their turn."""
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of all of them, where there is more than one."""
_BATCH_BYTES: Final = 128 * 1024
"""Bytes after which is looked whether the server takes more."""
_ASKING: Final[bytes] = pack_command(("ASKING",))
_LATE_S: Final = 0.02
"""Seconds that a timer may come too late before it is believed that nothing else has run either."""


class LaneFull(exceptions.RedisError):
    """Too much waits already; this was not sent."""


class Lane:
    """The way to one server; `troubled` is called when it is lost, falls silent or cannot be reached.

    `timeout_s` bounds each answer; a command waits at most twice that in all. Connects when there is something to
    send, once at a time: who waits for a connection that fails is failed with it. Used in one loop only.
    """

    def __init__(self, dial: Dial, timeout_s: float, troubled: Callable[[], None] = lambda: None) -> None:
        self._dial = dial
        self._timeout_s = timeout_s
        self._troubled = troubled
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[Call] = deque()
        self._waiting_bytes = 0
        self._flushing = False
        self._link: Link | None = None
        self._retired: set[Link] = set()
        self._opening: asyncio.Task[Link] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._closed = False

    def send(self, packed: bytes, *, asking: bool = False) -> "asyncio.Future[Any]":
        """Send a packed command soon, and promise its answer, or the client library's error, or `LaneFull`.

        To cancel the promise is to leave; what leaves before it was written is not written. `asking` is said to a
        node that is being given the key's slot.
        """
        if asking:
            packed = _ASKING + packed
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        waiting, now = self._waiting, loop.time()
        call = Call(loop.create_future(), packed, now + 2 * self._timeout_s)
        link = self._link
        if link is not None and not (waiting or link.in_flight or link.paused or asking or link.closing):
            # Nothing is on its way that others could join, and nobody waits.
            call.due = now + self._timeout_s
            link.write_one(call)
            if call.due < self._timer_at:
                self._wake_at(call.due)
            return call.answer
        size = len(packed)
        if waiting and (len(waiting) >= WAITING_MAX or self._waiting_bytes + size > WAITING_BYTES_MAX):
            call.answer.set_exception(LaneFull("too many commands wait for the store"))
            return call.answer
        if self._closed:
            call.answer.set_exception(exceptions.ConnectionError("the way to the store is closed"))
            return call.answer
        call.skips = asking
        waiting.append(call)
        self._waiting_bytes += size
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        return call.answer

    def retire(self) -> None:
        """Send nothing more on this connection; what was asked on it is waited for."""
        link, self._link = self._link, None
        if link is not None:
            self._retired.add(link)
            if not link.awaited:
                link.abort()

    def expire(self, now: float) -> None:
        """Fail what is overdue at an instant of the loop's clock.

        A connection that fell silent is retired: the other end may be gone without a word.
        """
        link = self._link
        if link is not None and link.expire(now) and link.heard <= now - self._timeout_s:
            self.retire()
            self._troubled()
        for retired in tuple(self._retired):
            retired.expire(now)
            if not retired.awaited:
                retired.abort()
        waiting = self._waiting
        while waiting and (waiting[0].ends <= now or waiting[0].answer.done()):
            call = self._taken()
            if not call.answer.done():
                call.answer.set_exception(exceptions.TimeoutError("no way to the store in time"))
        self._wake_for_the_next()

    async def aclose(self) -> None:
        """Close all connections; who still waits is failed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        self._fail_waiting(exceptions.ConnectionError("the way to the store is closed"))
        self.retire()
        links = tuple(self._retired)
        for link in links:
            link.abort()
        for link in links:
            await link.gone

    def _taken(self) -> Call:
        call = self._waiting.popleft()
        self._waiting_bytes -= len(call.packed)
        return call

    def _flush(self) -> None:
        self._flushing = False
        link = self._link
        if link is not None and link.closing:
            link = self._link = None
        if link is not None:
            self._write(link)
        elif self._waiting and self._opening is None and not self._closed:
            self._opening = self._running().create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        if self._waiting:
            self._wake_at(self._waiting[0].ends)

    def _write(self, link: Link) -> None:
        due = self._running().time() + self._timeout_s
        room = IN_FLIGHT_MAX - len(link.in_flight)
        waiting, batch, size = self._waiting, [], 0
        if len(waiting) <= room and self._waiting_bytes < _BATCH_BYTES and not link.paused:
            # All that wait, as is usual.
            batch = [call for call in waiting if not call.answer.done()]
            waiting.clear()
            self._waiting_bytes = 0
            for call in batch:
                call.due = min(call.ends, due)
        while waiting and room > 0 and not link.paused:
            call = waiting.popleft()
            length = len(call.packed)
            self._waiting_bytes -= length
            if call.answer.done():
                continue
            call.due = min(due, call.ends)
            batch.append(call)
            room -= 1
            size += length
            if size >= _BATCH_BYTES:
                link.write(batch)
                batch, size = [], 0
        if batch:
            link.write(batch)
        if due < self._timer_at and link.in_flight:
            self._wake_at(due)

    async def _connect(self) -> Link:
        async with asyncio.timeout(2 * self._timeout_s):
            connection = await self._dial()
        return Link(connection, eased=self._eased, ended=self._ended)

    def _opened(self, task: "asyncio.Task[Link]") -> None:
        self._opening = None
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            self._troubled()
            self._fail_waiting(failure)
            return
        self._link = task.result()
        self._flush()

    def _fail_waiting(self, failure: BaseException) -> None:
        """Fail all that wait, each with an error of its own: one that many raise gathers all their stacks."""
        while self._waiting:
            call = self._taken()
            if not call.answer.done():
                call.answer.set_exception(copy.copy(failure))

    def _eased(self, link: Link) -> None:
        if link is self._link and not link.spent:
            if self._waiting and not self._flushing:
                self._flushing = True
                self._running().call_soon(self._flush)
            return
        if link is self._link:
            self.retire()
        elif not link.awaited:
            link.abort()

    def _ended(self, link: Link) -> None:
        retired = link in self._retired
        self._retired.discard(link)
        if link is self._link:
            self._link = None
        if link.in_flight and not retired:
            self._troubled()
        if self._waiting:
            self._flush()

    def _wake_for_the_next(self) -> None:
        links = self._retired if self._link is None else {*self._retired, self._link}
        times = [due for link in links if (due := link.next_due) is not None]
        if self._waiting:
            times.append(self._waiting[0].ends)
        if times:
            self._wake_at(min(times))

    def _wake_at(self, when: float) -> None:
        if when >= self._timer_at or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._running().call_at(when, self._wake)
        self._timer_at = when

    def _wake(self) -> None:
        when, self._timer, self._timer_at = self._timer_at, None, math.inf
        now = self._running().time()
        if now - when > _LATE_S:
            # The loop stood still; what came meanwhile is to be read before it is missed.
            self._wake_at(now)
        else:
            self.expire(max(now, when))  # a loop may call a little early

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop
