"""R: the store dies, stands still, fills up, forgets its scripts or all it had, while calls cost money."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.thread import SimulatorThread
from redis import Redis
from tests.faults.ledger import ledger_of
from tests.faults.money import Said, Scene, money_config, traffic
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

LONGEST_WAIT_S = 1.5
"""What no call may take longer than while the store does not answer."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that answers all."""
    with SimulatorThread() as answering:
        yield answering


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store that keeps a log of its own on disk."""
    directory = tmp_path_factory.mktemp("money") / "store"
    made = Server(directory, "--appendonly", "yes", "--maxmemory-policy", "noeviction")
    with running(made):
        yield made


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, store: Server, simulator: SimulatorThread
) -> Iterator[Scene]:
    """A gateway of two workers on it, which know every caller."""
    config = money_config(simulator.base_url, store.url)
    home = tmp_path_factory.mktemp("gateway")
    with RunningGateway(home, config) as gateway, Redis(port=store.port) as books:
        made = Scene(books, gateway)
        made.warm()
        yield made


@pytest.fixture(autouse=True)
def rested(scene: Scene) -> None:
    """What an earlier fault left is over, and nothing of it was refused here."""
    until(lambda: scene.gateway.request("/readyz").status == 200, "a gateway that is ready")
    scene.tally.refused.clear()


def test_r02_killed_under_traffic(scene: Scene, store: Server) -> None:
    """R2: calls go on as far as they may, and a restarted store has every acknowledged call within 5 s."""
    with traffic(scene.several()) as calls:
        calls.more(150)
        store.kill()
        calls.more(150)
        store.start()
    refused = {code for _, _, code in scene.tally.refused}
    assert refused <= {"store_unavailable"}
    assert any(tenant == "paid" for tenant, _, _ in scene.tally.refused)
    assert not scene.tally.cut, "an answer that was under way is delivered"
    scene.prove()


def test_r04_standing_still(scene: Scene, store: Server) -> None:
    """R4: no call waits for a frozen store; each tenant's mode decides, and its books are exact afterwards."""
    store.freeze()
    try:
        for tenant in ("paid", "lent", "free"):
            for _ in range(6):
                began = time.monotonic()
                said = scene.callers[tenant].ask("whole")
                assert time.monotonic() - began <= LONGEST_WAIT_S
                assert said is not None
                expected = (503, "store_unavailable") if tenant == "paid" else (200, "")
                assert (said.status, said.code) == expected
        assert scene.gateway.request("/livez").status == 200
        assert scene.gateway.request("/readyz").status == 503
    finally:
        store.thaw()
    scene.prove()


def test_r04_local_limits(scene: Scene, store: Server) -> None:
    """R4: of 60 requests a minute, each of two workers lets its half through while the store is away."""
    store.freeze()
    try:
        said = [scene.callers["slow"].ask("whole") for _ in range(90)]
    finally:
        store.thaw()
    codes = [each.code for each in said if each is not None]
    assert set(codes) == {"", "rate_limit_exceeded"}, [each for each in said if each and each.status == 503]
    assert codes.count("") <= 60
    assert codes.count("") >= 30
    scene.prove()


def test_r06_full(scene: Scene) -> None:
    """R6: a store without room refuses new calls with budgets; those under way end, and are charged later."""
    paid, before = scene.callers["paid"], len(ledger_of(scene.store, "paid").rows)
    ends: dict[str, Said | None] = {}

    def under_way(model: str) -> None:
        ends[model] = paid.ask("stream", f"sim/sim-{model}")

    threads = [
        threading.Thread(target=under_way, args=(each,))
        for each in ("chunk-300ms-chunks-5", "ttft-1s-error-in-stream-after-0")
    ]
    for thread in threads:
        thread.start()
    until(lambda: ledger_of(scene.store, "paid").holds == 2, "both to have been admitted")
    assert scene.store.config_set("maxmemory", "1mb")
    try:
        said = [scene.callers[tenant].ask("whole") for tenant in ("paid", "free")]
        assert [each and (each.status, each.code) for each in said] == [(503, "store_unavailable"), (200, "")]
        for thread in threads:
            thread.join()
        whole = {model: each is not None and each.whole for model, each in ends.items()}
        assert whole == {"chunk-300ms-chunks-5": True, "ttft-1s-error-in-stream-after-0": False}
        # What cost nothing is given back even now; what was answered waits.
        until(lambda: ledger_of(scene.store, "paid").holds == 1, "the failed call's hold to end")
        assert len(ledger_of(scene.store, "paid").rows) == before
    finally:
        scene.store.config_set("maxmemory", "0")
    scene.prove()


def test_r10_scripts_flushed(scene: Scene) -> None:
    """R10: a store that forgets its scripts is told them again, and nobody notices."""
    with traffic(scene.several()) as calls:
        for _ in range(10):
            scene.store.script_flush()
            calls.more(20)
    assert not scene.tally.refused
    assert not scene.tally.cut
    scene.prove()


def test_r03_emptied(scene: Scene, store: Server) -> None:
    """R3: a store that lost everything is no new one: budgets are refused until an operator accepts the loss."""
    gateway = scene.gateway
    store.kill()
    store.empty()
    store.start()
    until(lambda: "store_reset" in _missing(gateway), "readiness to tell")
    for tenant in ("paid", "lent", "slow"):
        said = scene.callers[tenant].ask("whole")
        assert said is not None
        assert (said.status, said.code) == (503, "store_reset")
    free = scene.callers["free"].ask("whole")
    assert free is not None
    assert free.whole
    unheard = len(scene.tally.told)
    status = _store_command(gateway, "status")
    assert (status.returncode, "found  none" in status.stdout) == (1, True)
    assert ledger_of(scene.store, "free").rows == []
    accepted = _store_command(gateway, "accept", "--yes")
    assert accepted.returncode == 0, accepted.stderr
    until(lambda: gateway.request("/readyz").status == 200, "the gateway to take it over", within_s=2)
    assert _store_command(gateway, "status").returncode == 0
    # What was made before is gone with its callers' keys; what was called meanwhile is charged.
    scene.tally.told, scene.tally.stored = scene.tally.told[unheard - 1 :], {}
    again = Scene(scene.store, gateway)
    again.serving(within_s=2)
    again.warm()
    scene.tally.told += again.tally.told
    scene.prove()


def _missing(gateway: RunningGateway) -> list[str]:
    return [each["code"] for each in gateway.request("/readyz").json()["missing"]]


def _store_command(gateway: RunningGateway, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "llmgw", "store", *arguments],
        env={**os.environ, "LLMGW_CONFIG": str(gateway.config_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_r01_away_at_the_start(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R1: a gateway starts without its store, lives, refuses what it cannot know, and is ready once it is there."""
    away = Server(tmp_path / "away", "--appendonly", "yes")
    gateway = RunningGateway(tmp_path / "gateway", money_config(simulator.base_url, away.url))
    away.kill()
    with running(away), Redis(port=away.port) as books, gateway.starting():
        until(lambda: gateway.request("/livez").status == 200, "a gateway that lives")
        assert "store_unreachable" in _missing(gateway)
        began = time.monotonic()
        refused = gateway.chat("sim/sim")
        assert time.monotonic() - began <= LONGEST_WAIT_S
        assert (refused.status, refused.json()["error"]["code"]) == (503, "store_unavailable")
        away.start()
        until(
            lambda: all(gateway.chat("sim/sim").status == 200 for _ in range(12)), "both workers", within_s=3
        )
        assert gateway.request("/readyz").status == 200
        made = Scene(books, gateway)
        made.warm()
        made.prove()


def test_r03_no_first_key_for_an_emptied_store(tmp_path: Path, simulator: SimulatorThread) -> None:
    """R3: a gateway that finds another store than the one it knows makes no admin key there, and says why."""
    emptied = Server(tmp_path / "emptied", "--appendonly", "yes")
    config = money_config(simulator.base_url, emptied.url)
    gateway = RunningGateway(tmp_path / "gateway", config, environ={"LLMGW_ADMIN_KEY": ""})
    known = tmp_path / "gateway" / "state" / "store-id"
    known.parent.mkdir(mode=0o700)
    known.write_text("a" * 32)
    known.chmod(0o600)
    with running(emptied), gateway.starting():
        until(lambda: gateway.request("/livez").status == 200, "a gateway that lives")
        assert "llmgw store status" in gateway.log()
        assert "admin key " not in gateway.log()
        assert _missing(gateway) == ["store_reset"]
        # Which worker looks for spikes, and who keeps the call log, is agreed on in any store; of keys and books
        # there is nothing.
        assert set(emptied.ask("KEYS", "*")) <= {
            b"llmgw:{signals}:lease:spikes",
            b"llmgw:{calllog}:lease",
            b"llmgw:{calllog:calls}:meta",
            b"llmgw:{calllog:content}:meta",
            b"llmgw:{calllog:feedback}:meta",
        }
