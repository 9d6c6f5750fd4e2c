"""From a store URL to a client that sends every command at most once."""

from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import MovedError

from llmgw import __version__
from llmgw.state.pool import Pool, SentinelPool, SentinelTcp, SentinelTls, Tcp, Tls, Unix
from llmgw.state.url import StoreUrl


class Cluster(RedisCluster):
    """Says what it knows of where the slots are, and can be told that it is wrong."""

    def place_of(self, key: str | bytes | int) -> ClusterNode | None:
        """The primary that has a key; None where that is to be asked first, as every command does."""
        if self._initialize:
            return None
        nodes: list[ClusterNode] | None = self.nodes_manager.slots_cache.get(self.keyslot(key))
        return nodes[0] if nodes else None

    def forget_places(self) -> None:
        """Have the next command ask where the slots are."""
        self._initialize = True

    async def follow(self, moved: MovedError) -> None:
        """Learn where a slot is now; after a few, all are asked for again."""
        await self.nodes_manager.move_slot(moved)
        self.reinitialize_counter += 1
        if self.reinitialize_counter % self.reinitialize_steps == 0:
            self.forget_places()

    async def aclose(self) -> None:
        """Close all connections, those to places that were forgotten, too."""
        self._initialize = False
        await super().aclose()


Client: TypeAlias = Redis | Cluster


_DRIVER = DriverInfo(name="llmgw", lib_version=__version__)

SENTINEL_TIMEOUT_S = 0.2
"""Three Sentinels are asked in turn, so that two frozen ones still leave time for the third."""


def open_client(url: StoreUrl, *, timeout_s: float, max_connections: int) -> tuple[Client, Sentinel | None]:
    """Build the client for a URL without connecting it; a Sentinel comes along to be closed with it.

    RESP 2 throughout: nothing the gateway asks needs 3, and without it the server sends nothing unasked.
    """
    options = _options(url, timeout_s)
    match url.topology:
        case "single":
            return Redis.from_pool(_single_pool(url, options, timeout_s, max_connections)), None
        case "sentinel":
            return _sentinel_client(url, options, timeout_s, max_connections)
        case "cluster":
            nodes = [ClusterNode(host, port) for host, port in url.nodes]
            options = {**options, **url.tls_files}
            return (
                Cluster(startup_nodes=nodes, max_connections=max_connections, ssl=url.tls, **options),
                None,
            )


def _options(url: StoreUrl, timeout_s: float) -> dict[str, Any]:
    return {
        "username": url.username,
        "password": url.password.reveal() if url.password else None,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        # The client library repeats ten times by itself, writes too: a frozen server then applies them twice.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # Told once here: left to itself, the client library looks up its own version for every connection (1.7 ms).
        "driver_info": _DRIVER,
        "decode_responses": False,
    }


def _single_pool(url: StoreUrl, options: dict[str, Any], timeout_s: float, max_connections: int) -> Pool:
    where: dict[str, Any]
    if url.path is not None:
        where = {"connection_class": Unix, "path": url.path}
    else:
        ((host, port),) = url.nodes
        tls = url.tls_files if url.tls else {}
        where = {"connection_class": Tls if url.tls else Tcp, "host": host, "port": port, **tls}
    return Pool(max_connections=max_connections, timeout=timeout_s, db=url.db, **where, **options)


def _sentinel_client(
    url: StoreUrl, options: dict[str, Any], timeout_s: float, max_connections: int
) -> tuple[Redis, Sentinel]:
    asked = {
        **options,
        "username": url.sentinel_username,
        "password": url.sentinel_password.reveal() if url.sentinel_password else None,
        "socket_timeout": min(timeout_s, SENTINEL_TIMEOUT_S),
        "socket_connect_timeout": min(timeout_s, SENTINEL_TIMEOUT_S),
        "ssl": url.tls,
        **url.tls_files,
    }
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(url.nodes), sentinel_kwargs=asked
    )
    pool = SentinelPool(  # type: ignore[no-untyped-call]
        url.service,
        sentinel,
        connection_class=SentinelTls if url.tls else SentinelTcp,
        db=url.db,
        max_connections=max_connections,
        timeout=timeout_s,
        **options,
        **url.tls_files,
    )
    return Redis.from_pool(pool), sentinel
