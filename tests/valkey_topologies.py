"""Sentinel and Cluster on loopback, with real servers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port
from tests.valkey_servers import Server, running
from tests.waiting import until

SLOTS = 16384


class Trio:
    """A primary, its replica, and one Sentinel that watches them as `gateway`."""

    def __init__(self, directory: Path) -> None:
        self.primary = Server(directory / "primary", "--repl-diskless-sync-delay", "0")
        self.replica = Server(directory / "replica", "--replicaof", f"127.0.0.1 {self.primary.port}")
        self.sentinel = Server(
            directory / "sentinel",
            "--sentinel",
            config=f"sentinel monitor gateway 127.0.0.1 {self.primary.port} 1\n"
            "sentinel down-after-milliseconds gateway 300\nsentinel failover-timeout gateway 2000\n",
        )
        until(
            lambda: self.sentinel.ask("INFO", "sentinel")["master0"]["slaves"] == 1,
            "a Sentinel that knows both",
        )
        until(lambda: self.replica.ask("INFO")["master_link_status"] == "up", "the replica to be in step")

    def swap(self) -> None:
        """Exchange the roles, leaving clients connected to the old primary, as a failover by hand does."""
        self.sentinel.ask("SENTINEL REMOVE", "gateway")
        self.replica.ask("REPLICAOF", "NO", "ONE")
        self.primary.ask("REPLICAOF", "127.0.0.1", self.replica.port)
        self.sentinel.ask("SENTINEL MONITOR", "gateway", "127.0.0.1", self.replica.port, 1)

    @property
    def url(self) -> str:
        """Two Sentinels, of which the first is away."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/gateway/0"


@contextlib.contextmanager
def three_primaries(directory: Path) -> Iterator[list[Server]]:
    """Start a Cluster of three primaries that share the slots."""
    nodes = [
        Server(
            directory / str(number),
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            str(free_port()),
            "--cluster-node-timeout",
            "2000",
        )
        for number in range(3)
    ]
    with running(*nodes):
        for number, node in enumerate(nodes):
            node.ask("CLUSTER ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            bus = int(node.ask("CONFIG", "GET", "cluster-port")[1])
            nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port, bus)
        for node in nodes:
            until(lambda node=node: _whole(node), "the cluster to cover all slots")  # type: ignore[misc]
        yield nodes


def _whole(node: Server) -> bool:
    info = node.ask("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")


def cluster_url(nodes: list[Server]) -> str:
    """All nodes, behind one nobody listens on."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in [free_port(), *(node.port for node in nodes)])
    return f"redis+cluster://{hosts}"
