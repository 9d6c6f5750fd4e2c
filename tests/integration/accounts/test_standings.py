"""How full budgets are, as this worker's calls and a look from time to time find it."""

from llmgw.gateway.accounts.standings import KNOWN_MAX, READ_S, Standings
from llmgw.policy.spending.values import Budget
from llmgw.types.limit_errors import BudgetExceeded
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost

MONTH = Budget(scope="team", name="search", window="month", amount_nano=1000)
HOUR = Budget(scope="tenant", name=TENANT, window="hour", amount_nano=4000)
NEITHER_MS = 3_600_000


def test_a_call_tells_of_its_budgets_and_a_look_of_what_came_after(store_url: str) -> None:
    """The fullest first; a window that is over is not shown, and its budget is forgotten with the next look."""

    async def scene(desk: Desk) -> None:
        standings = Standings(desk.state, desk.clock)
        await desk.spending.open_books(TENANT)
        asked = desk.claim("a", 500, budgets=(HOUR, MONTH))
        standings.admitted(asked, (await desk.spending.admit(asked)).lefts)
        assert list(standings.shares().items()) == [
            ((TENANT, MONTH.title), 0.5),
            ((TENANT, HOUR.title), 0.125),
        ]
        await desk.spending.settle(asked, cost(100))
        await standings.read()
        assert standings.shares()[TENANT, MONTH.title] == 0.5
        desk.clock.advance(READ_S)
        await standings.read()
        assert standings.shares()[TENANT, MONTH.title] == 0.1
        desk.clock.advance(NEITHER_MS / 1000)
        assert (TENANT, HOUR.title) not in standings.shares()

    at_desk(store_url, scene)


def test_a_refusal_tells_how_full_the_budget_is_that_refused(store_url: str) -> None:
    """Its own, and no other's."""

    async def scene(desk: Desk) -> None:
        standings = Standings(desk.state, desk.clock)
        await desk.spending.open_books(TENANT)
        asked = desk.claim("a", 2000, budgets=(HOUR, MONTH))
        try:
            await desk.spending.admit(asked)
        except BudgetExceeded as refusal:
            standings.refused(asked, refusal)
        assert standings.shares() == {(TENANT, MONTH.title): 0.0}

    at_desk(store_url, scene)


def test_budgets_without_number_take_no_memory_without_bound(store_url: str) -> None:
    """A thousand are watched; what is heard of more is not kept."""

    async def scene(desk: Desk) -> None:
        standings = Standings(desk.state, desk.clock)
        for number in range(KNOWN_MAX + 5):
            budget = Budget(scope="key", name=f"k{number}", window="total", amount_nano=number)
            asked = desk.claim(f"a{number}", budgets=(budget,))
            standings.admitted(asked, [(budget, 0)])  # type: ignore[list-item]  # as the pair that it is
        assert len(standings.shares()) == KNOWN_MAX

    at_desk(store_url, scene)
