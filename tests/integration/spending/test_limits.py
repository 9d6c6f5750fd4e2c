"""Requests, tokens and calls at once: who is refused, and for how long."""

import pytest
from llmgw.policy.spending.values import Limit
from llmgw.types.limit_errors import ConcurrencyExceeded, NeverFits, RateLimited
from tests.integration.spending.desk import Desk, at_desk, cost


def test_requests_and_tokens_leave_the_window_after_a_minute(store_url: str) -> None:
    """The answer says when there is room again; just before, there is none, and then there is."""
    limit = Limit(scope="key", name="k1", requests_per_minute=3, tokens_per_minute=100)

    async def scene(desk: Desk) -> None:
        for number in range(3):
            await desk.spending.admit(desk.claim(f"a{number}", limits=(limit,), tokens=10))
            desk.clock.advance(10)
        with pytest.raises(RateLimited) as refused:
            await desk.spending.admit(desk.claim("b", limits=(limit,), tokens=10))
        wait = refused.value.retry_after_s
        assert (refused.value.limit, wait) == ("key:k1:requests", 31.0)
        desk.clock.advance(30.999)
        with pytest.raises(RateLimited):
            await desk.spending.admit(desk.claim("b", limits=(limit,), tokens=10))
        desk.clock.advance(0.001)
        admitted = await desk.spending.admit(desk.claim("b", limits=(limit,), tokens=80))
        assert (admitted.rooms[0].requests, admitted.rooms[0].tokens) == (0, 0)
        desk.clock.advance(10)
        with pytest.raises(RateLimited) as refused:
            await desk.spending.admit(desk.claim("c", limits=(limit,), tokens=11))
        assert (refused.value.limit, refused.value.left) == ("key:k1:tokens", 10)

    at_desk(store_url, scene)


@pytest.mark.parametrize("kind", ["requests_per_minute", "tokens_per_minute", "concurrent"])
def test_who_can_never_pass_is_not_told_to_come_back(store_url: str, kind: str) -> None:
    """A call larger than a limit, or one under a limit of none, is refused for good."""

    async def scene(desk: Desk) -> None:
        limit = Limit(scope="key", name="k1", **{kind: 100 if kind == "tokens_per_minute" else 0})
        with pytest.raises(NeverFits) as refused:
            await desk.spending.admit(desk.claim("a", limits=(limit,), tokens=101))
        assert (refused.value.status, refused.value.retryable, refused.value.retry_after_s) == (
            429,
            False,
            None,
        )

    at_desk(store_url, scene)


def test_tokens_really_used_take_the_place_of_the_expected(store_url: str) -> None:
    """What a call did not use can be used by the next at once; what it used beyond counts, too."""
    limit = Limit(scope="key", name="k1", tokens_per_minute=100)

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", limits=(limit,), tokens=90)
        await desk.spending.admit(claim)
        desk.clock.advance(5)
        await desk.spending.settle(claim, cost(0, 10, 10))
        more = desk.claim("b", limits=(limit,), tokens=70)
        assert (await desk.spending.admit(more)).rooms[0].tokens == 10
        await desk.spending.settle(more, cost(0, 70, 9))
        with pytest.raises(RateLimited) as refused:
            await desk.spending.admit(desk.claim("c", limits=(limit,), tokens=2))
        assert refused.value.left == 1

    at_desk(store_url, scene)


def test_a_clock_that_was_put_back_does_not_lock_a_key_out(store_url: str) -> None:
    """After a jump forward by a day and back, calls are admitted, and are limited as before."""
    limit = Limit(scope="key", name="k1", requests_per_minute=1)

    async def scene(desk: Desk) -> None:
        desk.clock.advance(86_400)
        await desk.spending.admit(desk.claim("a", limits=(limit,)))
        desk.clock.advance(-86_400)
        await desk.spending.admit(desk.claim("b", limits=(limit,)))
        with pytest.raises(RateLimited) as refused:
            await desk.spending.admit(desk.claim("c", limits=(limit,)))
        assert refused.value.retry_after_s == 61.0

    at_desk(store_url, scene)


def test_leases_end_by_settling_and_by_time_and_can_be_extended(store_url: str) -> None:
    """A place is free after settle or release, or once a lease was not extended for its time."""
    limit = Limit(scope="team", name="red", concurrent=2)

    async def scene(desk: Desk) -> None:
        a, b, c, d, e = (desk.claim(name, limits=(limit,)) for name in "abcde")
        await desk.spending.admit(a)
        await desk.spending.admit(b)
        desk.clock.advance(10)
        with pytest.raises(ConcurrencyExceeded) as refused:
            await desk.spending.admit(c)
        assert (refused.value.limit, refused.value.retry_after_s) == ("team:red:concurrent", 20.0)
        assert await desk.spending.extend(a) is True
        desk.clock.advance(19)
        with pytest.raises(ConcurrencyExceeded):
            await desk.spending.admit(c)
        desk.clock.advance(1)  # b's lease ends, a's goes on for 10 s
        await desk.spending.admit(c)
        with pytest.raises(ConcurrencyExceeded):
            await desk.spending.admit(d)
        await desk.spending.release(c)
        await desk.spending.admit(d)
        with pytest.raises(ConcurrencyExceeded):
            await desk.spending.admit(e)
        await desk.spending.settle(a, cost(0))
        await desk.spending.admit(e)

    at_desk(store_url, scene)
