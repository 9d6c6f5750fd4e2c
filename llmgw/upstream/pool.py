"""Connections kept per origin."""

import asyncio
import socket
import ssl
from typing import Final

from aiohappyeyeballs import AddrInfoType, start_connection

from llmgw.upstream.address import Origin
from llmgw.upstream.connection import Connection

KEEPALIVE_S: Final = 30.0
"""How long an unused connection is kept: less than the 60 s after which common load balancers drop theirs."""
NAMES_S: Final = 10.0
"""How long the addresses of a name are taken to be the same."""
_NEXT_ADDRESS_S: Final = 0.25
"""After this an address that does not answer gets company by the next (RFC 8305)."""


class Pool:
    """The connections of one origin, and the number of calls that use them.

    How many there are is bounded by each target's concurrency, not here. `provider` is whose they are, for those
    who count them: the first one that came to this origin.
    """

    def __init__(self, origin: Origin, provider: str, tls: ssl.SSLContext) -> None:
        self.origin = origin
        self.provider = provider
        self.calls = 0
        self.retired = False
        self.open: set[Connection] = set()
        """All connections, idle or not."""
        self._idle: list[Connection] = []
        self._tls = tls if origin.secure else None
        self.loop = asyncio.get_running_loop()
        """The one that they are used in: to ask which one runs is a system call each time."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._addresses: list[AddrInfoType] = []
        self._addresses_until = 0.0
        self._emptied: asyncio.Future[None] | None = None

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """Take the kept connection that was used last, if there is one that still can be."""
        oldest = self.loop.time() - KEEPALIVE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def connect(self, within_s: float, *, keep: bool) -> Connection:
        """Make a connection.

        Raises:
            TimeoutError: it takes longer than `within_s`.
            OSError: it cannot be made.
        """
        origin = self.origin
        async with asyncio.timeout(within_s):
            peer = await start_connection(
                await self._resolved(), happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1
            )
            try:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self._free, self._lost, keep=keep),
                    sock=peer,
                    ssl=self._tls,
                    server_hostname=origin.host if origin.secure else None,
                )
            except BaseException:
                peer.close()
                raise
        self.open.add(connection)
        return connection

    def close(self) -> None:
        """Drop every connection, also those of answers in flight."""
        self.retired = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        for connection in list(self.open):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def empty(self) -> None:
        """Return once the last connection is gone; for a pool that was closed."""
        if self.open:
            self._emptied = self.loop.create_future()
            await self._emptied

    async def _resolved(self) -> list[AddrInfoType]:
        origin = self.origin
        if self._addresses and self.loop.time() < self._addresses_until:
            return list(self._addresses)
        flags = socket.AI_NUMERICHOST if origin.is_address else socket.AI_ADDRCONFIG
        found = await self.loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, flags=flags)
        self._addresses, self._addresses_until = list(found), self.loop.time() + NAMES_S
        return list(found)

    def _free(self, connection: Connection) -> None:
        if self.retired:
            connection.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(KEEPALIVE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what was unused for too long; those used last stand last."""
        self._sweeping = None
        oldest = self.loop.time() - KEEPALIVE_S
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].usable):
            self._idle.pop(0).close()
        if self._idle:
            after = self._idle[0].idle_since - oldest
            self._sweeping = self.loop.call_later(after, self._sweep)

    def _lost(self, connection: Connection) -> None:
        self.open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self.open and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
