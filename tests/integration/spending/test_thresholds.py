"""The thresholds of budgets are told by the step that charges, on a real store."""

import asyncio

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.crossing import crossed, mark_nano
from llmgw.policy.spending.spending import Settled
from llmgw.policy.spending.values import AMOUNT_MAX, Budget, Reservation
from llmgw.state.connection import State
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.waiting import ROOMY_S

THRESHOLDS = (50, 80, 100)
SEARCH = Budget(scope="team", name="search", window="month", amount_nano=1000)


async def take(desk: Desk, operation: str, nano: int, *budgets: Budget) -> tuple[Reservation, Settled]:
    """One call that costs so much."""
    claim = desk.claim(operation, nano, budgets=budgets)
    await desk.spending.admit(claim)
    return claim, await desk.spending.settle(claim, cost(nano))


def test_settling_says_what_each_budget_has_spent_by_then(store_url: str) -> None:
    """Each budget's spent amount after this charge and no later one; a duplicate says nothing."""

    async def scene(desk: Desk) -> None:
        day = Budget(scope="key", name="k1", window="day", amount_nano=10**18)
        await take(desk, "a", 40, SEARCH)
        claim, settled = await take(desk, "b", 7, SEARCH, day)
        assert settled.spents == ((SEARCH, 47, 7), (day, 7, 7))
        assert await desk.spending.settle(claim, cost(7)) == ("duplicate", 0, ())

    at_desk(store_url, scene)


def test_a_window_that_is_not_kept_is_not_said_to_be_charged(store_url: str) -> None:
    """Of a call whose minute is long forgotten only the month is charged, and only the month is said."""

    async def scene(desk: Desk) -> None:
        minute = Budget(scope="key", name="k1", window="minute", amount_nano=100)
        claim = desk.claim("late", 60, budgets=(minute, SEARCH))
        await desk.spending.admit(claim)
        desk.clock.advance(5 * 86_400)
        settled = await desk.spending.settle(claim, cost(60))
        assert settled.spents == ((SEARCH, 60, 60),)

    at_desk(store_url, scene)


@pytest.mark.parametrize("amount", [1000, 20_000_003, 2**53 + 11, AMOUNT_MAX])
def test_two_hundred_at_once_tell_each_threshold_once(store_url: str, amount: int) -> None:
    """Of 200 calls that settle at once through four gateways, one crosses each threshold, and it is told once."""
    budget = Budget(scope="team", name="search", window="month", amount_nano=amount)

    async def scene(desk: Desk) -> None:
        desks = [Desk(State(store_url, timeout_s=ROOMY_S, max_connections=16), desk.clock) for _ in range(4)]
        share = amount // 200
        claims = [desk.claim(f"op{n}", share, budgets=(budget,)) for n in range(200)]
        costs = [share + (amount - 200 * share if n == 0 else 0) for n in range(200)]
        await asyncio.gather(*(desks[n % 4].spending.admit(claims[n]) for n in range(200)))
        settled = await asyncio.gather(
            *(desks[n % 4].spending.settle(claims[n], cost(costs[n])) for n in range(200))
        )
        crossings = [each for one in settled for each in crossed(one.spents, THRESHOLDS)]
        assert sorted(each.percent for each in crossings) == list(THRESHOLDS)
        events = await desk.told()
        assert [int(each["percent"]) for each in events] == list(THRESHOLDS)
        spent = {each.percent: each.after_nano for each in crossings}
        name = keys.budget_name(budget, claims[0].at_ms)
        for event in events:
            percent = int(event["percent"])
            assert event["id"] == f"budget:{name}:{percent}"
            assert (event["kind"], event["subject"]) == ("budget.threshold", name)
            assert (int(event["spent_nano"]), int(event["amount_nano"])) == (spent[percent], amount)
            assert int(event["spent_nano"]) >= mark_nano(amount, percent)
        for each in desks:
            await each.state.aclose()

    at_desk(store_url, scene)


def test_a_settle_that_comes_again_tells_nothing_again(store_url: str) -> None:
    """A replay of what was charged before its gateway was killed finds the event there, and adds none."""

    async def scene(desk: Desk) -> None:
        claim, _ = await take(desk, "a", 900, SEARCH)
        before = await desk.told()
        assert [each["percent"] for each in before] == ["50", "80"]
        assert (await desk.spending.settle(claim, cost(900))).outcome == "duplicate"
        assert await desk.told() == before

    at_desk(store_url, scene)


def test_a_threshold_that_a_refund_takes_down_is_not_told_twice(store_url: str) -> None:
    """A lapsed hold crosses 80 %, its true cost takes it down, the next call up again: one event."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 850, budgets=(SEARCH,))
        await desk.spending.admit(claim)
        desk.clock.advance(601)
        assert await desk.spending.lapse_due(TENANT) == 1
        assert [each["percent"] for each in await desk.told()] == ["50", "80"]
        settled = await desk.spending.settle(claim, cost(100))
        assert settled.spents == ((SEARCH, 100, -750),)
        await take(desk, "b", 800, SEARCH)
        assert [each["percent"] for each in await desk.told()] == ["50", "80"]

    at_desk(store_url, scene)


def test_a_budget_that_was_raised_has_thresholds_of_its_own(store_url: str) -> None:
    """Over 50 % of the raised amount is another fact than over 50 % of the old one, and has another id."""

    async def scene(desk: Desk) -> None:
        await take(desk, "a", 600, SEARCH)
        raised = Budget(scope="team", name="search", window="month", amount_nano=2000)
        await take(desk, "b", 600, raised)
        events = await desk.told()
        name = events[0]["subject"]
        assert [each["id"] for each in events] == [f"budget:{name}:50", f"budget:{name}:50@2000"]

    at_desk(store_url, scene)


def test_the_thresholds_are_those_that_are_set(store_url: str) -> None:
    """Other percentages are told instead, from the next settle on; none at all tells nothing."""

    async def scene(desk: Desk) -> None:
        desk.spending.thresholds = (10, 99)
        await take(desk, "a", 500, SEARCH)
        desk.spending.thresholds = ()
        await take(desk, "b", 495, SEARCH)
        assert [each["percent"] for each in await desk.told()] == ["10"]

    at_desk(store_url, scene)
