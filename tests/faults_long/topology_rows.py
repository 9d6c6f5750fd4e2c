"""Money on stores of several servers: a Cluster, and a primary that fails over under traffic."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from llmgw.simulator.thread import SimulatorThread
from redis import Redis
from redis.cluster import RedisCluster
from tests.e2e.prompt_admin.office import Office, echo, fresh
from tests.faults.money import Scene, money_config, traffic
from tests.running import RunningGateway
from tests.valkey_servers import running
from tests.valkey_topologies import Trio, cluster_url, three_primaries
from tests.waiting import until


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that answers all."""
    with SimulatorThread() as answering:
        yield answering


def test_r09_a_cluster(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R9: limits, budgets, contexts and prompts on a Cluster, with no word of its slots to callers or the log."""
    with three_primaries(tmp_path / "cluster") as nodes:
        books = RedisCluster(host="127.0.0.1", port=nodes[0].port)
        config = money_config(simulator.base_url, cluster_url(nodes))
        config["prompts"] = {"min_cases": 3}
        config["aliases"] = {"demo": {"targets": ["sim/sim"]}}
        with RunningGateway(tmp_path / "gateway", config) as gateway:
            scene = Scene(books, gateway)
            scene.warm()
            office = Office.of(gateway, "admin", "paid")
            name = fresh()
            office.live(name, echo())
            with traffic(scene.several()) as calls:
                calls.more(300)
                until(lambda: _prompted(scene, name), "calls with a prompt")
            assert not scene.tally.refused
            scene.prove()
            log = gateway.log()
        books.close()
        for word in ("CROSSSLOT", "MOVED", "ASK "):
            assert word not in log


@contextmanager
def replicated(home: Path, simulator: SimulatorThread) -> Iterator[tuple[Trio, Redis, Scene]]:
    """A primary, its replica and who decides between them; books are read from the replica, which takes over."""
    trio = Trio(home)
    with running(trio.sentinel, trio.replica, trio.primary):
        config = money_config(simulator.base_url, trio.url)
        with RunningGateway(home / "gateway", config) as gateway, Redis(port=trio.replica.port) as books:
            scene = Scene(books, gateway)
            scene.warm()
            yield trio, books, scene
            # A promoted replica may lack turns that were acknowledged, which is told to whoever goes on.
            scene.tally.stored.clear()
            scene.prove(within_s=10)
            assert "READONLY" not in gateway.log()


def test_r07_failover_under_traffic(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R7, R8: the primary dies under traffic; within 15 s calls are charged again, and none told before is lost."""
    with replicated(tmp_path, simulator) as (trio, books, scene), traffic(scene.several()) as calls:
        calls.more(150)
        trio.primary.kill()
        died = time.monotonic()
        until(lambda: books.info("replication")["role"] == "master", "another primary")
        until(lambda: _whole(scene), "calls with budgets")
        assert time.monotonic() - died <= 15
        calls.more(100)


def test_r08_roles_change_hands(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R8: the old primary lives on as a replica that refuses writes; calls find the new one within 2 s."""
    with replicated(tmp_path, simulator) as (trio, _, scene), traffic(scene.several()) as calls:
        calls.more(100)
        trio.swap()
        until(lambda: _whole(scene), "calls with budgets", within_s=2)
        calls.more(100)


def _prompted(scene: Scene, name: str) -> bool:
    """Whether both workers serve a prompt to a key with a budget."""
    path, body = f"/v1/prompts/{name}/completions", {"variables": {"text": "hello"}}
    answers = [scene.gateway.request(path, body, key=scene.callers["paid"].key) for _ in range(8)]
    return all(each.status == 200 and b"hello" in each.body for each in answers)


def _whole(scene: Scene) -> bool:
    said = scene.callers["paid"].ask("whole")
    return said is not None and said.whole
