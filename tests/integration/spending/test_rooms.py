"""What limits and budgets leave, asked at one instant without changing anything."""

import pytest
from llmgw.policy.spending.rooms import Counted, after_refusal, rooms
from llmgw.policy.spending.usage import Standing
from llmgw.policy.spending.values import Budget, Limit
from llmgw.types.allotment import Allotment, RateRoom
from llmgw.types.limit_errors import LimitExceeded, StoreReset
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost, dump

MANY = Limit(scope="tenant", name=TENANT, requests_per_minute=10, tokens_per_minute=100, concurrent=5)
FEW = Limit(scope="team", name="search", requests_per_minute=3)
MONTH = Budget(scope="tenant", name=TENANT, window="month", amount_nano=2**53 + 1)
NOBODYS = Budget(scope="key", name="k9", window="day", amount_nano=7)


def test_all_is_told_at_one_instant_and_nothing_changes(store_url: str) -> None:
    """Requests, tokens and calls under way of each limit, spent and held of each budget; not a key is touched."""

    async def scene(desk: Desk) -> None:
        def now_ms() -> int:
            return desk.clock.unix_ns() // 1_000_000

        begun_ms = now_ms()
        first = desk.claim("a", 30, limits=(MANY, FEW), budgets=(MONTH,), tokens=20)
        await desk.spending.admit(first)
        desk.clock.advance(5)
        await desk.spending.admit(desk.claim("b", 40, limits=(MANY,), budgets=(MONTH,), tokens=30))
        await desk.spending.settle(first, cost(25, 1, 2))
        desk.clock.advance(1.5)
        before = dump(store_url)
        asked = ((MANY, FEW), (MONTH, NOBODYS))
        found = await rooms(desk.state, TENANT, asked, now_ms(), now_ms=now_ms())
        left_ms = begun_ms // 1000 * 1000 + 5000 + 61_000 - now_ms()
        assert found.limits == [
            Counted(MANY, 2, 33, 1, left_ms),
            Counted(FEW, 1, 20 - 17, 0, left_ms - 5000),
        ]
        assert found.budgets == [Standing(MONTH, 25, 40), Standing(NOBODYS, 0, 0)]
        assert dump(store_url) == before

    at_desk(store_url, scene)


def test_what_has_left_the_window_is_not_counted(store_url: str) -> None:
    """A minute later all of it is back, and a lease that ended is none."""

    async def scene(desk: Desk) -> None:
        await desk.spending.admit(desk.claim("a", limits=(MANY,), tokens=20))
        for _ in range(2):
            desk.clock.advance(30.5)
        now_ms = desk.clock.unix_ns() // 1_000_000
        found = await rooms(desk.state, TENANT, ((MANY,), ()), now_ms, now_ms=now_ms)
        assert found.limits == [Counted(MANY, 0, 0, 0, 0)]

    at_desk(store_url, scene)


def test_the_stores_own_clock_is_asked_where_no_other_is_given(store_url: str) -> None:
    """What was counted by another clock, long ago by the store's, is not counted."""

    async def scene(desk: Desk) -> None:
        await desk.spending.admit(desk.claim("a", limits=(MANY,), tokens=20))
        found = await rooms(desk.state, TENANT, ((MANY, FEW), ()), 1)
        assert found.limits == [Counted(MANY, 0, 0, 0, 0), Counted(FEW, 0, 0, 0, 0)]

    at_desk(store_url, scene)


def test_lost_books_are_told(store_url: str) -> None:
    """As every step does."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(StoreReset):
            await rooms(desk.state, "other", ((MANY,), (MONTH,)), 1)

    at_desk(store_url, scene)


def test_who_is_refused_is_told_of_the_limit_that_refused(store_url: str) -> None:
    """What it was, what is left of it and when there is room; calls under way have no such header."""

    async def scene(desk: Desk) -> None:
        tight = Limit(scope="key", name="k1", requests_per_minute=1)
        tokens = Limit(scope="team", name="search", tokens_per_minute=50)
        crowd = Limit(scope="tag", name="x", concurrent=0)
        poor = Budget(scope="key", name="k1", window="day", amount_nano=10)
        await desk.spending.admit(desk.claim("first", 3, limits=(tight, tokens), budgets=(poor,), tokens=20))
        desk.clock.advance(10)
        for claim, told in (
            (desk.claim("a", limits=(tight,)), Allotment(requests=RateRoom(1, 0, 51.0))),
            (desk.claim("b", limits=(crowd, tokens), tokens=31), Allotment()),
            (desk.claim("c", limits=(tokens,), tokens=31), Allotment(tokens=RateRoom(50, 30, 51.0))),
            (desk.claim("d", limits=(tokens,), tokens=51), Allotment(tokens=RateRoom(50, 30, 60.0))),
            (desk.claim("e", 8, budgets=(poor,)), Allotment(budget_left_nano=7)),
        ):
            with pytest.raises(LimitExceeded) as error:
                await desk.spending.admit(claim)
            assert after_refusal(claim, error.value) == told

    at_desk(store_url, scene)
