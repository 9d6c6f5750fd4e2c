"""What who asks is told of usage and budgets."""

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.rooms import rooms
from llmgw.policy.spending.usage import Sum, Windows, tenants, totals, usage, usage_between
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
        month, minute = (await rooms(desk.state, TENANT, ((), (MONTH, MINUTE)), first.at_ms)).budgets
        assert (month.spent, month.held, month.left) == (30, 40, 2**53 + 1 - 70)
        assert (minute.spent, minute.held, minute.left) == (0, 0, 100)
        with pytest.raises(StoreReset):
            await rooms(desk.state, "other", ((), (MONTH,)), first.at_ms)

    at_desk(store_url, scene)


def test_many_windows_and_names_are_read_step_by_step(store_url: str) -> None:
    """More windows and fields than one step of the store looks at: each window is told once, none is left out."""

    async def scene(desk: Desk) -> None:
        hours, names = 450, 40
        for hour in range(hours):
            at_ms = desk.clock.unix_ns() // 1_000_000 - hour * 3_600_000
            cells = [
                cell
                for name in range(names)
                for cell in (f"key k{name}", f"1 {name} 2 3", f"tag {name}", "9 9 9 9")
            ]
            await desk.state.command("HSET", keys.rollups(TENANT, at_ms)[1], *cells)
        now_ms = desk.clock.unix_ns() // 1_000_000
        windows = Windows("hour", now_ms - (hours - 1) * 3_600_000, now_ms + 1)
        slices = [each async for each in usage_between(desk.state, TENANT, "key", windows)]
        assert [each.at_ms for each in slices] == windows.starts
        assert len(windows.starts) == hours
        found = await totals(usage_between(desk.state, TENANT, "key", windows))
        assert list(found) == [f"k{name}" for name in reversed(range(names))]
        assert all(
            found[f"k{name}"] == Sum(hours, hours * name, 2 * hours, 3 * hours) for name in range(names)
        )
        some = await totals(usage_between(desk.state, TENANT, "key", windows, ["k7", "nobody"]))
        assert some == {"k7": found["k7"]}

    at_desk(store_url, scene)


def test_books_list_their_tenant_first(store_url: str) -> None:
    """A tenant is listed once its books are asked for, whoever began them, and once."""

    async def scene(desk: Desk) -> None:
        assert await tenants(desk.state) == [TENANT]
        assert await desk.spending.open_books("beta")
        assert not await desk.spending.open_books("beta")
        await desk.state.command("DEL", keys.TENANTS)
        assert not await desk.spending.open_books("beta")
        assert await tenants(desk.state) == ["beta"]

    at_desk(store_url, scene)
