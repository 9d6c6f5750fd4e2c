"""G1, G2 for money, with the whole gateway: workers killed between two steps of a call, and a stop under way."""

import asyncio
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import aclosing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from llmgw.context.storage import scripts as context_scripts
from llmgw.policy.spending import scripts
from llmgw.policy.spending.spending import Spending
from llmgw.simulator.thread import SimulatorThread
from llmgw.state.connection import State
from llmgw.state.scripts import Script
from redis import Redis
from tests.e2e.contexts.tollgate import Side, Tollgate
from tests.faults.ledger import ledger_of
from tests.faults.money import TENANTS, Caller, Kind, Scene, money_config
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

STREAMS: Final = 50

Moment = tuple[Script, Side, Literal["at once", "once journaled"], Kind]
MOMENTS: Final[tuple[Moment, ...]] = (
    (scripts.ADMIT, "before", "at once", "whole"),
    (scripts.ADMIT, "after", "at once", "stream"),
    (scripts.SETTLE, "before", "at once", "stream"),
    (scripts.SETTLE, "before", "once journaled", "whole"),
    (scripts.SETTLE, "after", "at once", "whole"),
    (context_scripts.COMMIT, "after", "once journaled", "context"),
)
"""A step at the store, whether it is done, and whether the journal has the cost on disk before the death."""


class House:
    """A gateway of one worker with a tollgate before its store, which is killed and started again."""

    def __init__(self, gateway: RunningGateway, gate: Tollgate, store: Server, books: Any) -> None:
        self.gateway = gateway
        self.gate = gate
        self.store = store
        self.books = books
        self.scene = Scene(books, gateway)
        self.kills = 0

    def die_at(self, moment: Moment, caller: Caller) -> None:
        """Make a call in which the worker dies at a moment, and start all anew."""
        script, side, how, kind = moment
        dead = threading.Event()
        tag = f"killed-{self.kills}"

        def kill() -> None:
            if how == "once journaled":
                until(lambda: self.journaled(tag, '"charge"'), "a result on the medium")
            self.kill()
            dead.set()

        # Other calls may be settled at any time, again and again.
        word = b"" if kind == "context" else tag.encode()
        self.gate.look_for(script, side, kill, word)
        said = caller.ask(kind, tag=tag)
        assert dead.wait(20)
        assert said is None, said
        self.kills += 1
        self.gateway.stop(signal.SIGKILL)
        self.gateway.start()

    def kill(self) -> None:
        """End the worker as the kernel would, and keep its supervisor from putting another in its place."""
        assert self.gateway.process is not None
        self.gateway.process.send_signal(signal.SIGSTOP)
        for pid in self.gateway.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def journaled(self, tag: str, word: str) -> bool:
        """Whether the journal has, on the medium, a record of the call with this tag that has this word."""
        files = (self.gateway.home / "state" / "journal").glob("*.segment")
        one_record = rf'{tag}"(?:(?!"reservation").)*?{word}'.encode()
        return any(re.search(one_record, path.read_bytes(), re.DOTALL) for path in files)

    def age_holds(self) -> None:
        """Let ten minutes pass for the holds of calls whose intent had not reached the disk, and end them."""
        for tenant in TENANTS:
            for operation in self.books.zrange(f"llmgw:spend:{{{tenant}}}:holds", 0, -1):
                self.books.zadd(f"llmgw:spend:{{{tenant}}}:holds", {operation: 1})
            asyncio.run(lapse(self.store.url, tenant))


async def lapse(url: str, tenant: str) -> None:
    """End the holds of a tenant whose time is over."""
    async with aclosing(State(url)) as state:
        await Spending(state).lapse_due(tenant)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that answers all."""
    with SimulatorThread() as answering:
        yield answering


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorThread) -> Iterator[House]:
    """All of it."""
    home = tmp_path_factory.mktemp("killed")
    store = Server(home / "store", "--appendonly", "yes")
    with running(store), Tollgate(store.port) as gate, Redis(port=store.port) as books:
        config = money_config(
            simulator.base_url,
            f"redis://127.0.0.1:{gate.port}",
            server={"workers": 1},
            state={"timeout_s": 5},
        )
        with RunningGateway(home / "gateway", config) as gateway:
            yield House(gateway, gate, store, books)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda each: f"{each[0].name}-{each[1]}-{each[2]}-{each[3]}")
def test_g02_killed_at(house: House, moment: Moment) -> None:
    """G2: a call whose worker died is charged at most once, and one that was acknowledged exactly once."""
    scene = house.scene
    caller = scene.callers["paid"]
    assert caller.ask("whole")
    assert caller.ask("stream")
    house.die_at(moment, caller)
    until(lambda: len(ledger_of(house.books, "paid").rows) >= len(scene.tally.told), "what was told")
    if moment[2] == "once journaled":
        # What the dead worker's journal had is charged by its successor.
        until(lambda: ledger_of(house.books, "paid").holds == 0, "the journal to be replayed", within_s=10)
    house.age_holds()
    scene.prove(within_s=10, killed=True)
    assert len(ledger_of(house.books, "paid").rows) <= len(scene.tally.told) + house.kills
    assert caller.ask("whole")


@pytest.mark.parametrize(("tenant", "charged"), [("paid", True), ("lent", False)])
def test_g02_killed_while_the_provider_answers(house: House, tenant: str, *, charged: bool) -> None:
    """G2: nobody knows what such a call cost: its lapse policy says what is charged, as soon as it is found."""
    caller = house.scene.callers[tenant]
    assert caller.ask("whole")
    before = ledger_of(house.books, tenant)
    tag = f"asking-{tenant}"
    asking = threading.Thread(target=caller.ask, args=("stream", "sim/sim-stall-after-1", "", tag))
    asking.start()
    until(lambda: house.journaled(tag, '"stage":"sent"'), "the call to be on the medium as sent")
    house.kill()
    asking.join()
    house.gateway.stop(signal.SIGKILL)
    house.gateway.start()
    house.scene.prove(within_s=10, killed=True)
    after = ledger_of(house.books, tenant)
    assert len(after.rows) - len(before.rows) == charged
    # 50 tokens of answer were the most that it could be.
    assert not charged or after.rows[-1].cost >= 50 * 2_000_000


def test_g01_a_stop_with_streams(tmp_path: Path, simulator: SimulatorThread) -> None:
    """G1: a gateway told to stop while 50 streams run ends them, charges them all, and leaves no journal."""
    store = Server(tmp_path / "store", "--appendonly", "yes")
    with running(store), Redis(port=store.port) as books:
        with RunningGateway(tmp_path / "gateway", money_config(simulator.base_url, store.url)) as gateway:
            scene = Scene(books, gateway)
            scene.warm()
            warm = len(scene.tally.told)
            callers = scene.several("paid", "free", each=STREAMS // 2)
            threads = [threading.Thread(target=_slowly, args=(caller,)) for caller in callers]
            for thread in threads:
                thread.start()
            until(lambda: ledger_of(books, "paid").holds == STREAMS // 2, "all to have been admitted")
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: gateway.log().count("configuration 2 is at work") == 2, "both workers to reload")
            gateway.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            assert gateway.process.wait(timeout=40) == 0
        found = scene.tally.violations(books)
        assert {name: broken for name, broken in found.items() if broken} == {}
        assert len(scene.tally.told) == warm + STREAMS
        assert list((gateway.home / "state" / "journal").iterdir()) == []


def _slowly(caller: Caller) -> None:
    with suppress(OSError, HTTPException):
        caller.ask("stream", model="sim/sim-chunk-300ms-chunks-8")
