"""Money under faults for some minutes: workers and stores that die, freeze or forget, two gateways, long use."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from llmgw.context.storage import scripts as context_scripts
from llmgw.policy.spending import scripts as spending_scripts
from llmgw.simulator.thread import SimulatorThread
from redis import Redis
from tests.e2e.contexts.tollgate import Tollgate
from tests.faults.ledger import ledger_of
from tests.faults.money import PROVED, TENANTS, Caller, Kind, Scene, money_config, traffic
from tests.faults.provider import FakeProvider
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.test_g_gateway import OLD_ENOUGH_S, age_s
from tests.faults.test_g_money import MOMENTS, House, lapse
from tests.faults.test_r_store import LONGEST_WAIT_S
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

KILLS: Final = 50
FROZEN_S: Final = 15
CALLS: Final = 20_000
ENDS: Final = (spending_scripts.SETTLE.digest, context_scripts.COMMIT.digest)
"""The steps that follow a provider's answer."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that answers all."""
    with SimulatorThread() as answering:
        yield answering


@contextmanager
def staged(
    home: Path, simulator: SimulatorThread, *options: str, gateways: int = 1, **config: Any
) -> Iterator[tuple[Scene, Server]]:
    """Gateways of two workers on a store with these options, warm."""
    store = Server(home / "store", "--appendonly", "yes", *options)
    with running(store), Redis(port=store.port) as books, ExitStack() as stack:
        whole = money_config(simulator.base_url, store.url, **config)
        # All of them know each other's keys.
        whole["auth"] = {"pepper": "pepper" * 8}
        whole["contexts"] = {**whole["contexts"], "keys": {"k1": "ab" * 32}}
        started = [
            stack.enter_context(RunningGateway(home / f"gateway-{number}", whole))
            for number in range(gateways)
        ]
        scene = Scene(books, *started)
        scene.warm()
        yield scene, store


def test_fifty_deaths_between_two_steps(tmp_path: Path, simulator: SimulatorThread) -> None:
    """G2: after each of 50 deaths at a step of a call the books are right within 10 s."""
    store = Server(tmp_path / "store", "--appendonly", "yes")
    with running(store), Tollgate(store.port) as gate, Redis(port=store.port) as books:
        config = money_config(
            simulator.base_url,
            f"redis://127.0.0.1:{gate.port}",
            server={"workers": 1},
            state={"timeout_s": 5},
        )
        with RunningGateway(tmp_path / "gateway", config) as gateway:
            house = House(gateway, gate, store, books)
            for moment, tenant in zip(
                itertools.islice(itertools.cycle(MOMENTS), KILLS),
                itertools.cycle(("paid", "lent")),
                strict=False,
            ):
                caller = house.scene.callers[tenant]
                assert caller.ask("whole")
                assert caller.ask("context", context=f"talk-{house.kills}")
                assert house.scene.callers["free"].ask("stream")
                house.die_at(moment, caller)
                house.age_holds()
                house.scene.prove(within_s=10, killed=True)


def test_workers_die_under_traffic(tmp_path: Path, simulator: SimulatorThread) -> None:
    """G2, G8: workers are killed under traffic, others take their place, and all that was told is charged."""
    drawn = random.Random(6)  # noqa: S311 - which worker dies is no secret
    with staged(tmp_path, simulator) as (scene, _):
        gateway = scene.gateway
        with traffic(scene.several()) as calls:
            for _ in range(5):
                until(
                    lambda: all(age_s(pid) > OLD_ENOUGH_S for pid in gateway.worker_pids()), "grown workers"
                )
                dead = drawn.choice(gateway.worker_pids())
                os.kill(dead, signal.SIGKILL)
                until(partial(_replaced, gateway, dead), "another worker")
                calls.more(100)
        _kill_all(gateway)
        gateway.start()
        _age(scene)
        # The gateway's own look for holds whose time is over, once a minute, though none of these tenants calls.
        scene.prove(within_s=75, killed=True)


def _kill_all(gateway: RunningGateway) -> None:
    """End the supervisor and its workers as a dying machine would."""
    assert gateway.process is not None
    workers = gateway.worker_pids()
    for pid in (gateway.process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait()


def test_all_die_at_once(tmp_path: Path, simulator: SimulatorThread) -> None:
    """G2 and R2 together: ten deaths of the store and all workers at once, and no acknowledged call lost."""
    with staged(tmp_path, simulator) as (scene, store):
        for _ in range(10):
            with traffic(scene.several()) as calls:
                calls.more(100)
                store.kill()
                _kill_all(scene.gateway)
            store.start()
            scene.gateway.start()
            _end_holds(scene, store)
            scene.prove(within_s=10, killed=True)


def _end_holds(scene: Scene, store: Server) -> None:
    """Let ten minutes pass, and end the holds of calls of which no trace had reached the disk."""
    _age(scene)
    for tenant in TENANTS:
        asyncio.run(lapse(store.url, tenant))


def _replaced(gateway: RunningGateway, dead: int) -> bool:
    return len(set(gateway.worker_pids()) - {dead}) == 2


def _age(scene: Scene) -> None:
    """Let ten minutes pass for holds that nobody will end any more."""
    for tenant in TENANTS:
        key = f"llmgw:spend:{{{tenant}}}:holds"
        for operation in scene.store.zrange(key, 0, -1):
            scene.store.zadd(key, {operation: 1})


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_r02_the_store_dies_again_and_again(tmp_path: Path, simulator: SimulatorThread, fsync: str) -> None:
    """R2: five deaths of the store under traffic, and each time the books are right within 5 s."""
    with staged(tmp_path, simulator, "--appendfsync", fsync) as (scene, store):
        for away in (0, 0, 50, 200, 400):
            with traffic(scene.several()) as calls:
                calls.more(100)
                store.kill()
                calls.more(away)
                store.start()
                calls.more(100)
            assert not scene.tally.cut
            scene.prove()


def test_r04_fifteen_seconds_frozen(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R4: no call waits longer than it may, the gateway lives, modes and local limits hold, counters are exact."""
    with staged(tmp_path, simulator) as (scene, store):
        waits: list[float] = []
        limited: list[str] = []
        store.freeze()
        end = time.monotonic() + FROZEN_S
        try:
            while time.monotonic() < end:
                for tenant in ("paid", "lent", "free", "slow"):
                    began = time.monotonic()
                    said = scene.callers[tenant].ask("whole")
                    waits.append(time.monotonic() - began)
                    assert said is not None
                    if tenant == "slow":
                        limited.append(said.code)
                    else:
                        assert said.whole is (tenant != "paid"), (tenant, said)
                assert scene.gateway.request("/livez").status == 200
        finally:
            store.thaw()
        assert max(waits) <= LONGEST_WAIT_S
        assert set(limited) <= {"", "rate_limit_exceeded"}
        assert limited.count("") <= 60
        assert scene.tally.refused["paid", 503, "store_unavailable"] == len(limited)
        scene.prove()


def test_r03_two_gateways_on_an_emptied_store(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R3: one that starts anew and one that ran on both refuse; one operator's word is enough for both."""
    with staged(tmp_path, simulator, gateways=2) as (scene, store):
        one, two = scene.gateways
        one.stop()
        store.kill()
        store.empty()
        store.start()
        one.start(ready=False)
        for gateway in (one, two):
            until(partial(_told_reset, gateway), "both to tell")
            for tenant in ("paid", "lent", "slow"):
                said = scene.callers[tenant].at(gateway).ask("whole")
                assert said is not None
                assert (said.status, said.code) == (503, "store_reset")
        # Nobody knows what was set for whom: even the operator's own key has to wait.
        assert one.chat("sim/sim").status == 503
        environ = {**os.environ, "LLMGW_CONFIG": str(two.config_path)}
        command = [sys.executable, "-m", "llmgw", "store", "accept", "--yes"]
        subprocess.run(command, env=environ, check=True, capture_output=True)
        again = Scene(scene.store, one, two)
        again.serving(within_s=2)
        assert _ready(one)
        assert _ready(two)
        again.warm()
        again.prove()


def _told_reset(gateway: RunningGateway) -> bool:
    return {each["code"] for each in gateway.request("/readyz").json()["missing"]} == {"store_reset"}


def _ready(gateway: RunningGateway) -> bool:
    return gateway.request("/readyz").status == 200


ASKED: Final[tuple[tuple[str, Kind, int, int], ...]] = (
    ("free", "whole", 0, 1),
    ("paid", "whole", 1, 1),
    ("paid", "stream", 1, 1),
    ("paid", "context", 3, 2),
)
"""Tenant, kind of call, the most commands of it before its provider is asked, and the steps that end it."""


@pytest.mark.parametrize(("tenant", "kind", "before", "after"), ASKED)
def test_r05_how_often_the_store_is_asked(
    tmp_path: Path, simulator: SimulatorThread, tenant: str, kind: Kind, before: int, after: int
) -> None:
    """R5: a slow store is waited for as seldom as can be: to admit, to settle, and for a stored conversation."""
    with staged(tmp_path, simulator, server={"workers": 1}) as (scene, _):
        caller = scene.callers[tenant]
        assert caller.ask(kind, context="slow-talk")
        scene.prove()
        heard: list[str] = []
        with scene.store.monitor() as monitor:
            assert caller.ask(kind, context="slow-talk")
            scene.prove()
            scene.store.echo("that was it")
            operation = scene.tally.told[-1].operation
            for each in monitor.listen():
                if "that was it" in each["command"]:
                    break
                words = (operation, f"{{{tenant}/slow-talk}}")
                if each["client_type"] != "lua" and any(word in each["command"] for word in words):
                    heard.append(each["command"])
        ends = [at for at, each in enumerate(heard) if any(digest in each for digest in ENDS)]
        assert len(ends) == after, heard
        assert ends[0] <= before, [each[:80] for each in heard]


def test_r05_a_slow_store(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R5: with 300 ms to the store and back all calls are answered, and the books are right."""
    store = Server(tmp_path / "store", "--appendonly", "yes")
    with running(store), Redis(port=store.port) as books, FakeProvider(()) as lines:
        line = lines.opened(FaultProxy(store.port, Fault(delay_s=0.3)))
        config = money_config(simulator.base_url, f"redis://127.0.0.1:{line.port}", state={"timeout_s": 2})
        with RunningGateway(tmp_path / "gateway", config) as gateway:
            scene = Scene(books, gateway)
            with traffic(scene.several()) as calls:
                calls.more(60)
            assert not scene.tally.refused
            scene.prove()


def test_two_gateways_share_one_budget(tmp_path: Path, simulator: SimulatorThread) -> None:
    """Four workers of two gateways spend no nano-USD more than the budget, however many call at once."""
    amount = 2_000_000_000
    with staged(tmp_path, simulator, gateways=2) as (scene, _):
        first = Caller(scene.gateway, scene.tally, "mean")
        callers = [first.at(gateway) for gateway in scene.gateways for _ in range(12)]
        spent: list[int] = []

        def spend(caller: Caller) -> None:
            for _ in range(20):
                caller.ask("whole")
                spent.append(sum(ledger_of(scene.store, "mean").spent.values()))

        threads = [threading.Thread(target=spend, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(spent) <= amount
        assert scene.tally.refused["mean", 429, "budget_exceeded"] > 0
        assert len(scene.tally.told) > 20
        scene.prove()
        PROVED["I2"] += len(spent)


def test_long_use_keeps_nothing(tmp_path: Path, simulator: SimulatorThread) -> None:
    """After 20,000 calls with limits the workers have the memory and the descriptors that they had after 4,000."""
    with staged(tmp_path, simulator) as (scene, _):
        (workers,) = scene.workers
        with traffic(scene.several(each=2)) as calls:
            for _ in range(10):
                calls.more(400)
            before = {pid: (_resident(pid), _descriptors(pid)) for pid in workers}
            for _ in range((CALLS - 4000) // 400):
                calls.more(400)
        for pid, (resident, descriptors) in before.items():
            assert _resident(pid) - resident < 48 * 1024 * 1024
            assert _descriptors(pid) <= descriptors + 16
        scene.prove(within_s=20)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
