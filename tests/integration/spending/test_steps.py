"""Each step of a call through limits, budgets and the ledger, on a real store."""

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.values import AMOUNT_MAX, Budget, Dimension, Limit
from llmgw.types.errors import InternalError
from llmgw.types.limit_errors import BudgetExceeded, ConcurrencyExceeded, RateLimited, StoreReset
from redis import Redis
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost

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
        assert await desk.spending.settle(claim, cost(7, 3, 4)) == ("charged", 7)
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


def test_settling_again_changes_nothing_and_says_so(store_url: str) -> None:
    """A second settle, with whatever cost, leaves every byte of the store as it was."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("op1", 60, budgets=(MONTH,))
        await desk.spending.admit(claim)
        await desk.spending.settle(claim, cost(7))
        before = _dump(store_url)
        assert await desk.spending.settle(claim, cost(8)) == ("duplicate", 0)
        assert await desk.spending.release(claim) is False
        assert await desk.spending.extend(claim) is False
        assert _dump(store_url) == before

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
        before = _dump(store_url)
        with pytest.raises(BudgetExceeded) as refused:
            await desk.spending.admit(desk.claim("op1", 11, budgets=budgets, limits=(limit,), tokens=5))
        assert (refused.value.limit, refused.value.left) == (f"tag:b{refusing}:day", 10)
        assert (refused.value.status, refused.value.retryable, refused.value.retry_after_s) == (
            429,
            False,
            None,
        )
        assert refused.value.resets_ms == desk.clock.unix_ns() // 1_000_000 + 24 * HOUR_MS
        assert _dump(store_url) == before

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
        with pytest.raises(RateLimited) as refused:
            await desk.spending.admit(desk.claim("c", limits=(limit,), tokens=101))
        assert refused.value.retry_after_s is None

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
        a, b, c, d = (desk.claim(name, limits=(limit,)) for name in "abcd")
        await desk.spending.admit(a)
        desk.clock.advance(10)
        await desk.spending.admit(b)
        with pytest.raises(ConcurrencyExceeded) as refused:
            await desk.spending.admit(c)
        assert (refused.value.limit, refused.value.retry_after_s) == ("team:red:concurrent", 20.0)
        assert await desk.spending.extend(a) is True
        desk.clock.advance(29)
        with pytest.raises(ConcurrencyExceeded):
            await desk.spending.admit(c)
        desk.clock.advance(1)  # b was not extended, a was
        await desk.spending.admit(c)
        await desk.spending.release(c)
        await desk.spending.admit(d)

    at_desk(store_url, scene)


def test_a_lapsed_hold_is_charged_once_and_mended_by_a_late_settle(store_url: str) -> None:
    """The estimate is charged when the hold ends; the exact cost posts one signed row, and then nothing more."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MINUTE,))
        await desk.spending.admit(claim)
        assert await desk.spending.lapse_due(TENANT) == 0
        desk.clock.advance(600)
        assert [await desk.spending.lapse_due(TENANT) for _ in range(2)] == [1, 0]
        assert await desk.budget(MINUTE, claim.at_ms) == (60, 0)
        assert await desk.spending.settle(claim, cost(45, 2, 3)) == ("adjusted", -15)
        assert await desk.spending.settle(claim, cost(45, 2, 3)) == ("duplicate", 0)
        assert await desk.budget(MINUTE, claim.at_ms) == (45, 0)
        assert [(row["kind"], row["cost"]) for row in await desk.rows()] == [
            ("lapse", "60"),
            ("adjustment", "-15"),
        ]
        assert (await desk.rollup(1, claim.at_ms))["key k1"] == (1, 45, 2, 3)
        assert (await desk.books()).drifting == ()

    at_desk(store_url, scene)


def test_a_hold_given_back_is_charged_in_full_by_a_late_settle(store_url: str) -> None:
    """With the policy `release` a lapse leaves no row; the exact cost is then the only one."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MONTH,), lapse="release")
        await desk.spending.admit(claim)
        desk.clock.advance(600)
        await desk.spending.lapse_due(TENANT)
        assert (await desk.budget(MONTH), await desk.rows()) == ((0, 0), [])
        assert await desk.spending.settle(claim, cost(45)) == ("adjusted", 45)
        assert await desk.budget(MONTH) == (45, 0)
        assert (await desk.rollup(1, claim.at_ms))["key k1"][0] == 1

    at_desk(store_url, scene)


def test_an_extended_hold_does_not_lapse(store_url: str) -> None:
    """A long stream that extends its hold keeps it past the time it was admitted for."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MONTH,))
        await desk.spending.admit(claim)
        desk.clock.advance(599)
        assert await desk.spending.extend(claim) is True
        desk.clock.advance(599)
        assert await desk.spending.lapse_due(TENANT) == 0
        assert await desk.budget(MONTH) == (0, 60)

    at_desk(store_url, scene)


def test_a_call_is_charged_to_the_window_it_was_admitted_in(store_url: str) -> None:
    """A minute that ends under way is charged all the same; the next begins with all of its money."""

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
    """A settle before its admit charges; the admit is then refused, and one after a release, too."""

    async def scene(desk: Desk) -> None:
        early, undone = desk.claim("a", 60, budgets=(MONTH,)), desk.claim("b", 60, budgets=(MONTH,))
        assert await desk.spending.settle(early, cost(7)) == ("charged", 7)
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
        before = _dump(store_url)
        assert (await desk.spending.admit(claim)).again is True
        assert _dump(store_url) == before

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
        assert _dump(store_url) == {}
        assert await desk.spending.open_books(TENANT) is True
        assert await desk.spending.epoch(TENANT) != epoch
        assert await desk.spending.settle(claim, cost(7)) == ("charged", 7)
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
        desk.clock.advance(5 * 86_400)
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
        assert await desk.spending.settle(c, cost(8)) == ("adjusted", -1)
        assert len(await desk.rollup(0, a.at_ms)) == parts
        found = await desk.books()
        assert (found.rows, found.total_nano, found.drifting, len(found.accounts)) == (3, 15, (), parts)

    at_desk(store_url, scene)


def _dump(url: str) -> dict[bytes, bytes]:
    with Redis.from_url(url) as client:
        return {key: client.dump(key) for key in sorted(client.keys())}
