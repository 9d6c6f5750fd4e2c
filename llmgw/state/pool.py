"""Connections to one server and their pool, with less between a command and its socket than the client library has.

A command is packed by hiredis, sent without a task of its own, and takes a free connection without a lock. What an
answer means, and what becomes of a connection that failed, is the library's business as before.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from hiredis import pack_command
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)


class Direct(AbstractConnection):
    """Writes to the socket at once. Who asks has a clock running for the whole call, which bounds this, too."""

    _handed: asyncio.StreamWriter | None = None

    def pack_command(self, *args: Any) -> list[bytes]:
        """Write a command as the server reads it; a name of several words is as many arguments."""
        name, *rest = args
        words = name.split() if isinstance(name, bytes) else name.encode().split()
        try:
            return [pack_command((*words, *rest))]
        except TypeError as error:
            raise exceptions.DataError(str(error)) from None

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002  # the library's own signature
    ) -> None:
        """Send a packed command.

        Raises:
            ConnectionError: the server is gone; the connection is closed.
        """
        writer = self._writer
        if writer is None or not self.is_connected or not isinstance(command, list):
            await super().send_packed_command(command, check_health)
            return
        try:
            writer.writelines(command)
            await writer.drain()
        except OSError as error:
            await self.disconnect(nowait=True)
            raise exceptions.ConnectionError(f"{error} while writing to the store") from error
        except BaseException:
            # Nobody knows how much of it went out.
            await self.disconnect(nowait=True)
            raise

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Have another hear what comes on this connection, and forget it.

        Raises:
            ConnectionError: the server is gone already.
        """
        reader, self._reader = self._reader, None
        self._handed, self._writer = self._writer, None
        if self._handed is None or reader is None:
            raise exceptions.ConnectionError("the connection to the store is closed")
        # A writer that nobody has closes its transport, so it is kept.
        transport = cast("asyncio.Transport", self._handed.transport)
        if transport.is_closing() or reader.at_eof():
            transport.abort()
            raise exceptions.ConnectionError("the store hung up")
        transport.set_protocol(protocol)
        return transport


class Tcp(Direct, Connection):
    """A plain connection."""


class Tls(Direct, SSLConnection):
    """An encrypted connection."""


class Unix(Direct, UnixDomainSocketConnection):
    """A connection to a server of this machine."""


class SentinelTcp(Direct, SentinelManagedConnection):
    """A plain connection to whoever is primary."""


class SentinelTls(Direct, SentinelManagedSSLConnection):
    """An encrypted connection to whoever is primary."""


class Pool(BlockingConnectionPool):
    """A bounded pool: who finds it empty waits, and who comes later does not overtake."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting = 0

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """Take a connection that is ready to send.

        Raises:
            ConnectionError: there is none, or the server is away.
        """
        if self._waiting or not self._available_connections:
            self._waiting += 1
            try:
                waited_for: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
                return waited_for
            finally:
                self._waiting -= 1
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Give a connection back."""
        if self._waiting or connection.should_reconnect():  # type: ignore[no-untyped-call]
            await super().release(connection)
            return
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)


class SentinelPool(SentinelConnectionPool, Pool):
    """Follows the primary."""
