"""A Valkey Cluster on the loopback: three primaries, and a replica of each that takes its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from tests.ports import free_port
from tests.valkey_servers import Server, running
from tests.valkey_topologies import cluster_url, three_primaries
from tests.waiting import until

NODE_TIMEOUT_MS = 2000


class Cluster(Struct):
    """Its nodes, replicas in the order of their primaries."""

    primaries: list[Server]
    replicas: list[Server]

    @property
    def url(self) -> str:
        """Where all of them are."""
        return cluster_url([*self.primaries, *self.replicas])

    def owner(self, key: str) -> int:
        """Which primary has the key's slot, by its place in the list."""
        slot = self.primaries[0].ask("CLUSTER KEYSLOT", key)
        for first, last, (_, port, *_), *_ in self.primaries[0].ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return [each.port for each in self.primaries].index(port)
        raise LookupError(f"nobody has slot {slot}")

    def promoted(self, number: int) -> bool:
        """Whether the replica of a primary has become one."""
        role = self.replicas[number].ask("ROLE")
        return bool(role) and role[0] in {b"master", "master"}


@contextmanager
def replicated(directory: Path) -> Iterator[Cluster]:
    """Start them, and wait until each replica is in step."""
    with three_primaries(directory) as primaries:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
        replicas = [
            Server(directory / f"replica-{number}", *options, "--cluster-port", str(free_port()))
            for number in range(len(primaries))
        ]
        with running(*replicas):
            for primary, replica in zip(primaries, replicas, strict=True):
                bus = int(primary.ask("CONFIG", "GET", "cluster-port")[1])
                replica.ask("CLUSTER MEET", "127.0.0.1", primary.port, bus)
                name = primary.ask("CLUSTER MYID").decode()
                until(lambda by=replica, of=name: _follows(by, of), "a replica that follows")  # type: ignore[misc]
            for server in (*primaries, *replicas):
                until(lambda at=server: _whole(at, 2 * len(primaries)), "a cluster that knows all its nodes")  # type: ignore[misc]
            yield Cluster(primaries, replicas)


def _follows(replica: Server, name: str) -> bool:
    replica.ask("CLUSTER REPLICATE", name)
    info = replica.ask("INFO", "replication")
    return bool(info) and info.get("master_link_status") == "up"


def _whole(server: Server, nodes: int) -> bool:
    info = server.ask("CLUSTER INFO")
    return bool(info) and info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes
