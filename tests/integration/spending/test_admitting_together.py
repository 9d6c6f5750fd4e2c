"""Several calls admitted in one step of the store: each as if those before it had been admitted alone."""

import asyncio

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.spending import Admitted
from llmgw.policy.spending.values import Budget, Limit
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import BudgetExceeded, ConcurrencyExceeded, LimitExceeded, RateLimited
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost, dump

BUDGET = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10_000)


async def steps(desk: Desk) -> int:
    """How many scripts the store was asked to run."""
    told = await desk.state.command("INFO", "commandstats")
    return sum(each["calls"] for name, each in told.items() if name in {"cmdstat_evalsha", "cmdstat_eval"})


@pytest.mark.parametrize(
    ("limit", "budget", "refusal"),
    [
        (Limit(scope="tenant", name=TENANT, concurrent=4), BUDGET, ConcurrencyExceeded),
        (Limit(scope="tenant", name=TENANT, requests_per_minute=4), BUDGET, RateLimited),
        (Limit(scope="tenant", name=TENANT, tokens_per_minute=49), BUDGET, RateLimited),
        (
            Limit(scope="tenant", name=TENANT, requests_per_minute=99),
            Budget(scope="tenant", name=TENANT, window="day", amount_nano=499),
            BudgetExceeded,
        ),
    ],
)
def test_each_is_admitted_until_there_is_no_room(
    limit: Limit, budget: Budget, refusal: type[LimitExceeded], store_url: str
) -> None:
    """Of ten calls at once, in two steps, those that fit are admitted in their order; the others take nothing."""

    async def scene(desk: Desk) -> None:
        claims = [
            desk.claim(f"op{number}", 100, budgets=(budget,), limits=(limit,), tokens=10)
            for number in range(10)
        ]
        # Known to the store before it is counted.
        await desk.spending.admit(desk.claim("known"))
        before = await steps(desk)
        found = await asyncio.gather(*map(desk.spending.admit, claims), return_exceptions=True)
        assert await steps(desk) == before + 2
        assert [type(each) for each in found] == [*[Admitted] * 4, *[refusal] * 6]
        assert await desk.budget(budget) == (0, 400)
        assert (
            await desk.spending.states(TENANT, [each.operation for each in claims]) == ["held"] * 4 + [""] * 6
        )
        assert (await desk.books()).drifting == ()
        lefts = [each.lefts[0].nano for each in found if isinstance(each, Admitted)]
        assert lefts == [budget.amount_nano - 100 * number for number in range(1, 5)]
        for each in claims[:4]:
            await desk.spending.settle(each, cost(1, 1))
        assert await desk.budget(budget) == (4, 0)

    at_desk(store_url, scene)


def test_all_that_are_refused_together_leave_the_store_as_it_was(store_url: str) -> None:
    """Nothing is written for them."""
    limit = Limit(scope="tenant", name=TENANT, requests_per_minute=1, concurrent=1)

    async def scene(desk: Desk) -> None:
        await desk.spending.admit(desk.claim("first", 100, budgets=(BUDGET,), limits=(limit,)))
        before = dump(store_url)
        claims = [desk.claim(f"op{number}", 100, budgets=(BUDGET,), limits=(limit,)) for number in range(5)]
        found = await asyncio.gather(*map(desk.spending.admit, claims), return_exceptions=True)
        assert {type(each) for each in found} == {RateLimited}
        assert dump(store_url) == before

    at_desk(store_url, scene)


def test_one_that_is_damaged_leaves_the_others_to_theirs(store_url: str) -> None:
    """Those before and behind it are admitted, and it takes nothing."""

    async def scene(desk: Desk) -> None:
        claims = [desk.claim(f"op{number}", 100, budgets=(BUDGET,)) for number in range(5)]
        await desk.state.command("SET", keys.operation(TENANT, "op2"), "x")
        found = await asyncio.gather(*map(desk.spending.admit, claims), return_exceptions=True)
        assert [type(each) for each in found] == [Admitted, Admitted, StoreUnavailable, Admitted, Admitted]
        assert await desk.budget(BUDGET) == (0, 400)

    at_desk(store_url, scene)


def test_who_leaves_while_waiting_is_not_asked_about(store_url: str) -> None:
    """Its operation is unknown to the store, and those who wait with it are admitted."""

    async def scene(desk: Desk) -> None:
        claims = [desk.claim(f"op{number}", 100, budgets=(BUDGET,)) for number in range(4)]
        tasks = [asyncio.ensure_future(desk.spending.admit(each)) for each in claims]
        await asyncio.sleep(0)
        tasks[2].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in found] == [Admitted, Admitted, asyncio.CancelledError, Admitted]
        assert await desk.spending.states(TENANT, ["op2"]) == [""]
        assert await desk.budget(BUDGET) == (0, 300)

    at_desk(store_url, scene)
