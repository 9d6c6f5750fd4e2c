"""Whatever is done in whatever order: no budget is overrun, the books agree, and each operation counts once."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from llmgw.policy.spending.books import trim
from llmgw.policy.spending.spending import HOLD_MS, LEASE_MS
from llmgw.policy.spending.values import Budget, LapsePolicy, Limit, Reservation
from llmgw.state.connection import State
from llmgw.types.errors import InternalError
from llmgw.types.limit_errors import LimitExceeded
from redis import Redis
from tests.integration.spending.desk import TENANT, Desk, cost
from tests.integration.spending.model import Model, names
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

BIG = 2**53
LIMITS = (
    Limit(scope="key", name="k1", requests_per_minute=4, tokens_per_minute=100, concurrent=3),
    Limit(scope="tenant", name=TENANT, requests_per_minute=6, tokens_per_minute=150, concurrent=4),
)
BUDGETS = (
    Budget(scope="tenant", name=TENANT, window="total", amount_nano=10 * BIG + 1),
    Budget(scope="team", name="red", window="hour", amount_nano=2 * BIG),
    Budget(scope="key", name="k1", window="minute", amount_nano=BIG + 1),
)
OPERATIONS = st.integers(0, 11).map("op{}".format)
SOME_BUDGETS = st.sets(st.sampled_from(BUDGETS), min_size=1)
SOME_LIMITS = st.sets(st.sampled_from(LIMITS))
ESTIMATES = st.one_of(st.integers(0, 3), st.integers(BIG // 2 - 1, BIG // 2 + 1), st.just(BIG + 1))
STEPS_S = st.sampled_from((0.25, 1, 7, 30, 59, 61, 600, 3600, -3, -90))


class Books(RuleBasedStateMachine):
    """Two gateways with one clock on one store, and the model; an operation has one claim for all its steps."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        with Redis.from_url(self.url) as client:
            client.flushall()
        self.clock = ManualClock()
        self.desks = [Desk(State(self.url, timeout_s=ROOMY_S), self.clock) for _ in range(2)]
        self.model = Model()
        self.claims: dict[str, Reservation] = {}
        self.trimmed: list[dict[str, str]] = []
        self.run(self.desks[0].spending.open_books(TENANT))

    def run(self, doing: Any) -> Any:
        """Wait for a coroutine."""
        return self.loop.run_until_complete(doing)

    @property
    def now(self) -> int:
        """Unix ms of the clock."""
        return self.clock.unix_ns() // 1_000_000

    def claim(self, name: str, made: Reservation | None = None) -> Reservation:
        """The one claim of an operation."""
        return self.claims.setdefault(name, made or self.desks[0].claim(name, 1, budgets=BUDGETS[:1]))

    @rule(
        name=OPERATIONS,
        estimate=ESTIMATES,
        tokens=st.integers(0, 60),
        budgets=SOME_BUDGETS,
        limits=SOME_LIMITS,
        lapse=st.sampled_from(("release", "charge_estimate")),
        desk=st.integers(0, 1),
    )
    def admit(
        self,
        name: str,
        estimate: int,
        tokens: int,
        budgets: set[Budget],
        limits: set[Limit],
        lapse: LapsePolicy,
        desk: int,
    ) -> None:
        """A call asks to be admitted, or asks again."""
        made = self.desks[desk].claim(
            name,
            estimate,
            budgets=tuple(sorted(budgets, key=lambda each: each.title)),
            limits=tuple(sorted(limits, key=lambda each: each.title)),
            tokens=tokens,
            lapse=lapse,
        )
        expected = self.model.admit(self.claim(name, made), self.now, HOLD_MS, LEASE_MS)
        assert self.run(_outcome(self.desks[desk], self.claims[name])) == expected
        if expected not in {"admitted", "again", "finished"}:
            del self.claims[name], self.model.operations[name]

    @rule(name=OPERATIONS, part=st.integers(0, 4), tokens=st.integers(0, 90), desk=st.integers(0, 1))
    def settle(self, name: str, part: int, tokens: int, desk: int) -> None:
        """A call's exact cost is told: first, again, late, or of a call that was never admitted."""
        claim = self.claim(name)
        nano = claim.estimate_nano * part // 4
        expected = self.model.settle(claim, nano, tokens)
        outcome, posted, spents = self.run(self.desks[desk].spending.settle(claim, cost(nano, tokens)))
        assert (outcome, posted) == expected
        charged = [] if outcome == "duplicate" else list(zip(claim.budgets, names(claim), strict=True))
        assert spents == tuple((budget, self.model.spent[name], posted) for budget, name in charged)

    @rule(name=OPERATIONS, desk=st.integers(0, 1))
    def release(self, name: str, desk: int) -> None:
        """A call turns out never to have been sent."""
        claim = self.claim(name)
        assert self.run(self.desks[desk].spending.release(claim)) == self.model.release(claim)

    @rule(name=OPERATIONS, desk=st.integers(0, 1))
    def extend(self, name: str, desk: int) -> None:
        """A long stream says that it is still there."""
        claim = self.claim(name)
        expected = self.model.extend(claim, self.now, HOLD_MS, LEASE_MS)
        assert self.run(self.desks[desk].spending.extend(claim)) == expected

    @rule()
    def lapse(self) -> None:
        """Both gateways sweep at once: each hold that is due ends once."""

        async def both() -> int:
            return sum(await asyncio.gather(*(desk.spending.lapse_due(TENANT) for desk in self.desks)))

        assert self.run(both()) == self.model.lapse(self.now)

    @rule(back=st.integers(0, 20), desk=st.integers(0, 1))
    def trim(self, back: int, desk: int) -> None:
        """Rows older than one of the last are put together: they are gone, and nothing else is."""
        before = self.run(self.desks[desk].rows())
        last = self.run(self.desks[desk].row_ids())[-back - 1 :][:1]
        moment = int(last[0].split("-")[0]) if last else 0
        proved = self.run(self.desks[desk].books())
        gone = self.run(trim(self.desks[desk].state, TENANT, moment, clock=self.clock))
        assert self.run(self.desks[desk].rows()) == before[gone:]
        self.trimmed += before[:gone]
        assert self.run(self.desks[desk].books()).accounts == proved.accounts

    @rule(seconds=STEPS_S)
    def pass_time(self, seconds: float) -> None:
        """Time passes, or the clock is put back."""
        self.clock.advance(seconds)

    @rule(desk=st.integers(0, 1))
    def crash(self, desk: int) -> None:
        """A gateway ends and another begins; nobody remembers what was under way, and the store no script."""
        self.run(self.desks[desk].state.aclose())
        self.desks[desk] = Desk(State(self.url, timeout_s=ROOMY_S), self.clock)
        self.run(self.desks[desk].state.command("SCRIPT", "FLUSH"))

    @invariant()
    def books_agree(self) -> None:
        """The store says what the model says, spent is the sum of the rows, and held that of the holds."""
        whole = self.run(self.desks[1].books(whole=True))
        found = self.run(self.desks[0].books())
        assert found.drifting == ()
        assert (found.accounts, found.rows, found.total_nano) == (
            whole.accounts,
            whole.rows,
            whole.total_nano,
        )
        assert self.run(self.desks[1].books()).read == 0
        assert found.trimmed == len(self.trimmed)
        assert {each.name: each.spent for each in found.accounts} == self.model.spent
        assert {each.name: each.held for each in found.accounts} == self.model.held
        limits = {each.title: each.amount_nano for each in BUDGETS}
        for each in found.accounts:
            if each.name not in self.model.overrun:
                title = ":".join(each.name.split(":")[:3])
                assert each.spent + each.held <= limits[title]

    @invariant()
    def each_operation_counts_once(self) -> None:
        """The ledger has the model's rows: of an operation at most one, and at most one adjustment."""
        rows = self.trimmed + self.run(self.desks[0].rows())
        found = [(row["op"], row["kind"], int(row["cost"])) for row in rows]
        assert sorted(found) == sorted(self.model.rows)
        counted = Counter((row["op"], row["kind"] == "adjustment") for row in rows)
        assert all(times == 1 for times in counted.values())

    @invariant()
    def each_threshold_is_told_once(self) -> None:
        """There is one event for each threshold of each window that was ever crossed, and no other."""
        events = self.run(self.desks[0].told())
        assert {each["id"]: int(each["spent_nano"]) for each in events} == self.model.told
        assert len(events) == len(self.model.told)

    def teardown(self) -> None:
        """In the end every hold lapses: nothing stays held, and what the rollups add up to is what was posted."""
        self.clock.advance(10_000)
        self.lapse()
        found = self.run(self.desks[0].books())
        assert {each.held for each in found.accounts} <= {0}
        with Redis.from_url(self.url) as client:
            for period in ("minute", "hour", "day"):
                days = client.keys(f"*:use:{period}:*")
                posted = [client.hget(key, f"tenant {TENANT}") for key in days]
                assert sum(int(each.split()[1]) for each in posted) == found.total_nano
        for desk in self.desks:
            self.run(desk.state.aclose())
        self.loop.close()


async def _outcome(desk: Desk, claim: Reservation) -> str:
    try:
        admitted = await desk.spending.admit(claim)
    except LimitExceeded as refused:
        return refused.limit
    except InternalError:
        return "finished"
    assert all(left.nano >= 0 for left in admitted.lefts)
    return "again" if admitted.again else "admitted"


def test_the_books_agree_whatever_happens(store_url: str) -> None:
    """Admissions, settlements, repetitions, lapses, late costs, crashes and clocks that jump, in any order."""
    machine = type("AtStore", (Books,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
