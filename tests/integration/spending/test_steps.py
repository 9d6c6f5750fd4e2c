"""Each step of a call through limits, budgets and the ledger, on a real store."""

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.values import AMOUNT_MAX, Budget, Dimension, Limit
from llmgw.types.errors import InternalError
from llmgw.types.limit_errors import BudgetExceeded, StoreReset
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost, dump

MONTH = Budget(scope="tenant", name=TENANT, window="month", amount_nano=1000)
MINUTE = Budget(scope="key", name="k1", window="minute", amount_nano=100)
HOUR_MS = 3_600_000


def test_a_call_is_held_then_charged_then_counted(store_url: str) -> None:
    """The estimate is on hold until the exact cost takes its place, in every budget, one row, and all rollups."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("op1", 60, budgets=(MONTH, MINUTE))
        admitted = await desk.spending.admit(claim)
        assert [left.nano for left in admitted.lefts] == [940, 40]
        assert await desk.budget(MONTH) == (0, 60)
        assert (await desk.spending.settle(claim, cost(7, 3, 4)))[:2] == ("charged", 7)
        assert await desk.budget(MONTH) == (7, 0)
        assert await desk.budget(MINUTE) == (7, 0)
        (row,) = await desk.rows()
        assert (row["op"], row["kind"], row["cost"]) == ("op1", "settle", "7")
        names = [keys.budget_name(each, claim.at_ms) for each in (MONTH, MINUTE)]
        assert row["budgets"].split() == names
        for period in range(3):
            found = await desk.rollup(period, claim.at_ms)
            assert found == {f"tenant {TENANT}": (1, 7, 3, 4), "key k1": (1, 7, 3, 4)}

    at_desk(store_url, scene)


def test_a_budget_that_was_lowered_refuses_what_it_has_no_room_for(store_url: str) -> None:
    """Under what is spent already, a budget has nothing left, and not less than nothing."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MONTH,))
        await desk.spending.admit(claim)
        await desk.spending.settle(claim, cost(60))
        lowered = Budget(scope="tenant", name=TENANT, window="month", amount_nano=50)
        with pytest.raises(BudgetExceeded) as refused:
            await desk.spending.admit(desk.claim("b", 0, budgets=(lowered,)))
        assert refused.value.left == 0

    at_desk(store_url, scene)


def test_settling_again_changes_nothing_and_says_so(store_url: str) -> None:
    """A9: a second settle, with whatever cost, leaves every byte of the store as it was."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("op1", 60, budgets=(MONTH,))
        await desk.spending.admit(claim)
        await desk.spending.settle(claim, cost(7))
        before = dump(store_url)
        assert await desk.spending.settle(claim, cost(8)) == ("duplicate", 0, ())
        assert await desk.spending.release(claim) is False
        assert await desk.spending.extend(claim) is False
        assert dump(store_url) == before

    at_desk(store_url, scene)


@pytest.mark.parametrize("refusing", range(3))
def test_a_refused_call_takes_nothing(store_url: str, refusing: int) -> None:
    """Whichever of three budgets has no room, none of them, no lease and no count is touched."""

    async def scene(desk: Desk) -> None:
        budgets = tuple(
            Budget(scope="tag", name=f"b{i}", window="day", amount_nano=10 if i == refusing else 1000)
            for i in range(3)
        )
        limit = Limit(scope="key", name="k1", requests_per_minute=5, tokens_per_minute=50, concurrent=2)
        before = dump(store_url)
        with pytest.raises(BudgetExceeded) as refused:
            await desk.spending.admit(desk.claim("op1", 11, budgets=budgets, limits=(limit,), tokens=5))
        assert (refused.value.limit, refused.value.left) == (f"tag:b{refusing}:day", 10)
        assert (refused.value.status, refused.value.retryable, refused.value.retry_after_s) == (
            429,
            False,
            None,
        )
        assert refused.value.resets_ms == desk.clock.unix_ns() // 1_000_000 + 24 * HOUR_MS
        assert dump(store_url) == before

    at_desk(store_url, scene)


@pytest.mark.parametrize("near", [1000, 10**9, 2**53, 10**15, 10**17 + 1, AMOUNT_MAX])
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_money_is_exact_to_the_last_nano_dollar(store_url: str, near: int, beside: int) -> None:
    """Around 2^53, where doubles lose ones, and up to 10^18, one nano-USD decides, and all sums are exact."""
    most = min(near + beside, AMOUNT_MAX)
    budget = Budget(scope="key", name="k1", window="total", amount_nano=most)

    async def scene(desk: Desk) -> None:
        first = desk.claim("first", most - 2, budgets=(budget,))
        await desk.spending.admit(first)
        await desk.spending.settle(first, cost(most - 3))
        second = desk.claim("second", 2, budgets=(budget,))
        admitted = await desk.spending.admit(second)
        assert admitted.lefts[0].nano == 1
        with pytest.raises(BudgetExceeded) as refused:
            await desk.spending.admit(desk.claim("third", 2, budgets=(budget,)))
        assert refused.value.left == 1
        await desk.spending.admit(desk.claim("fourth", 1, budgets=(budget,)))
        assert await desk.budget(budget) == (most - 3, 3)
        await desk.spending.settle(second, cost(1))
        assert await desk.budget(budget) == (most - 2, 1)
        assert (await desk.rollup(2, first.at_ms))["key k1"][1] == most - 2
        assert (await desk.books()).drifting == ()

    at_desk(store_url, scene)


def test_a_call_is_charged_to_the_window_it_was_admitted_in(store_url: str) -> None:
    """A8: a minute that ends under way is charged all the same; the next begins with all of its money."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 100, budgets=(MINUTE,))
        await desk.spending.admit(claim)
        with pytest.raises(BudgetExceeded):
            await desk.spending.admit(desk.claim("b", 1, budgets=(MINUTE,)))
        desk.clock.advance(60)
        later = await desk.spending.admit(desk.claim("c", 90, budgets=(MINUTE,)))
        assert later.lefts[0].nano == 10
        await desk.spending.settle(claim, cost(99))
        assert await desk.budget(MINUTE, claim.at_ms) == (99, 0)
        assert await desk.budget(MINUTE) == (0, 90)

    at_desk(store_url, scene)


def test_what_comes_out_of_order_counts_once(store_url: str) -> None:
    """A9: a settle before its admit charges; the admit is then refused, and one after a release, too."""

    async def scene(desk: Desk) -> None:
        early, undone = desk.claim("a", 60, budgets=(MONTH,)), desk.claim("b", 60, budgets=(MONTH,))
        assert (await desk.spending.settle(early, cost(7)))[:2] == ("charged", 7)
        assert await desk.spending.release(undone) is True
        for claim in (early, undone):
            with pytest.raises(InternalError):
                await desk.spending.admit(claim)
        assert await desk.budget(MONTH) == (7, 0)
        assert len(await desk.rows()) == 1

    at_desk(store_url, scene)


def test_admitting_again_takes_nothing_more(store_url: str) -> None:
    """A repeated admit, as after a lost answer, finds the call admitted and leaves the store as it was."""

    async def scene(desk: Desk) -> None:
        limit = Limit(scope="key", name="k1", requests_per_minute=1, concurrent=1)
        claim = desk.claim("a", 60, budgets=(MINUTE,), limits=(limit,))
        await desk.spending.admit(claim)
        before = dump(store_url)
        assert (await desk.spending.admit(claim)).again is True
        assert dump(store_url) == before

    at_desk(store_url, scene)


def test_an_operation_cannot_be_settled_with_other_budgets(store_url: str) -> None:
    """A hold is only ended by the reservation that made it."""

    async def scene(desk: Desk) -> None:
        await desk.spending.admit(desk.claim("a", 60, budgets=(MONTH,)))
        for other in (desk.claim("a", 61, budgets=(MONTH,)), desk.claim("a", 60, budgets=(MINUTE,))):
            with pytest.raises(InternalError):
                await desk.spending.settle(other, cost(1))
            with pytest.raises(InternalError):
                await desk.spending.release(other)
        assert await desk.budget(MONTH) == (0, 60)

    at_desk(store_url, scene)


def test_a_store_that_lost_the_books_admits_nobody(store_url: str) -> None:
    """Every step is refused until an operator opens the books anew; then lost costs can be posted."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MONTH,))
        await desk.spending.admit(claim)
        epoch = await desk.spending.epoch(TENANT)
        assert await desk.spending.open_books(TENANT) is False
        await desk.state.command("FLUSHALL")
        assert await desk.spending.epoch(TENANT) is None
        steps = desk.spending
        for step in (
            steps.admit(desk.claim("b", 1)),
            steps.settle(claim, cost(7)),
            steps.release(claim),
            steps.extend(claim),
            desk.books(),
        ):
            with pytest.raises(StoreReset) as lost:
                await step
            assert (lost.value.status, lost.value.code) == (503, "store_reset")
        assert dump(store_url) == {}
        assert await desk.spending.open_books(TENANT) is True
        assert await desk.spending.epoch(TENANT) != epoch
        assert (await desk.spending.settle(claim, cost(7)))[:2] == ("charged", 7)
        assert await desk.budget(MONTH) == (7, 0)

    at_desk(store_url, scene)


def test_reconciling_shows_what_was_tampered_with(store_url: str) -> None:
    """Money moved behind the ledger's back is reported to the nano-USD, and other budgets are not."""

    async def scene(desk: Desk) -> None:
        for name in ("a", "b"):
            await desk.spending.admit(desk.claim(name, 20, budgets=(MONTH, MINUTE)))
        await desk.spending.settle(desk.claim("a", 20, budgets=(MONTH, MINUTE)), cost(7))
        assert (await desk.books()).drifting == ()
        key = keys.budget(TENANT, keys.budget_name(MINUTE, desk.clock.unix_ns() // 1_000_000))
        await desk.state.command("HINCRBY", key, "spent", 3)
        await desk.state.command("HINCRBY", key, "held", -1)
        (found,) = (await desk.books()).drifting
        assert (found.name.split(":")[:3], found.drift) == (["key", "k1", "minute"], (3, -1))

    at_desk(store_url, scene)


def test_a_settle_after_its_window_was_forgotten_is_posted_without_it(store_url: str) -> None:
    """A cost that comes days later stands in the ledger; a window the store no longer has is not begun again."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MINUTE, MONTH))
        # A hold is known for as long as it takes; of other calls it would not be known whether they were charged.
        await desk.spending.admit(claim)
        desk.clock.advance(5 * 86_400)
        await desk.state.command("DEL", keys.budget(TENANT, keys.budget_name(MINUTE, claim.at_ms)))
        await desk.spending.settle(claim, cost(7))
        assert await desk.budget(MINUTE, claim.at_ms) == (0, 0)
        assert await desk.budget(MONTH) == (7, 0)
        assert [row["budgets"] for row in await desk.rows()] == [keys.budget_name(MONTH, claim.at_ms)]
        assert (await desk.books()).drifting == ()

    at_desk(store_url, scene)


def test_reconciling_reads_page_after_page(store_url: str) -> None:
    """A ledger longer than a page is added up whole, each row once."""

    async def scene(desk: Desk) -> None:
        wide = Budget(scope="tenant", name=TENANT, window="total", amount_nano=AMOUNT_MAX)
        for number in range(1001):
            await desk.spending.settle(desk.claim(f"o{number}", 0, budgets=(wide,)), cost(number))
        found = await desk.books()
        assert (found.rows, found.total_nano, found.drifting) == (1001, 500_500, ())
        assert found.accounts[0].posted == 500_500

    at_desk(store_url, scene)


@pytest.mark.parametrize("parts", [0, 32])
def test_a_call_has_as_many_parts_as_it_may(store_url: str, parts: int) -> None:
    """With no limit, budget or dimension at all, and with the most of each, every step goes through whole."""
    budgets = tuple(Budget(scope="tag", name=f"b{n}", window="day", amount_nano=100) for n in range(parts))
    limits = tuple(
        Limit(scope="tag", name=f"l{n}", requests_per_minute=9, concurrent=9) for n in range(parts)
    )
    used_by = tuple[tuple[Dimension, str], ...](("tag", f"t{n}") for n in range(parts))

    async def scene(desk: Desk) -> None:
        a, b, c = (
            desk.claim(name, 9, budgets=budgets, limits=limits, used_by=used_by, lapse="charge_estimate")
            for name in "abc"
        )
        for claim in (a, b, c):
            await desk.spending.admit(claim)
        assert await desk.spending.extend(a)
        assert (await desk.spending.settle(a, cost(7))).outcome == "charged"
        assert await desk.spending.release(b)
        desk.clock.advance(600)
        assert await desk.spending.lapse_due(TENANT) == 1
        assert (await desk.spending.settle(c, cost(8)))[:2] == ("adjusted", -1)
        assert len(await desk.rollup(0, a.at_ms)) == parts
        found = await desk.books()
        assert (found.rows, found.total_nano, found.drifting, len(found.accounts)) == (3, 15, (), parts)

    at_desk(store_url, scene)
