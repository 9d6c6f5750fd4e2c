"""Streams to callers: ready bytes as server-sent events, kept alive by comments, never by promises.

The status of a stream is held back until its first content or `hold_s`, so that a call that fails early has a true
status. While nothing is said, a comment every `ping_s` keeps proxies from cutting the connection.
"""

import asyncio

from llmgw.http.exchange import Exchange, Headers

PING = b": ping\n\n"
STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class StreamWriter:
    """Writes one event stream.

    `stall_s` is how long one write may wait for a caller that does not read before it counts as gone.
    """

    def __init__(self, exchange: Exchange, headers: Headers, *, hold_s: float, ping_s: float) -> None:
        self.started = False
        self._exchange = exchange
        self._headers = headers
        self._ping_s = ping_s
        self._stall_s = 4 * ping_s
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._sending_since: float | None = None
        self._stopped = False
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(hold_s, self._tick)

    async def send(self, body: bytes, headers: Headers, *, more: bool = True) -> None:
        """Send bytes, after the status line with `headers` if that has not gone out yet."""
        if self._pinging is not None:
            await asyncio.shield(self._pinging)
        self._sending_since = self._loop.time()
        if not self.started:
            self.started = True
            await self._exchange.start(200, [*STREAM_HEADERS, *self._headers, *headers])
        await self._exchange.send(body, more=more)
        self._last = self._loop.time()
        self._sending_since = None

    async def stop(self) -> None:
        """Send no more pings; returns when the last one is out."""
        self._quit()
        if self._pinging is not None:
            await asyncio.shield(self._pinging)

    def abandon(self) -> None:
        """Send nothing more: the caller is gone."""
        self._quit()
        if self._pinging is not None:
            self._pinging.cancel()

    def _quit(self) -> None:
        self._stopped = True
        self._timer.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        if self._sending_since is not None and now - self._sending_since >= self._stall_s:
            self._exchange.leave()
        elif self._sending_since is None and (now - self._last >= self._ping_s or not self.started):
            self._pinging = self._loop.create_task(self._ping())
        else:
            self._timer = self._loop.call_later(self._ping_s, self._tick)

    async def _ping(self) -> None:
        try:
            if not self.started:
                self.started = True
                await self._exchange.start(200, [*STREAM_HEADERS, *self._headers])
            await self._exchange.send(PING, more=True)
            self._last = self._loop.time()
        finally:
            self._pinging = None
            if not self._stopped:
                self._timer = self._loop.call_later(self._ping_s, self._tick)
