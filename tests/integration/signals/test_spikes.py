"""Spend out of the ordinary is told once an hour and subject, by one worker."""

import asyncio
from contextlib import aclosing

from llmgw.policy.signals.signals import SignalRules, Signals
from llmgw.policy.signals.spikes import SpikeRule
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Charge, Reservation
from llmgw.state.connection import State
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

USD = 10**9


class Office:
    """A tenant whose calls come when a test says so."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.clock = ManualClock()
        self.spending = Spending(state, clock=self.clock)
        self.count = 0

    def signals(self, **rule: float) -> Signals:
        """One worker."""
        return Signals(self.state, self.clock, SignalRules(spikes=SpikeRule(**rule)))  # type: ignore[arg-type]

    async def call(self, usd: float, tokens: int = 10, days_ago: int = 0, key: str = "k1") -> None:
        """One call that cost so much."""
        self.count += 1
        self.clock.advance(-days_ago * 86_400)
        asked = Reservation(
            operation=f"op{self.count}",
            tenant="acme",
            at_ms=self.clock.unix_ns() // 1_000_000,
            used_by=(("tenant", "acme"), ("team", "red"), ("key", key), ("alias", "demo")),
        )
        await self.spending.settle(asked, Charge(cost_nano=round(usd * USD), output_tokens=tokens))
        self.clock.advance(days_ago * 86_400)


async def _open(state: State, days: int, usd: float = 2.0) -> Office:
    office = Office(state)
    await office.spending.open_books("acme")
    for day in range(1, days + 1):
        await office.call(usd, days_ago=day)
    return office


def test_an_hour_of_three_times_the_usual_is_told_once(store_url: str) -> None:
    """For tenant, team and key, not for aliases; again the next hour, not in the same one."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 5)
            signals = office.signals()
            await office.call(5.99)
            assert await signals.look_for_spikes() == []
            await office.call(0.01)
            told = await signals.look_for_spikes()
            assert sorted(each.id for each in told) == [
                "spike:key:k1:2026-01-01T00",
                "spike:team:red:2026-01-01T00",
                "spike:tenant:acme:2026-01-01T00",
            ]
            assert told[0].numbers == {
                "cost_nano": 6 * USD, "usual_nano": 2 * USD, "tokens": 20, "usual_tokens": 10,
            }  # fmt: skip
            await office.call(50)
            assert await signals.look_for_spikes() == []
            await signals.aclose()

    asyncio.run(play())


def test_tokens_out_of_the_ordinary_are_a_spike_too(store_url: str) -> None:
    """Cheap tokens at three times the usual number, where the hour costs enough to matter."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 4)
            await office.call(2.0, tokens=30)
            assert len(await office.signals().look_for_spikes()) == 3

    asyncio.run(play())


def test_little_money_and_little_history_make_no_spike(store_url: str) -> None:
    """Below the least amount, or with fewer than three days to compare, nothing is out of the ordinary."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 2)
            signals = office.signals()
            await office.call(100.0)
            assert await signals.look_for_spikes() == []
            await office.call(0.2, days_ago=3)
            assert len(await signals.look_for_spikes()) == 3
            await office.call(0.3, days_ago=4, key="k2")
            await office.call(0.3, days_ago=5, key="k2")
            await office.call(0.3, days_ago=6, key="k2")
            await office.call(0.99, key="k2")
            assert await signals.look_for_spikes() == []
            await signals.aclose()

    asyncio.run(play())


def test_an_hour_is_looked_at_a_while_after_its_end(store_url: str) -> None:
    """What was spent in its last minute is told in the first minutes of the next, and not after that."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 3)
            signals = office.signals()
            office.clock.advance(3599)
            await office.call(100.0)
            office.clock.advance(120)
            told = await signals.look_for_spikes()
            assert {each.id.rpartition(":")[2] for each in told} == {"2026-01-01T00"}
            office.clock.advance(-120)
            await office.call(100.0, key="late")
            for day in (1, 2, 3):
                await office.call(1.0, days_ago=day, key="late")
            office.clock.advance(400)
            assert await signals.look_for_spikes() == []
            await signals.aclose()

    asyncio.run(play())


def test_one_worker_looks_at_a_time(store_url: str) -> None:
    """The second finds nothing to do, until the first gives it up."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 3)
            first, second = office.signals(), office.signals()
            assert await first.look_for_spikes() == []
            await office.call(100.0)
            assert await second.look_for_spikes() == []
            await first.aclose()
            assert len(await second.look_for_spikes()) == 3
            await second.aclose()

    asyncio.run(play())


def test_workers_that_both_look_tell_once(store_url: str) -> None:
    """Though a lease was lost meanwhile, each spike has one event."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            office = await _open(state, 3)
            await office.call(100.0)
            first, second = office.signals(), office.signals()
            told = await first.look_for_spikes()
            await state.delete("llmgw:{signals}:lease:spikes")
            told += await second.look_for_spikes()
            assert len(told) == 3

    asyncio.run(play())
