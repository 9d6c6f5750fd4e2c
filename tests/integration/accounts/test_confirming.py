"""Results on their way into the ledger, with a store that forgets what it has answered, and a stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import Kind, Record
from llmgw.gateway.accounts import confirming
from llmgw.gateway.accounts.records import intent_bytes, read_intent, result_bytes
from llmgw.gateway.accounts.settler import Settler
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Charge, Reservation
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from redis import Redis
from tests.integration.spending.desk import TENANT, Desk
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S, until_async

BUDGET = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10**12)


class Bench(NamedTuple):
    """A settler, and what it works with."""

    settler: Settler
    journal: Journal
    desk: Desk
    clock: ManualClock

    async def settle(self, operation: str, nano: int) -> None:
        """Have a call end that cost so much."""
        reservation, charge = self.desk.claim(operation, nano, budgets=(BUDGET,)), Charge(cost_nano=nano)
        receipt = self.journal.put(Record(Kind.RESULT, operation, result_bytes(reservation, charge)))
        assert await self.settler.settle(reservation, charge, receipt)

    async def spent(self, nano: int) -> None:
        """Wait until so much is spent."""

        async def look() -> bool:
            return await self.desk.budget(BUDGET) == (nano, 0)

        await until_async(look, f"{nano} spent", unless=AssertionError)

    async def open_operations(self) -> int:
        """How many the journal has still to see settled."""
        return len([each async for each in self.journal.replay()])


def bench(url: str, directory: Path, use: Callable[[Bench], Awaitable[None]]) -> None:
    """Run something on a bench."""

    async def run() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            clock = ManualClock()
            journal = Journal(directory / "journal")
            await journal.open()
            identity = StoreIdentity(state, directory)
            await identity.require()
            settler = Settler(Spending(state, clock=clock), journal, clock, identity)
            settler.start()
            await use(Bench(settler, journal, Desk(state, clock), clock))
            await settler.aclose()
            await journal.aclose()

    asyncio.run(run())


def remembered(client: Redis) -> dict[Any, bytes]:
    """All that the store has."""
    return {key: client.dump(key) or b"" for key in client.keys("llmgw:spend:*")}


def go_back(client: Redis, state: dict[Any, bytes]) -> None:
    """Have the store know what it knew then, as one does that died before its log was written."""
    for key in client.keys("llmgw:spend:*"):
        client.delete(key)
    for key, value in state.items():
        client.restore(key, 0, value)


def test_what_the_store_forgets_is_settled_again(store_url: str, tmp_path: Path) -> None:
    """A result is closed in the journal when the store is seen to have it, and only then."""

    async def use(on: Bench) -> None:
        with Redis.from_url(store_url) as client:
            await on.settle("first", 5)
            before = remembered(client)
            await on.settle("second", 7)
            await on.spent(12)
            go_back(client, before)
            await on.spent(5)
        on.clock.advance(confirming.FORCED_NS / 1e9)
        await on.spent(12)
        on.clock.advance(confirming.FORCED_NS / 1e9)
        await until_async(lambda: _none(on), "a journal with nothing open", unless=AssertionError)

    bench(store_url, tmp_path, use)


async def _none(on: Bench) -> bool:
    return await on.open_operations() == 0


def test_what_is_given_back_is_seen_to_be(store_url: str, tmp_path: Path) -> None:
    """A release that the store forgets is made again, so that nothing stays on hold for it."""

    async def use(on: Bench) -> None:
        with Redis.from_url(store_url) as client:
            reservation: Reservation = on.desk.claim("held", 9, budgets=(BUDGET,))
            await on.settler.open_books(TENANT)
            await on.desk.spending.admit(reservation)
            on.journal.put(Record(Kind.INTENT, "held", b"{}"))
            before = remembered(client)
            await on.settler.release(reservation)
            assert await on.desk.budget(BUDGET) == (0, 0)
            go_back(client, before)
            assert await on.desk.budget(BUDGET) == (0, 9)
        on.clock.advance(confirming.FORCED_NS / 1e9)
        await on.spent(0)

    bench(store_url, tmp_path, use)


def test_a_stop_ends_what_is_in_hand(store_url: str, tmp_path: Path) -> None:
    """Calls that are being settled when the worker stops are settled by the time it has stopped."""

    async def use(on: Bench) -> None:
        behind = []
        for number in range(200):
            reservation, charge = on.desk.claim(f"call-{number}"), Charge(cost_nano=1)
            payload = result_bytes(reservation, charge)
            receipt = on.journal.put(Record(Kind.RESULT, reservation.operation, payload))
            behind.append(on.settler.settle_behind(reservation, charge, receipt))
        waiting = asyncio.gather(*behind)
        await until_async(lambda: _begun(on), "the first to be settled", unless=AssertionError)
        await on.settler.aclose()
        await waiting
        assert len(await on.desk.rows()) == 200

    bench(store_url, tmp_path, use)
    assert list((tmp_path / "journal").iterdir()) == []


async def _begun(on: Bench) -> bool:
    return bool(await on.desk.rows())


def test_what_is_given_back_late_is_never_charged(store_url: str, tmp_path: Path) -> None:
    """A worker that ends before the store takes a release leaves word of it: whoever takes over gives it back."""

    async def use(on: Bench) -> None:
        await on.settler.aclose()
        reservation = on.desk.claim("cost-nothing", 9, budgets=(BUDGET,))
        on.journal.put(Record(Kind.INTENT, reservation.operation, intent_bytes(reservation, "sent")))
        on.settler.release_later(reservation)
        await on.journal.append(Record(Kind.RESULT, "another", b"{}"))
        on.journal.leave()
        heir = Journal(tmp_path / "journal")
        await heir.open()
        await heir.recover()
        found = {each.operation: each async for each in heir.replay()}
        intent = read_intent(found[reservation.operation].payload)
        assert intent is not None
        assert intent.stage == "asked"
        assert intent.reservation == reservation
        await heir.aclose()

    bench(store_url, tmp_path, use)
