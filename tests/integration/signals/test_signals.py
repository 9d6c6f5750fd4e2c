"""What a worker notices of calls is told once, and never in their way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.policy.signals.events import EventLog, Place
from llmgw.policy.signals.signals import TRIED_S, WAITING_MAX, Signals
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Charge, Reservation
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import BudgetExceeded, RateLimited, StoreReset
from llmgw.types.signal import Event
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S, until_async

MONTH = Budget(scope="team", name="search", window="month", amount_nano=1000)


def _claim(clock: ManualClock, operation: str = "op1", nano: int = 10) -> Reservation:
    return Reservation(
        operation=operation,
        tenant="acme",
        at_ms=clock.unix_ns() // 1_000_000,
        estimate_nano=nano,
        budgets=(MONTH,),
    )


def _refusal() -> BudgetExceeded:
    return BudgetExceeded("no room", limit=MONTH.title, left=3, resets_ms=None)


async def _told(state: State, count: int) -> list[Event]:
    log = EventLog(state)

    async def look() -> list[Event]:
        page = await log.page(await log.tenants(), Place.at(0), 1000)
        return [event for _, event in page.items] if len(page.items) >= count else []

    return await until_async(look, f"{count} events", unless=StoreUnavailable)


def _at(url: str, scene: Callable[[State, ManualClock], Awaitable[None]]) -> None:
    async def play() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            await scene(state, ManualClock())

    asyncio.run(play())


def test_the_first_refusal_of_a_window_is_told(store_url: str) -> None:
    """Of many refusals in two workers one is told, and in the next month one more."""

    async def scene(state: State, clock: ManualClock) -> None:
        async with aclosing(Signals(state, clock)) as one, aclosing(Signals(state, clock)) as other:
            for signals in (one, other):
                signals.start()
                for number in range(20):
                    signals.note_refused(_claim(clock, f"op{number}"), _refusal())
            (event,) = await _told(state, 1)
            assert event.id == "budget:team:search:month:2026-01:exceeded"
            assert (event.kind, event.tenant) == ("budget.exceeded", "acme")
            assert event.numbers["left_nano"] == 3
            clock.advance(31 * 86_400)
            one.note_refused(_claim(clock, "op9"), _refusal())
            assert [each.id for each in await _told(state, 2)] == [
                "budget:team:search:month:2026-01:exceeded",
                "budget:team:search:month:2026-02:exceeded",
            ]

    _at(store_url, scene)


def test_a_store_that_lost_its_books_is_told(store_url: str) -> None:
    """Once an hour while calls are refused for it, in the store as it is now."""

    async def scene(state: State, clock: ManualClock) -> None:
        async with aclosing(Signals(state, clock)) as signals:
            signals.start()
            for _ in range(3):
                signals.note_refused(_claim(clock), StoreReset("gone"))
            (event,) = await _told(state, 1)
            assert (event.kind, event.subject) == ("store.reset", "tenant:acme")
            assert "acme" in event.message

    _at(store_url, scene)


def test_limits_of_a_minute_are_not_told(store_url: str) -> None:
    """That a caller is too quick is no event; nor is a refusal by a budget that the call does not have."""

    async def scene(state: State, clock: ManualClock) -> None:
        async with aclosing(Signals(state, clock)) as signals:
            signals.note_refused(_claim(clock), RateLimited("slow", limit="key:k1:requests", left=0))
            signals.note_refused(_claim(clock), BudgetExceeded("no", limit="key:k9:day", left=0))
        assert await EventLog(state).tenants() == []

    _at(store_url, scene)


def test_who_waits_hears_of_a_threshold_from_another_worker(store_url: str) -> None:
    """A settle that crosses one rings in all workers; one that crosses none does not."""

    async def scene(state: State, clock: ManualClock) -> None:
        spending = Spending(state, clock=clock)
        await spending.open_books("acme")
        async with aclosing(Signals(state, clock)) as one, aclosing(Signals(state, clock)) as other:
            one.start()
            other.start()
            heard = other.bell.rung()
            assert await heard.within(ROOMY_S)  # it listens now
            heard = other.bell.rung()
            settled = await spending.settle(_claim(clock), Charge(cost_nano=10))
            one.note_settled("acme", settled)
            assert not await heard.within(0)
            settled = await spending.settle(_claim(clock, "op2"), Charge(cost_nano=500))
            one.note_settled("acme", settled)
            assert await heard.within(ROOMY_S)
            (event,) = await _told(state, 1)
            assert event.message == (
                "The budget team:search:month for 2026-01 has reached 50 %:"
                " 0.00000051 of 0.000001 USD are spent."
            )

    _at(store_url, scene)


def test_an_event_waits_for_a_store_that_is_away(state_dir: Path) -> None:
    """Noticed while there is no store, told when it is there."""

    async def play() -> None:
        clock = ManualClock()
        store = EmbeddedValkey(state_dir)
        store.start()
        url = store.url
        store.stop()
        async with (
            aclosing(State(url, timeout_s=ROOMY_S)) as state,
            aclosing(Signals(state, clock)) as signals,
        ):
            signals.start()
            signals.note_refused(_claim(clock), _refusal())
            with pytest.raises(StoreUnavailable):
                await state.command("PING")
            with EmbeddedValkey(state_dir):
                (event,) = await _told(state, 1)
                assert event.kind == "budget.exceeded"
                assert signals.lost == 0

    asyncio.run(play())


def test_what_cannot_be_told_is_bounded_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Without a store, no more than so many wait, for so long, and each that is lost has a line of log."""

    async def scene(state: State, clock: ManualClock) -> None:
        signals = Signals(state, clock)
        for number in range(WAITING_MAX + 5):
            claim = Reservation(
                operation="op", tenant=f"t{number}", at_ms=clock.unix_ns() // 1_000_000, budgets=(MONTH,)
            )
            signals.note_refused(claim, _refusal())
        assert signals.lost == 5
        clock.advance(TRIED_S)
        signals.start()

        async def all_lost() -> bool:
            return signals.lost == WAITING_MAX + 5

        await until_async(all_lost, "the events to be lost", unless=StoreUnavailable)
        await signals.aclose()

    with caplog.at_level(logging.ERROR):
        _at("unix:///nowhere/at-all", scene)
    lost = [line for line in caplog.messages if line.startswith("an event was not told")]
    assert len(lost) == WAITING_MAX + 5
