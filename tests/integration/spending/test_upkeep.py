"""Books are proved and old rows let go without anybody asking, each tenant's for itself."""

import logging

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.upkeep import Keep, Upkeep
from llmgw.policy.spending.values import Budget
from llmgw.types.errors import StoreUnavailable
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.waiting import until_async

EVER = Budget(scope="tenant", name=TENANT, window="total", amount_nano=1000)


def upkeep(desk: Desk, keep_ms: int, every_s: float = 3600) -> Upkeep:
    """One worker's, by the desk's clock."""
    return Upkeep(desk.state, desk.clock, Keep(keep_ms), every_s=every_s, jitter=lambda: 0.5)


async def store_ms(desk: Desk) -> int:
    """The store's clock, by which rows are named."""
    seconds, _ = await desk.state.command("TIME")
    return int(seconds) * 1000


def test_rows_go_when_they_are_old_and_proved(store_url: str) -> None:
    """Young rows stay; old ones go in the round that proved them, and their sum stays."""

    async def scene(desk: Desk) -> None:
        await desk.spending.settle(desk.claim("a", budgets=(EVER,)), cost(5))
        ahead_ms = await store_ms(desk) - desk.clock.unix_ns() // 1_000_000
        assert await upkeep(desk, keep_ms=10_000 - ahead_ms).round() == 0
        assert len(await desk.rows()) == 1
        assert await upkeep(desk, keep_ms=-10_000 - ahead_ms).round() == 0
        assert await desk.rows() == []
        found = await desk.books(whole=True)
        assert (found.rows, found.total_nano, found.drifting) == (1, 5, ())

    at_desk(store_url, scene)


def test_books_that_do_not_agree_are_told_of_and_kept(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the window, no row goes, and other tenants' books are looked after all the same."""

    async def scene(desk: Desk) -> None:
        for tenant in ("aaa", TENANT, "lost"):
            await desk.spending.open_books(tenant)
            await desk.spending.settle(desk.claim("a", budgets=(EVER,), tenant=tenant), cost(5))
        await desk.state.command("HSET", keys.budget("aaa", keys.budget_name(EVER, 0)), "spent", "6")
        await desk.state.command("DEL", keys.of("lost", "epoch"))
        with caplog.at_level(logging.WARNING):
            looking = upkeep(desk, keep_ms=-(2**50))
            assert looking.violations == {"spent": 0, "held": 0}
            assert await looking.round() == 2
        assert looking.violations == {"spent": 1, "held": 0}
        assert f"the books of aaa do not agree in 1 windows (tenant:{TENANT}:total:ever)" in caplog.text
        assert "the books of lost could not be proved" in caplog.text
        assert [len(await desk.rows(each)) for each in ("aaa", "lost", TENANT)] == [1, 1, 0]

    at_desk(store_url, scene)


def test_rounds_come_by_themselves(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A task that was started goes on proving, after a round that failed too, until it is stopped."""

    async def scene(desk: Desk) -> None:
        await desk.state.command("SET", keys.TENANTS, "no set")
        task = upkeep(desk, keep_ms=0, every_s=0.01)
        task.start()

        async def failed() -> bool:
            return "the books could not be proved" in caplog.text

        await until_async(failed, "a round to fail", unless=StoreUnavailable)
        await desk.state.command("DEL", keys.TENANTS)
        await desk.spending.open_books(TENANT)
        await desk.spending.settle(desk.claim("a", budgets=(EVER,)), cost(5))

        async def proved() -> bool:
            return bool(await desk.state.command("EXISTS", keys.of(TENANT, "proved")))

        await until_async(proved, "the books to be proved", unless=StoreUnavailable)
        await task.aclose()

    at_desk(store_url, scene)
