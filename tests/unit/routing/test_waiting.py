"""Waiting for a place at a target."""

import asyncio

import pytest
from llmgw.routing.health import Health
from llmgw.types.errors import Overloaded, ProviderFailed
from tests.unit.routing.targets import Time, target

T = target(max_concurrency=4)


def test_who_waits_longest_is_next() -> None:
    """Waiters get places in the order they came, before newcomers."""

    async def scene() -> None:
        health = Health()
        holders = [await health.acquire(T) for _ in range(4)]
        order: list[int] = []

        async def wait(number: int) -> None:
            with await health.acquire(T):
                order.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(3)]
        await asyncio.sleep(0)
        assert health.snapshot()[0].waiting == 3
        holders[0].settle()
        assert health.try_acquire(T) is None
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2]
        for lease in holders[1:]:
            lease.settle()
        assert (health.snapshot()[0].in_flight, health.snapshot()[0].waiting) == (0, 0)

    asyncio.run(scene())


def test_waiting_ends() -> None:
    """A place that does not come free in time, or a queue that is full, is `Overloaded`."""

    async def scene() -> None:
        health = Health()
        holders = [await health.acquire(T) for _ in range(4)]
        queue = [asyncio.create_task(health.acquire(T, 0.01)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await health.acquire(T, 1000)
        outcomes = await asyncio.gather(*queue, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Overloaded] * 4
        for lease in holders:
            lease.settle()
        assert (health.snapshot()[0].in_flight, health.snapshot()[0].waiting) == (0, 0)

    asyncio.run(scene())


def test_cancelled_waiters_leave_no_place_taken() -> None:
    """Whether cancelled while waiting or in the instant the place comes, nothing is lost."""

    async def scene() -> None:
        health = Health()
        for handed in (False, True):
            holders = [await health.acquire(T) for _ in range(4)]
            waiter = asyncio.create_task(health.acquire(T))
            await asyncio.sleep(0)
            if handed:
                holders[0].settle()
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            for lease in holders:
                lease.settle()
            assert (health.snapshot()[0].in_flight, health.snapshot()[0].waiting) == (0, 0)

    asyncio.run(scene())


def test_waiters_are_sent_away_when_the_target_comes_to_rest() -> None:
    """A breaker that opens empties the queue at once, so that other targets may be tried."""

    async def scene() -> None:
        health = Health(Time())
        holders = [await health.acquire(T) for _ in range(4)]
        queue = [asyncio.create_task(health.acquire(T, 1000)) for _ in range(2)]
        await asyncio.sleep(0)
        for lease in holders:
            lease.settle(ProviderFailed("no"))
        first, second = await asyncio.gather(*queue)
        first.settle(ProviderFailed("no"))
        second.settle()
        with pytest.raises(Overloaded) as resting:
            await health.acquire(T, 1000)
        assert resting.value.retry_after_s == 5.0

    asyncio.run(scene())


def test_a_full_queue_of_a_target_that_comes_to_rest() -> None:
    """Those still waiting when the fifth failure is recorded learn that the target rests."""

    async def scene() -> None:
        health = Health(Time())
        wide = target(max_concurrency=5)
        holders = [await health.acquire(wide) for _ in range(5)]
        for lease in holders[:4]:
            lease.settle(ProviderFailed("no"))
        holders[:4] = [await health.acquire(wide) for _ in range(4)]
        queue = [asyncio.create_task(health.acquire(wide, 1000)) for _ in range(3)]
        await asyncio.sleep(0)
        holders[4].settle(ProviderFailed("no"))
        outcomes = await asyncio.gather(*queue, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Overloaded] * 3
        for lease in holders:
            lease.settle()
        assert health.snapshot()[0].in_flight == 0

    asyncio.run(scene())
