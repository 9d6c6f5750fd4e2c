"""Several operations settled in one step of the store: each as if it were alone."""

from llmgw.policy.spending import keys
from llmgw.policy.spending.spending import Settled
from llmgw.policy.spending.values import Budget, Dimension, Limit, Reservation
from llmgw.types.errors import StoreUnavailable
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost

BUDGET = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10_000)
LIMIT = Limit(scope="tenant", name=TENANT, tokens_per_minute=10_000, concurrent=9)


def bound(desk: Desk, name: str, key: str = "k1") -> Reservation:
    """A claim on all there is."""
    used_by: tuple[tuple[Dimension, str], ...] = (("tenant", TENANT), ("key", key))
    return desk.claim(name, 100, budgets=(BUDGET,), limits=(LIMIT,), tokens=50, used_by=used_by)


def test_each_is_charged_once_and_counted_for_its_own_users(store_url: str) -> None:
    """Rows, budgets, rates, leases and sums come to what settling one after the other brings; twice is once."""

    async def scene(desk: Desk) -> None:
        first, second, other = bound(desk, "a"), bound(desk, "b"), bound(desk, "c", "k2")
        for each in (first, second, other):
            await desk.spending.admit(each)
        ended = [(first, cost(7, 3, 4)), (second, cost(20, 1, 1)), (other, cost(5)), (first, cost(7, 3, 4))]
        found = await desk.spending.settle_all(ended)
        assert [each.outcome for each in found if isinstance(each, Settled)] == [
            *["charged"] * 3,
            "duplicate",
        ]
        assert [(row["op"], row["cost"]) for row in await desk.rows()] == [
            ("a", "7"),
            ("b", "20"),
            ("c", "5"),
        ]
        assert await desk.budget(BUDGET) == (32, 0)
        for period in range(3):
            assert await desk.rollup(period, first.at_ms) == {
                f"tenant {TENANT}": (3, 32, 4, 5),
                "key k1": (2, 27, 4, 5),
                "key k2": (1, 5, 0, 0),
            }
        rate = await desk.state.hash_fields(keys.of(TENANT, f"rate:{LIMIT.title}"), "r", "t")
        assert rate == (b"3", b"9")
        assert await desk.state.command("ZCARD", keys.of(TENANT, f"leases:{LIMIT.title}")) == 0
        assert await desk.state.command("HLEN", keys.of(TENANT, "open")) == 0
        assert (await desk.books()).drifting == ()

    at_desk(store_url, scene)


def test_one_that_is_damaged_leaves_the_others_to_their_end(store_url: str) -> None:
    """Those before and behind it are charged; it is told as not taken, and nothing of it is posted."""

    async def scene(desk: Desk) -> None:
        claims = [bound(desk, name) for name in ("before", "damaged", "behind")]
        for each in (claims[0], claims[2]):
            await desk.spending.admit(each)
        await desk.state.command("SET", keys.operation(TENANT, "damaged"), "x")
        found = await desk.spending.settle_all([(each, cost(10)) for each in claims])
        assert [type(each) for each in found] == [Settled, StoreUnavailable, Settled]
        assert [row["op"] for row in await desk.rows()] == ["before", "behind"]
        assert await desk.rollup(0, claims[0].at_ms) == {
            f"tenant {TENANT}": (2, 20, 0, 0),
            "key k1": (2, 20, 0, 0),
        }

    at_desk(store_url, scene)


def test_what_could_not_be_posted_keeps_its_hold_and_is_charged_when_it_comes_again(store_url: str) -> None:
    """Where the ledger takes no row, nothing is charged or given back; once it does, each is charged once."""

    async def scene(desk: Desk) -> None:
        claims = [bound(desk, name) for name in ("first", "second")]
        for each in claims:
            await desk.spending.admit(each)
        ledger = keys.of(TENANT, "ledger")
        await desk.state.command("SET", ledger, "no stream")
        ended = [(each, cost(10)) for each in claims]
        assert [type(each) for each in await desk.spending.settle_all(ended)] == [StoreUnavailable] * 2
        assert await desk.budget(BUDGET) == (0, 200)
        assert await desk.state.command("HLEN", keys.of(TENANT, "open")) == 2
        await desk.state.command("DEL", ledger)
        assert [type(each) for each in await desk.spending.settle_all(ended)] == [Settled] * 2
        assert await desk.budget(BUDGET) == (20, 0)
        assert [row["op"] for row in await desk.rows()] == ["first", "second"]

    at_desk(store_url, scene)


def test_what_lapsed_is_adjusted_beside_the_others(store_url: str) -> None:
    """Each by its own state: one row each, and a call is counted once."""

    async def scene(desk: Desk) -> None:
        lapsed, running = bound(desk, "lapsed"), bound(desk, "running")
        await desk.spending.admit(lapsed)
        desk.clock.advance(3_600)
        await desk.spending.lapse_due(TENANT)
        await desk.spending.admit(running)
        late = bound(desk, "never-admitted")
        await desk.spending.settle_all([(running, cost(1)), (lapsed, cost(30)), (late, cost(2))])
        rows = [(row["op"], row["kind"], row["cost"]) for row in await desk.rows()]
        assert rows[0] == ("lapsed", "lapse", "100")
        assert sorted(rows[1:]) == [
            ("lapsed", "adjustment", "-70"),
            ("never-admitted", "settle", "2"),
            ("running", "settle", "1"),
        ]
        assert await desk.budget(BUDGET) == (33, 0)

    at_desk(store_url, scene)


def test_more_than_one_step_takes_are_several(store_url: str) -> None:
    """Each has its answer in the order of the asking, over windows, bounds and steps."""

    async def scene(desk: Desk) -> None:
        ended = [(desk.claim(f"op{number}"), cost(number)) for number in range(40)]
        ended.insert(7, (bound(desk, "bound"), cost(1000)))
        found = await desk.spending.settle_all(ended)
        costs = [each.posted_nano for each in found if isinstance(each, Settled)]
        assert costs == [charge.cost_nano for _, charge in ended]
        assert await desk.budget(BUDGET) == (1000, 0)

    at_desk(store_url, scene)
