"""G7: the journal's disk is full, cannot be opened, or holds damaged files, while the whole gateway is at work."""

import os
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from llmgw.simulator.thread import SimulatorThread
from redis import Redis
from tests.faults.ledger import ledger_of
from tests.faults.money import Scene, money_config
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The gateway's own directory."""
    return tmp_path / "gateway"


@pytest.fixture
def scene(tmp_path: Path, home: Path) -> Iterator[Scene]:
    """A gateway of two workers, its store, and a provider that answers all."""
    store = Server(tmp_path / "store", "--appendonly", "yes")
    with running(store), SimulatorThread() as simulator, Redis(port=store.port) as books:
        config = money_config(simulator.base_url, store.url)
        with RunningGateway(home, config) as gateway:
            made = Scene(books, gateway)
            made.warm()
            yield made


def journal(scene: Scene) -> Path:
    """The directory of the journals."""
    return scene.gateway.home / "state" / "journal"


def reasons(scene: Scene) -> set[str]:
    """Why the answering worker's journal refuses records, by its readiness."""
    missing = scene.gateway.request("/readyz").json()["missing"]
    return {each["reason"] for each in missing if each["code"] == "journal_unavailable"}


@contextmanager
def no_room(pids: list[int]) -> Iterator[None]:
    """Have a disk that takes not one byte more, as far as these processes can tell."""
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
    for pid, (_, hard) in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        for pid, bounds in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, bounds)


def assert_refusing(scene: Scene, reason: str) -> None:
    """Both workers refuse budgets, tell why, and go on with the rest, which is in the ledger by then."""
    for _ in range(8):
        paid, free = (scene.callers[tenant].ask("stream") for tenant in ("paid", "free"))
        assert paid is not None
        assert (paid.status, paid.code) == (503, "journal_unavailable")
        assert free is not None
        assert free.whole
        assert reasons(scene) == {reason}
        operations = {row.operation for row in ledger_of(scene.store, "free").rows}
        assert scene.tally.told[-1].operation in operations
    assert scene.gateway.request("/livez").status == 200


def test_g07_disk_full(scene: Scene) -> None:
    """G7: without room for the journal budgets are refused; the rest is settled at once; room ends it by itself."""
    with no_room(scene.workers[0]):
        # Each worker notices with its next record.
        until(lambda: _refused(scene) >= 12, "refusals by both workers")
        assert_refusing(scene, "disk_full")
    until(lambda: scene.gateway.request("/readyz").status == 200, "room again")
    until(lambda: all(_whole(scene) for _ in range(12)), "calls with budgets")
    scene.prove()
    # Ends that were lost with the disk's room are written again.
    scene.gateway.stop()
    assert list(journal(scene).iterdir()) == []


def _whole(scene: Scene) -> bool:
    said = scene.callers["paid"].ask("whole")
    return said is not None and said.whole


def _refused(scene: Scene) -> int:
    """How many calls in a row were refused."""
    for number in range(12):
        said = scene.callers["paid"].ask("whole")
        if said is None or said.code != "journal_unavailable":
            return number
    return 12


def test_g07_cannot_be_opened(scene: Scene) -> None:
    """G7: a gateway starts without a journal, refuses budgets, and takes them once it can open one."""
    gateway = scene.gateway
    gateway.stop()
    journal(scene).rmdir()
    journal(scene).write_text("a file stands in the way")
    gateway.start(ready=False)
    until(lambda: gateway.request("/livez").status == 200, "a gateway that lives")
    assert_refusing(scene, "io_error")
    journal(scene).unlink()
    until(lambda: gateway.request("/readyz").status == 200, "the journal")
    until(lambda: all(_whole(scene) for _ in range(12)), "calls with budgets")
    scene.prove(killed=True)


def test_g07_damaged(scene: Scene) -> None:
    """G7: a damaged file of a dead worker is put aside and told once, and all that is whole in it is settled."""
    gateway = scene.gateway
    assert gateway.process is not None
    with_records = [
        path for path in journal(scene).iterdir() if path.suffix == ".segment" and _has_records(path)
    ]
    gateway.process.send_signal(signal.SIGSTOP)
    for pid in scene.workers[0]:
        os.kill(pid, signal.SIGKILL)
    gateway.stop(signal.SIGKILL)
    (damaged, *_) = with_records
    data = bytearray(damaged.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(8)
    damaged.write_bytes(data)
    gateway.start()
    aside = journal(scene) / f"{damaged.name}.damaged"
    until(aside.exists, "the file to be put aside")
    assert not damaged.exists()
    told = re.findall(rf"journal {damaged.name}: damaged", gateway.log())
    assert len(told) == 1
    scene.prove(killed=True)
    gateway.stop()
    assert [path.name for path in journal(scene).iterdir()] == [aside.name]


def _has_records(path: Path) -> bool:
    return b'"charge"' in path.read_bytes()
