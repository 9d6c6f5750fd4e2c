"""Many at once, on servers that stand still or are several: no budget is overrun, and nothing is charged twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from llmgw.policy.spending.values import Budget, Limit
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import BudgetExceeded, ConcurrencyExceeded, LimitExceeded, RateLimited
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.valkey_servers import Server
from tests.valkey_topologies import Trio, cluster_url
from tests.waiting import ROOMY_S, until_async

ONE = 2**50
ROOM = 100
BUDGETS = (
    Budget(scope="tenant", name=TENANT, window="month", amount_nano=2 * ROOM * ONE),
    Budget(scope="key", name="k1", window="month", amount_nano=ROOM * ONE),
)
WIDE = Limit(scope="key", name="k1", requests_per_minute=10**6, tokens_per_minute=10**9, concurrent=10**6)


def test_a_thousand_at_once_take_what_there_is_for_a_hundred(store_url: str) -> None:
    """Exactly 100 of 1,000 are admitted by four gateways; at no instant is more spent and held than the limit."""

    async def scene(desk: Desk) -> None:
        desks = [Desk(State(store_url, timeout_s=ROOMY_S, max_connections=16), desk.clock) for _ in range(4)]
        claims = [desk.claim(f"op{n}", ONE, budgets=BUDGETS, limits=(WIDE,), tokens=10) for n in range(1000)]
        over = asyncio.Event()

        async def watch() -> int:
            looks = 0
            while not over.is_set():
                spent, held = await desk.budget(BUDGETS[1])
                assert spent + held <= BUDGETS[1].amount_nano
                looks += 1
            return looks

        async def call(number: int) -> bool:
            gate = desks[number % 4].spending
            try:
                admitted = await gate.admit(claims[number])
            except BudgetExceeded:
                return False
            # Only an admission adds to what is taken: it told what it left, in the step in which it took.
            assert all(left.nano >= 0 for left in admitted.lefts)
            return True

        watching = asyncio.ensure_future(watch())
        went = await asyncio.gather(*(call(number) for number in range(1000)))
        assert sum(went) == ROOM
        assert await desk.budget(BUDGETS[1]) == (0, ROOM * ONE)
        gone = [claim for claim, admitted in zip(claims, went, strict=True) if admitted]
        outcomes = await asyncio.gather(
            *(desks[n % 4].spending.settle(claim, cost(ONE - 1)) for n in range(3) for claim in gone)
        )
        over.set()
        assert await watching > 0
        assert Counter(each.outcome for each in outcomes) == {"charged": ROOM, "duplicate": 2 * ROOM}
        assert await desk.budget(BUDGETS[1]) == (ROOM * (ONE - 1), 0)
        assert await desk.budget(BUDGETS[0]) == (ROOM * (ONE - 1), 0)
        assert (await desk.books()).drifting == ()
        for each in desks:
            await each.state.aclose()

    at_desk(store_url, scene)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        (Limit(scope="key", name="k1", requests_per_minute=ROOM), RateLimited),
        (Limit(scope="key", name="k1", tokens_per_minute=ROOM * 7 + 6), RateLimited),
        (Limit(scope="key", name="k1", concurrent=ROOM), ConcurrencyExceeded),
    ],
)
def test_limits_hold_under_a_rush(store_url: str, limit: Limit, error: type[LimitExceeded]) -> None:
    """Exactly as many of 1,000 pass as the limit has room for, whichever it is."""

    async def scene(desk: Desk) -> None:
        async def call(number: int) -> bool:
            try:
                await desk.spending.admit(desk.claim(f"op{number}", limits=(limit,), tokens=7))
            except error:
                return False
            return True

        assert sum(await asyncio.gather(*(call(number) for number in range(1000)))) == ROOM

    at_desk(store_url, scene)


def test_a_frozen_store_and_replays_charge_each_call_once(tmp_path: Path) -> None:
    """The store is stopped eight times under 120 calls, each of whose steps is repeated until it is answered.

    Afterwards each answered call has one row, nothing is held, and the budget was never overrun.
    """

    async def scene(server: EmbeddedValkey) -> None:
        async with (
            aclosing(State(server.url, timeout_s=0.1)) as state,
            aclosing(State(server.url, timeout_s=ROOMY_S)) as calm,
        ):
            calls = _Insisting(Desk(state))
            quiet = Desk(calm, calls.desk.clock)
            await quiet.spending.open_books(TENANT)
            freezing = asyncio.ensure_future(_freeze_often(server, calls))
            went: list[bool] = []
            for batch in range(0, 120, 20):
                went += await asyncio.gather(*(calls.call(number) for number in range(batch, batch + 20)))
            calls.over = True
            await freezing
            rows = await quiet.rows()
            expected = {f"op{number}" for number, answered in enumerate(went) if answered}
            assert Counter(row["op"] for row in rows) == dict.fromkeys(expected, 1)
            found = await quiet.books()
            assert found.drifting == ()
            assert all(each.held == 0 for each in found.accounts)
            assert await quiet.budget(BUDGETS[1]) == (len(expected) * (ONE - 1), 0)
            assert len(expected) > ROOM // 2
            assert calls.failures > 0

    with EmbeddedValkey(tmp_path / "state") as server:
        asyncio.run(scene(server))


def test_the_steps_work_on_a_cluster(cluster: list[Server]) -> None:
    """For tenants of every slot each step finds all of its keys on one node, and the books agree."""

    async def scene() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            for number in range(12):
                await _whole_life(Desk(state), f"tenant{number}")

    asyncio.run(scene())
    assert all(node.ask("DBSIZE") for node in cluster)


def test_the_steps_go_on_after_a_failover(trio: Trio) -> None:
    """What the replica had acknowledged stays charged once, though it is told again to the new primary."""

    async def scene() -> None:
        async with aclosing(State(trio.url, timeout_s=ROOMY_S)) as state:
            desk = Desk(state)
            await _whole_life(desk, TENANT)
            claim = desk.claim("moved", 5, budgets=BUDGETS)
            await desk.spending.admit(claim)
            assert await state.command("WAIT", 1, 5000) == 1
            trio.primary.kill()
            settled = await until_async(
                lambda: desk.spending.settle(claim, cost(3)), "a settlement", unless=StoreUnavailable
            )
            assert settled.outcome in {"charged", "duplicate"}
            assert (await desk.spending.settle(claim, cost(3))).outcome == "duplicate"
            found = await desk.books()
            assert (found.drifting, found.rows) == ((), 4)

    asyncio.run(scene())


async def _whole_life(desk: Desk, tenant: str) -> None:
    await desk.spending.open_books(tenant)
    budgets = (
        Budget(scope="tenant", name=tenant, window="total", amount_nano=100),
        Budget(scope="tag", name="project=x", window="day", amount_nano=50),
    )
    limits = (Limit(scope="key", name="k1", requests_per_minute=9, tokens_per_minute=99, concurrent=3),)
    a, b, c = (
        desk.claim(name, 20, budgets=budgets, limits=limits, tokens=5, tenant=tenant) for name in "abc"
    )
    await desk.spending.admit(a)
    await desk.spending.admit(b)
    with pytest.raises(BudgetExceeded):
        await desk.spending.admit(c)
    assert await desk.spending.extend(a)
    assert (await desk.spending.settle(a, cost(7))).outcome == "charged"
    desk.clock.advance(600)
    assert await desk.spending.lapse_due(tenant) == 1
    assert (await desk.spending.settle(b, cost(9)))[:2] == ("adjusted", -11)
    assert await desk.spending.release(c)
    found = await desk.books(tenant)
    assert (found.rows, found.total_nano, found.drifting) == (3, 16, ())


class _Insisting:
    """Calls that repeat each step until the store answers; a tenth are never sent, a third settle twice."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.answers = self.failures = 0
        self.over = False

    async def call(self, number: int) -> bool:
        """Make one call; says whether it was answered."""
        steps = self.desk.spending
        claim = self.desk.claim(f"op{number}", ONE, budgets=BUDGETS, limits=(WIDE,))
        try:
            await self._insist(lambda: steps.admit(claim))
        except BudgetExceeded:
            return False
        if number % 10 == 0:
            await self._insist(lambda: steps.release(claim))
            return False
        for _ in range(2 if number % 3 == 0 else 1):
            await self._insist(lambda: steps.settle(claim, cost(ONE - 1)))
        return True

    async def _insist(self, step: Callable[[], Awaitable[object]]) -> None:
        async def once() -> bool:
            try:
                await step()
            except StoreUnavailable:
                self.failures += 1
                raise
            self.answers += 1
            return True

        await until_async(once, "an answer", unless=StoreUnavailable)


async def _freeze_often(server: EmbeddedValkey, calls: _Insisting) -> None:
    async def moved(before: int, now: Callable[[], int]) -> bool:
        return calls.over or now() > before

    for _ in range(8):
        answers, failures = calls.answers + 5, calls.failures
        await until_async(partial(moved, answers, lambda: calls.answers), "answers", unless=OSError)
        with _frozen(server):
            await until_async(partial(moved, failures, lambda: calls.failures), "a failure", unless=OSError)


@contextmanager
def _frozen(server: EmbeddedValkey) -> Iterator[None]:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
