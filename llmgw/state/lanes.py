"""Which lane leads to a key: one for a server or for whoever is primary, one for each node of a Cluster.

Connecting stays the client library's: what it knows of logins, Sentinels, slots and encryption is not known here.
"""

import asyncio
import contextlib
from typing import NamedTuple, Protocol

from redis.asyncio import Connection, ConnectionPool, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import AskError, MovedError, ReadOnlyError, RedisError, ResponseError

from llmgw.state.lane import Lane
from llmgw.state.pool import Direct, Tcp, Tls
from llmgw.state.topology import Client, Cluster


class Redirection(NamedTuple):
    """A lane, and whether its node is still being given the key's slot."""

    lane: Lane
    asking: bool = False


class Lanes(Protocol):
    """The lanes to a store."""

    def find(self, key: str | bytes | int) -> Lane | None:
        """The lane to where a key is; None where that is to be learned first."""

    async def learn(self) -> None:
        """Find out where the keys are.

        Raises:
            RedisError, RedisClusterException: nobody says.
        """

    async def redirect(self, refusal: ResponseError, key: str | bytes | int) -> Redirection | None:
        """Where to send what a server refused; None where only the client library knows.

        Raises:
            RedisError, RedisClusterException: nobody says where the keys are.
        """

    async def aclose(self) -> None:
        """Close them."""


def open_lanes(client: Client, timeout_s: float) -> Lanes:
    """Build the lanes for a client, without connecting any."""
    if isinstance(client, Cluster):
        return _ByNode(client, timeout_s)
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return _ToPrimary(pool, timeout_s)
    return _Single(pool, timeout_s)


class _Single:
    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        self._pool = pool
        self._lane = Lane(self._dial, timeout_s)

    def find(self, key: str | bytes | int) -> Lane | None:
        del key
        return self._lane

    async def learn(self) -> None:
        """Nothing is to be found out."""

    async def redirect(self, refusal: ResponseError, key: str | bytes | int) -> Redirection | None:
        """Its next connection is to who is primary then."""
        del key
        return Redirection(self._lane) if isinstance(refusal, ReadOnlyError) else None

    async def aclose(self) -> None:
        await self._lane.aclose()

    async def _dial(self) -> Direct:
        made: Direct = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return await _connected(made)


class _ToPrimary(_Single):
    """Leaves one that is primary no more as soon as any connection has heard of its successor."""

    def __init__(self, pool: SentinelConnectionPool, timeout_s: float) -> None:
        super().__init__(pool, timeout_s)
        self._sentinels = pool
        self._primary: object = None

    def find(self, key: str | bytes | int) -> Lane | None:
        if self._sentinels.master_address != self._primary:
            self._primary = self._sentinels.master_address
            self._lane.retire()
        return super().find(key)

    async def _dial(self) -> Direct:
        connection = await super()._dial()
        if isinstance(connection, Connection):
            self._primary = (connection.host, connection.port)
        return connection


class _ByNode:
    def __init__(self, cluster: Cluster, timeout_s: float) -> None:
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._lanes: dict[str, Lane] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def find(self, key: str | bytes | int) -> Lane | None:
        node = self._cluster.place_of(key)
        return None if node is None else self._lane_to(node)

    async def learn(self) -> None:
        await self._cluster.initialize()

    async def redirect(self, refusal: ResponseError, key: str | bytes | int) -> Redirection | None:
        if not isinstance(refusal, AskError) or not refusal.host:
            return None
        if not isinstance(refusal, MovedError):
            node = self._cluster.get_node(refusal.host, refusal.port)
            return None if node is None else Redirection(self._lane_to(node), asking=True)
        await self._cluster.follow(refusal)
        lane = self.find(key)
        if lane is None:
            await self.learn()
            lane = self.find(key)
        return None if lane is None else Redirection(lane)

    async def aclose(self) -> None:
        for lane in self._lanes.values():
            await lane.aclose()
        await asyncio.gather(*self._closing)

    def _lane_to(self, node: ClusterNode) -> Lane:
        return self._lanes.get(node.name) or self._open(node)

    def _open(self, node: ClusterNode) -> Lane:
        # A node that left takes its lane along.
        for name in self._lanes.keys() - self._cluster.nodes_manager.nodes_cache.keys():
            task = asyncio.get_running_loop().create_task(self._lanes.pop(name).aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        async def dial() -> Direct:
            kind = Tls if issubclass(node.connection_class, SSLConnection) else Tcp
            return await _connected(kind(**node.connection_kwargs))

        lane = self._lanes[node.name] = Lane(dial, self._timeout_s, self._cluster.forget_places)
        return lane


async def _connected(connection: Direct) -> Direct:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        with contextlib.suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)
        raise
    return connection
