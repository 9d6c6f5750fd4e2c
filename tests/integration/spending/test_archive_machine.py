"""Whenever a writer dies: every row is in the store or in an archive, as it was, and the sums of all agree."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from llmgw.policy.spending.archive.draft import ArchiveBusy
from llmgw.policy.spending.books import Cut, base_of, move
from llmgw.policy.spending.values import Budget
from llmgw.state.connection import State
from redis import Redis
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.integration.spending.shelf import Died, Mortal, proof, union
from tests.waiting import ROOMY_S

BUDGETS = (
    Budget(scope="tenant", name=TENANT, window="total", amount_nano=10**18),
    Budget(scope="key", name="k1", window="minute", amount_nano=10**18),
)
EVER = 2**50
STEPS = 16
"""More than one file takes."""
MOST = st.one_of(st.none(), st.integers(1, 6))


class Shelves(RuleBasedStateMachine):
    """Two machines with an archive each, and writers on them that die at some step or do not."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        with Redis.from_url(self.url) as client:
            client.flushall()
        self.place = Path(tempfile.mkdtemp())
        self.archives = [self.place / "a", self.place / "b"]
        self.desk = Desk(State(self.url, timeout_s=ROOMY_S))
        self.posted = list[tuple[str, int]]()
        self.run(self.desk.spending.open_books(TENANT))

    def run(self, doing: Any) -> Any:
        """Wait for a coroutine."""
        return self.loop.run_until_complete(doing)

    @rule(
        costs=st.lists(st.sampled_from((0, 1, 7, 2**53 + 1)), min_size=1, max_size=5),
        spent_s=st.sampled_from((0, 61)),
    )
    def post(self, costs: list[int], spent_s: int) -> None:
        """Calls are settled."""
        for nano in costs:
            name = f"op{len(self.posted)}"
            self.run(self.desk.spending.settle(self.desk.claim(name, budgets=BUDGETS), cost(nano)))
            self.posted.append((name, nano))
        self.desk.clock.advance(spent_s)

    @rule(whole=st.booleans())
    def prove(self, whole: bool) -> None:
        """The books agree."""
        found = self.run(self.desk.books(whole=whole))
        assert (found.rows, found.drifting) == (len(self.posted), ())

    @rule(place=st.integers(0, 1), most=MOST)
    def move_away(self, place: int, most: int | None) -> None:
        """A writer moves the oldest rows that are proved."""
        self.run(self._moved(place, most))

    @rule(place=st.integers(0, 1), most=MOST, at=st.integers(0, STEPS), torn=st.integers(0, 400))
    def die_over_it(self, place: int, most: int | None, at: int, torn: int) -> None:
        """A writer moves new rows, and dies over it."""
        self.post([1, 2, 3], 0)
        self.prove(whole=False)
        with Mortal(at, torn).living(), contextlib.suppress(Died):
            self.run(self._moved(place, most))

    @rule(places=st.lists(st.integers(0, 1), min_size=2, max_size=3), most=MOST)
    def move_at_once(self, places: list[int], most: int | None) -> None:
        """Several writers move new rows, of which none has heard of a lease."""
        self.post([1, 2, 3], 0)
        self.prove(whole=False)

        async def moved() -> None:
            done = await asyncio.gather(*(self._moved(each, most) for each in places), return_exceptions=True)
            assert all(isinstance(each, int | ArchiveBusy) for each in done), done

        self.run(moved())

    async def _moved(self, place: int, most: int | None) -> int:
        return await move(
            self.desk.state, TENANT, Cut(EVER, most), clock=self.desk.clock, archive=self.archives[place]
        )

    @invariant()
    def every_row_is_there_once(self) -> None:
        """In the store or in an archive, in order, and of those that left the store none is missing."""
        found = self.run(union(self.desk, self.archives))
        assert [(row.operation, row.cost) for row in found] == self.posted
        told = self.run(proof(self.desk, self.archives))
        assert (told.problems, told.gaps) == ((), ())

    def teardown(self) -> None:
        """The books agree to the end."""
        found = self.run(self.desk.books(whole=True))
        assert (found.rows, found.drifting) == (len(self.posted), ())
        assert found.total_nano == sum(nano for _, nano in self.posted)
        self.run(self.desk.state.aclose())
        self.loop.close()
        shutil.rmtree(self.place)


def test_no_row_is_lost_or_doubled(store_url: str) -> None:
    """Whatever is posted, proved and moved by whom, and wherever a writer dies."""
    run_state_machine_as_test(
        type("Here", (Shelves,), {"url": store_url}),
        settings=settings(
            max_examples=60,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("at", range(STEPS))
def test_who_comes_after_a_death_ends_what_was_begun(store_url: str, tmp_path: Path, at: int) -> None:
    """At each step: rows are once in store and archive together; the next writer leaves one file of them all."""

    async def scene(desk: Desk) -> None:
        for number in range(5):
            await desk.spending.settle(desk.claim(f"op{number}", budgets=BUDGETS), cost(number))
        await desk.books()
        mortal = Mortal(at, torn=10)
        with mortal.living(), contextlib.suppress(Died):
            await move(desk.state, TENANT, Cut(EVER, 4), clock=desk.clock, archive=tmp_path)
        assert len(await union(desk, [tmp_path])) == 5
        assert (await proof(desk, [tmp_path])).problems == ()
        gone = (await base_of(desk.state, TENANT)).sums.rows
        assert gone in {0, 4}
        if not gone:
            # It may be that more is due by now: what was begun is ended first, as it was.
            await desk.spending.settle(desk.claim("op5", budgets=BUDGETS), cost(5))
            await desk.books()
            assert await move(desk.state, TENANT, Cut(EVER), clock=desk.clock, archive=tmp_path) in {4, 6}
        told = await proof(desk, [tmp_path])
        assert (told.proved, told.files, told.notes) == (True, 1, ())
        assert [
            each.name[:6] for each in (tmp_path / TENANT).iterdir() if each.name.startswith(".draft")
        ] == []
        if not mortal.dead:
            assert (gone, mortal.steps <= at) == (4, True)
            assert len(await desk.rows()) == 1

    at_desk(store_url, scene)
