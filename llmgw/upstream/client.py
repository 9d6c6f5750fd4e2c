"""Sends a request and returns the head of its answer."""

import asyncio
import contextlib
import io
import ssl
from collections.abc import Coroutine, Iterable
from functools import lru_cache
from typing import Any, Final

import aiohttp
from yarl import URL

from llmgw.providers.base import UpstreamRequest
from llmgw.types.errors import Draining, InternalError
from llmgw.types.target import Target
from llmgw.upstream.failures import FAILURES, before_head, first_byte_late, means_stale, total_over
from llmgw.upstream.pool import LINE, Connector, Line, Pool, new_session, origin_of
from llmgw.upstream.response import TIMER_GRAIN_S, UpstreamResponse

MAX_BODY: Final = 32 * 1024 * 1024
"""Longest body `UpstreamResponse.read` returns, in bytes."""

_LARGE: Final = 1024 * 1024


class Upstream:
    """Sends requests to providers; made and closed inside one event loop.

    `max_body` bounds `UpstreamResponse.read`, in bytes. Certificates are checked against the system's store,
    or the file that `SSL_CERT_FILE` names when the object is made.
    """

    def __init__(self, *, max_body: int = MAX_BODY) -> None:
        self.stale_retries = 0
        """How many requests were sent again because a kept connection turned out to be closed."""
        self._max_body = max_body
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._pools: dict[str, Pool] = {}
        self._single: aiohttp.ClientSession | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def draining(self) -> int:
        """How many connections wait for the end of an answer, or for their own."""
        return len(self._closing)

    def connections(self) -> dict[tuple[str, ...], int]:
        """Count connections by provider, and as `used` or `idle`; may be asked from another thread."""
        found: dict[tuple[str, ...], int] = {}
        for pool in list(self._pools.values()):
            for state, count in zip(("used", "idle"), pool.connector.count(), strict=True):
                key = pool.provider, state
                found[key] = found.get(key, 0) + count
        return found

    async def open(self, request: UpstreamRequest, target: Target, deadline: float) -> UpstreamResponse:
        """Send `request` and return the answer once its head is here; the body is then read or closed.

        `deadline` is the instant of the loop's clock at which the call is over; the total clock of the target
        may end the attempt sooner. An error status, a redirect included, is an answer and no failure.

        Raises:
            ProviderUnreachable: no connection, or it was lost before the head of an answer.
            ProviderTlsError: the certificate or the handshake is bad.
            ProviderTimeout: no head within the first-byte clock.
            ProviderBadResponse: not HTTP, or an encoding nobody asked for.
            ProviderTooLarge: the head is over its limits.
            DeadlineExceeded: the total clock ran out.
            Overloaded: this process is out of file descriptors or memory.
            Draining: `aclose` was called before.
        """
        if self._closed:
            raise Draining("the gateway is stopping")
        now = asyncio.get_running_loop().time()
        deadline = min(deadline, now + target.timeouts.total_s)
        if now >= deadline:
            raise total_over(target)
        pool = self._pool_for(request, target)
        pool.calls += 1
        try:
            answer, line = await self._exchange(pool.session, request, target, deadline)
            return UpstreamResponse(
                answer,
                line,
                target,
                deadline,
                max_body=self._max_body,
                on_end=lambda: self._leave(pool),
                spawn=self._spawn,
            )
        except BaseException:
            self._leave(pool)
            raise

    async def retain(self, targets: Iterable[Target]) -> None:
        """Close what leads to origins none of `targets` is at: now where idle, else after the last call."""
        kept = set()
        for target in targets:
            with contextlib.suppress(ValueError):  # no URL, so nothing leads there
                kept.add(origin_of(target.endpoint.base_url))
        for origin, pool in list(self._pools.items()):
            pool.retired = origin not in kept
            if pool.retired and pool.calls == 0:
                self._drop(pool)
        await asyncio.gather(*self._closing)

    async def aclose(self) -> None:
        """Close every connection, also those of answers in flight."""
        self._closed = True
        for pool in list(self._pools.values()):
            self._drop(pool)
        if self._single is not None:
            await self._single.close()
        await asyncio.gather(*self._closing)

    def _pool_for(self, request: UpstreamRequest, target: Target) -> Pool:
        try:
            origin = origin_of(target.endpoint.base_url)
            same = origin_of(request.url) == origin
        except ValueError as error:
            raise before_head(aiohttp.InvalidURL(target.endpoint.base_url), target) from error
        if not same:
            raise InternalError(f"a request to {target.name} would leave the origin of its provider")
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(Connector(self._tls, keep=True), target.provider)
        return pool

    async def _exchange(
        self, kept: aiohttp.ClientSession, request: UpstreamRequest, target: Target, deadline: float
    ) -> tuple[aiohttp.ClientResponse, Line]:
        try:
            return await _try(kept, request, target, deadline)
        except _StaleConnection:
            # Its siblings in the pool may be as stale: the second try gets a connection made for it alone.
            self.stale_retries += 1
            if self._single is None:
                self._single = new_session(Connector(self._tls, keep=False))
        return await _try(self._single, request, target, deadline)

    def _leave(self, pool: Pool) -> None:
        pool.calls -= 1
        if pool.retired and pool.calls == 0:
            self._drop(pool)

    def _drop(self, pool: Pool) -> None:
        for origin in [origin for origin, known in self._pools.items() if known is pool]:
            del self._pools[origin]
            self._spawn(pool.session.close())

    def _spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run what closes a connection beside the calls; `aclose` waits for it."""
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _StaleConnection(Exception):
    """A kept connection was closed by its server before it could carry the request."""


async def _try(
    session: aiohttp.ClientSession, request: UpstreamRequest, target: Target, deadline: float
) -> tuple[aiohttp.ClientResponse, Line]:
    line = Line(target.timeouts.first_byte_s, deadline)
    token = LINE.set(line)
    loop = asyncio.get_running_loop()
    try:
        async with line.clock:
            answer = await session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                # Bytes beyond a mebibyte would be copied to the socket in one go.
                data=request.body if len(request.body) <= _LARGE else io.BytesIO(request.body),
                allow_redirects=False,
                timeout=_clocks(max(min(target.timeouts.connect_s, deadline - loop.time()), TIMER_GRAIN_S)),
            )
        return answer, line
    except FAILURES as error:
        line.abort()
        expired = line.clock.expired() or isinstance(error, aiohttp.ConnectionTimeoutError)
        if expired and loop.time() + TIMER_GRAIN_S >= deadline:
            raise total_over(target) from None
        if line.clock.expired():
            raise first_byte_late(target) from None
        if line.reused and means_stale(error):
            raise _StaleConnection from None
        raise before_head(error, target) from None
    except BaseException:
        # The caller is cancelled, or something unforeseen goes up: either way this connection is of no use.
        line.abort()
        raise
    finally:
        LINE.reset(token)


@lru_cache(maxsize=64)
def _clocks(connect_s: float) -> aiohttp.ClientTimeout:
    """Only the connect clock is aiohttp's, and it shall not be rounded up to whole seconds."""
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=None, ceil_threshold=float("inf"))
