"""Sends a request and returns the head of its answer."""

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from llmgw.providers.base import UpstreamRequest
from llmgw.types.errors import Draining, InternalError
from llmgw.types.target import Target
from llmgw.upstream.address import Origin, origin_of
from llmgw.upstream.connection import TIMER_GRAIN_S, Answer, Connection
from llmgw.upstream.failures import (
    before_head,
    first_byte_late,
    means_stale,
    no_connection,
    nowhere,
    total_over,
)
from llmgw.upstream.pool import Pool
from llmgw.upstream.request import forget_heads, head_of
from llmgw.upstream.response import UpstreamResponse

MAX_BODY: Final = 32 * 1024 * 1024
"""Longest body `UpstreamResponse.read` returns, in bytes."""


class Upstream:
    """Sends requests to providers; made and closed inside one event loop.

    `max_body` bounds `UpstreamResponse.read`, in bytes. Certificates are checked against the system's store,
    or the file that `SSL_CERT_FILE` names when the object is made.
    """

    def __init__(self, *, max_body: int = MAX_BODY) -> None:
        self.stale_retries = 0
        """How many requests were sent again because a kept connection turned out to be closed."""
        self.max_body = max_body
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._pools: dict[Origin, Pool] = {}
        self._leaving: set[Pool] = set()
        """Pools that are closed and still have connections."""
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def draining(self) -> int:
        """How many connections wait for the end of an answer."""
        return len(self._closing)

    def connections(self) -> dict[tuple[str, ...], int]:
        """Count connections by provider, and as `used` or `idle`; may be asked from another thread."""
        found: dict[tuple[str, ...], int] = {}
        for pool in list(self._pools.values()):
            idle = pool.idle
            for state, count in ("used", max(0, len(pool.open) - idle)), ("idle", idle):
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
        pool = self._pool_for(request, target)
        now = pool.loop.time()
        deadline = min(deadline, now + target.timeouts.total_s)
        if now >= deadline:
            raise total_over(target)
        pool.calls += 1
        try:
            answer: Answer | None = None
            connection = pool.take()
            if connection is not None:
                try:
                    answer = await _asked(pool.loop, connection, request, target, deadline)
                except _StaleConnection:
                    # Its siblings in the pool may be as stale: the second try gets a connection made for it alone.
                    self.stale_retries += 1
            if connection is None or answer is None:
                connection = await _connected(pool, target, deadline, keep=connection is None)
                answer = await _asked(pool.loop, connection, request, target, deadline)
            return UpstreamResponse(answer, connection, target, deadline, pool=pool, owner=self)
        except BaseException:
            self.leave(pool)
            raise

    async def retain(self, targets: Iterable[Target]) -> None:
        """Close what leads to origins none of `targets` is at: now where idle, else after the last call."""
        forget_heads()
        kept = set()
        for target in targets:
            with contextlib.suppress(ValueError):  # no URL, so nothing leads there
                kept.add(origin_of(target.endpoint.base_url))
        for origin, pool in list(self._pools.items()):
            pool.retired = origin not in kept
            if pool.retired and pool.calls == 0:
                self._drop(pool)
        await self._left()

    async def aclose(self) -> None:
        """Close every connection, also those of answers in flight."""
        self._closed = True
        for pool in list(self._pools.values()):
            self._drop(pool)
        await self._left()

    def _pool_for(self, request: UpstreamRequest, target: Target) -> Pool:
        try:
            origin = origin_of(target.endpoint.base_url)
            same = origin_of(request.url) == origin
        except ValueError:
            raise nowhere(target) from None
        if not same:
            raise InternalError(f"a request to {target.name} would leave the origin of its provider")
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin, target.provider, self._tls)
        return pool

    def leave(self, pool: Pool) -> None:
        """A call that used a pool has ended; an answer tells this."""
        pool.calls -= 1
        if pool.retired and pool.calls == 0:
            self._drop(pool)

    def _drop(self, pool: Pool) -> None:
        if self._pools.get(pool.origin) is pool:
            del self._pools[pool.origin]
            pool.close()
            self._leaving.add(pool)

    async def _left(self) -> None:
        """Wait until what was closed is gone."""
        leaving, self._leaving = self._leaving, set()
        await asyncio.gather(*self._closing, *(pool.empty() for pool in leaving))

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run what closes a connection beside the calls; `aclose` waits for it."""
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _StaleConnection(Exception):
    """A kept connection was closed by its server before it could carry the request."""


async def _connected(pool: Pool, target: Target, deadline: float, *, keep: bool) -> Connection:
    loop = pool.loop
    within_s = min(target.timeouts.connect_s, deadline - loop.time())
    try:
        return await pool.connect(max(within_s, TIMER_GRAIN_S), keep=keep)
    except OSError as error:
        expired = isinstance(error, TimeoutError) and error.errno is None
        if expired and loop.time() + TIMER_GRAIN_S >= deadline:
            raise total_over(target) from None
        raise no_connection(error, target) from None


async def _asked(
    loop: asyncio.AbstractEventLoop,
    connection: Connection,
    request: UpstreamRequest,
    target: Target,
    deadline: float,
) -> Answer:
    """Send a request and return its answer once the head is here."""
    try:
        head = head_of(request, last=not connection.keep)
    except ValueError as error:
        connection.abort()
        raise before_head(error, target) from None
    answer = connection.send(head, request.body)
    due = min(loop.time() + target.timeouts.first_byte_s, deadline)
    if not (answer.headed or answer.over):
        waiter = answer.waiter = loop.create_future()
        connection.wake_at(due)
        try:
            await waiter
        except BaseException:
            # The caller is cancelled: the provider learns of it now.
            connection.abort()
            raise
        finally:
            answer.waiter = None
    if answer.headed:
        return answer
    failure = answer.failure
    if failure is None:
        connection.abort()
        raise total_over(target) if due >= deadline else first_byte_late(target)
    if connection.used and means_stale(failure):
        raise _StaleConnection
    raise before_head(failure, target)
