"""What who asks is told of usage and budgets."""

import pytest
from llmgw.policy.spending.usage import standings, usage
from llmgw.policy.spending.values import Budget
from llmgw.types.limit_errors import StoreReset
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost

MONTH = Budget(scope="tenant", name=TENANT, window="month", amount_nano=2**53 + 1)
MINUTE = Budget(scope="key", name="k1", window="minute", amount_nano=100)


def test_usage_is_told_by_period_and_dimension(store_url: str) -> None:
    """Calls of one hour in different minutes are apart by minute and together by hour and day."""

    async def scene(desk: Desk) -> None:
        for number in range(3):
            claim = desk.claim(f"op{number}", used_by=(("alias", "fast/a:b"), ("tag", f"t={number % 2}")))
            await desk.spending.settle(claim, cost(2**53 + 1, 2, 3))
            desk.clock.advance(60)
        minute, hour, day = [
            await usage(desk.state, TENANT, period, claim.at_ms) for period in ("minute", "hour", "day")
        ]
        one = 2**53 + 1
        assert minute == [("alias", "fast/a:b", 1, one, 2, 3), ("tag", "t=0", 1, one, 2, 3)]
        assert hour == [
            ("alias", "fast/a:b", 3, 3 * one, 6, 9),
            ("tag", "t=0", 2, 2 * one, 4, 6),
            ("tag", "t=1", 1, one, 2, 3),
        ]
        assert day == hour
        assert await usage(desk.state, "other", "day", claim.at_ms) == []

    at_desk(store_url, scene)


def test_budgets_are_told_without_taking_anything(store_url: str) -> None:
    """Spent, held and left of each budget's window of now; a budget nobody used has all of it left."""

    async def scene(desk: Desk) -> None:
        first, second = (desk.claim(name, 40, budgets=(MONTH,)) for name in "ab")
        await desk.spending.admit(first)
        await desk.spending.admit(second)
        await desk.spending.settle(first, cost(30))
        month, minute = await standings(desk.state, TENANT, (MONTH, MINUTE), first.at_ms)
        assert (month.spent, month.held, month.left) == (30, 40, 2**53 + 1 - 70)
        assert (minute.spent, minute.held, minute.left) == (0, 0, 100)
        with pytest.raises(StoreReset):
            await standings(desk.state, "other", (MONTH,), first.at_ms)

    at_desk(store_url, scene)
