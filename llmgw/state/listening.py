"""Hearing of changes: one connection that listens to one channel, and comes back after the store's absences.

Nothing is promised of notices but speed: those sent while the connection was away are lost. Who listens looks for
itself from time to time, and whenever the connection is new.
"""

import asyncio
import contextlib
import secrets
from typing import Any, Final, TypeAlias

from redis import exceptions
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection

from llmgw.state.topology import Client

Notice: TypeAlias = bytes
"""What a publisher sent; empty when the connection has just been made, and something may have been missed."""

RETRY_S: Final = 0.5
"""Seconds between two tries to reach a store that is away."""

_FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)


class Listener:
    """Listens to one channel; `wait` is all that happens, so there is no task to leak. For one task at a time."""

    def __init__(self, client: Client, channel: str, timeout_s: float) -> None:
        self._client = client
        self._channel = channel
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._pinged: float | None = None

    @property
    def hearing(self) -> bool:
        """Whether it is connected, as far as that is known."""
        return self._connection is not None

    async def wait(self, within_s: float) -> Notice | None:
        """Return the next notice; None when none came in time, or the store is away. Never raises of its own."""
        end = asyncio.get_running_loop().time() + within_s
        try:
            if self._connection is None:
                await self._connect()
                return b""
            return await self._next(self._connection, end)
        except _FAILURES:
            await self._drop()
            left = end - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, min(left, RETRY_S)))
            return None

    async def aclose(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _connect(self) -> None:
        async with asyncio.timeout(4 * self._timeout_s):
            connection = self._connection = await _unpooled(self._client)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("SUBSCRIBE", self._channel)
                await connection.read_response()
            except BaseException:
                await self._drop()
                raise
        self._pinged = None

    async def _next(self, connection: AbstractConnection, end: float) -> Notice | None:
        loop = asyncio.get_running_loop()
        while (left := end - loop.time()) > 0:
            answer: Any = await connection.read_response(timeout=left, disconnect_on_error=False)
            if answer is None:
                break
            self._pinged = None
            if answer[0] == b"message":
                notice: Notice = answer[2]
                return notice
        # A connection whose other end fell silent looks like one without news: ask whether it is still there.
        if self._pinged is None:
            self._pinged = loop.time()
            await connection.send_command("PING", check_health=False)
        elif loop.time() - self._pinged > self._timeout_s:
            raise TimeoutError("no answer on the connection that listens")
        return None

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                await connection.disconnect(nowait=True)


async def _unpooled(client: Client) -> AbstractConnection:
    """Make a connection that no pool gives to anybody else; on a Cluster, where all nodes hear all, to any node."""
    if isinstance(client, RedisCluster):
        await client.initialize()
        node = secrets.choice(client.get_nodes())
        connection: AbstractConnection = node.connection_class(**node.connection_kwargs)
        return connection
    made: AbstractConnection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    return made
