"""Streams to callers: ready bytes as server-sent events, kept alive by comments, never by promises.

The status of a stream is held back until its first content or `hold_s`, so that a call that fails early has a true
status. While nothing is said, a ping every `ping_s` keeps proxies from cutting the connection.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from llmgw.http.exchange import Exchange, Headers

EVENTS: Final = "text/event-stream; charset=utf-8"
STREAM_HEADERS: Headers = [
    (b"content-type", EVENTS.encode()),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class StreamWriter:
    """Writes one event stream.

    `early` are headers that are known by the time a ping goes out first, before anything is said. `ping` keeps the
    stream alive while nothing is. A write, a ping included, that waits `STALLS` pings for its reader makes the
    caller count as gone.
    """

    STALLS = 4

    def __init__(
        self,
        exchange: Exchange,
        headers: Headers,
        *,
        ping: bytes,
        hold_s: float,
        ping_s: float,
        early: Callable[[], Headers] = list,
    ) -> None:
        self._exchange = exchange
        self._headers = headers
        self._early = early
        self._ping_bytes = ping
        self._ping_s = ping_s
        self.begun = False
        """Whether a status line is out."""
        self._ending = False
        self._loop = asyncio.get_running_loop()
        self._last = monotonic()
        self._sending_since: float | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(hold_s, self._tick)

    async def send(self, body: bytes, headers: Headers) -> None:
        """Send bytes, after the status line with `headers` if that has not gone out yet."""
        if self._pinging is not None:
            await self._after_ping()
        if not self.begun:
            await self._write(body, headers, more=True)
            return
        self._sending_since = monotonic()
        await self._exchange.send(body, more=True)
        self._last = monotonic()
        self._sending_since = None

    async def end(self, body: bytes, headers: Headers) -> None:
        """Send the last bytes; nothing follows them."""
        self._ending = True
        await self._after_ping()
        await self._write(body, headers, more=False)
        self._timer.cancel()

    async def has_begun(self) -> bool:
        """Whether a status line is out; from here on no comment will put one out."""
        self._ending = True
        await self._after_ping()
        return self.begun

    def abandon(self) -> None:
        """Send nothing more, and keep no timer."""
        self._ending = True
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    async def _write(self, body: bytes, headers: Headers, *, more: bool) -> None:
        self._sending_since = monotonic()
        if not self.begun:
            self.begun = True
            await self._exchange.start(200, [*STREAM_HEADERS, *self._headers, *headers])
        await self._exchange.send(body, more=more)
        self._last = monotonic()
        self._sending_since = None

    async def _after_ping(self) -> None:
        if self._pinging is not None:
            await asyncio.shield(self._pinging)

    def _tick(self) -> None:
        now = monotonic()
        if self._sending_since is not None:
            if now - self._sending_since >= self.STALLS * self._ping_s:
                self._exchange.cut_off()
                return
        elif not self._ending and (now - self._last >= self._ping_s or not self.begun):
            self._pinging = self._loop.create_task(self._ping())
        # Goes on while something is being sent, so that a reader who never reads is noticed in the end.
        self._timer = self._loop.call_later(self._ping_s, self._tick)

    async def _ping(self) -> None:
        try:
            await self._write(self._ping_bytes, self._early(), more=True)
        finally:
            self._pinging = None
