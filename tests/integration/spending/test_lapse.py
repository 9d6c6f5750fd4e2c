"""Holds whose time is over: what becomes of them, and of costs that come late."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.values import Budget
from llmgw.state.connection import State
from llmgw.types.errors import InternalError
from llmgw.types.json import encode
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.waiting import ROOMY_S

MONTH = Budget(scope="tenant", name=TENANT, window="month", amount_nano=1000)
MINUTE = Budget(scope="key", name="k1", window="minute", amount_nano=100)


def test_a_lapsed_hold_is_charged_once_and_mended_by_a_late_settle(store_url: str) -> None:
    """A9: the estimate is charged when the hold ends; the exact cost posts one signed row, and no more."""

    async def scene(desk: Desk) -> None:
        claim = desk.claim("a", 60, budgets=(MINUTE,))
        await desk.spending.admit(claim)
        assert await desk.spending.lapse_due(TENANT) == 0
        desk.clock.advance(600)
        assert [await desk.spending.lapse_due(TENANT) for _ in range(2)] == [1, 0]
        assert await desk.budget(MINUTE, claim.at_ms) == (60, 0)
        assert (await desk.spending.settle(claim, cost(45, 2, 3)))[:2] == ("adjusted", -15)
        assert await desk.spending.settle(claim, cost(45, 2, 3)) == ("duplicate", 0, ())
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
        assert (await desk.spending.settle(claim, cost(45)))[:2] == ("adjusted", 45)
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


def test_a_damaged_hold_does_not_keep_others_from_lapsing(store_url: str) -> None:
    """Holds whose records cannot be read, or are another's, are named; what is due beside them ends."""

    async def scene(desk: Desk) -> None:
        claims = [desk.claim(name, 10, budgets=(MONTH,)) for name in "abc"]
        for claim in claims:
            await desk.spending.admit(claim)
        await desk.state.put_hash(keys.operation(TENANT, "a"), {"r": b"{"})
        await desk.state.put_hash(
            keys.operation(TENANT, "b"), {"r": encode(desk.claim("b", 11, budgets=(MONTH,)))}
        )
        desk.clock.advance(600)
        with pytest.raises(InternalError, match=r": a, b$"):
            await desk.spending.lapse_due(TENANT)
        assert await desk.budget(MONTH) == (10, 20)
        await desk.spending.settle(claims[0], cost(1))
        assert await desk.budget(MONTH) == (11, 10)

    at_desk(store_url, scene)


class _Meddling(State):
    """A store to which something else comes first whenever a reservation is looked up."""

    first: Callable[[], Awaitable[object]]

    async def hash_fields(self, key: str, *fields: str) -> tuple[bytes | None, ...]:
        """As `State`, after what comes first."""
        found = await super().hash_fields(key, *fields)
        await self.first()
        return found


@pytest.mark.parametrize("faster", ["extend", "settle", "release"])
def test_a_sweep_that_comes_second_changes_nothing(store_url: str, faster: str) -> None:
    """A hold that was found due, and is extended or ended by its call before it lapses, does not lapse."""

    async def scene(desk: Desk) -> None:
        async with aclosing(_Meddling(store_url, timeout_s=ROOMY_S)) as state:
            claim = desk.claim("a", 60, budgets=(MONTH,))
            steps = {
                "extend": lambda: desk.spending.extend(claim),
                "settle": lambda: desk.spending.settle(claim, cost(7)),
                "release": lambda: desk.spending.release(claim),
            }
            state.first = steps[faster]
            await desk.spending.admit(claim)
            desk.clock.advance(600)
            assert await Desk(state, desk.clock).spending.lapse_due(TENANT) == 0
            taken = {"extend": (0, 60), "settle": (7, 0), "release": (0, 0)}
            assert await desk.budget(MONTH) == taken[faster]
            assert len(await desk.rows()) == (faster == "settle")

    at_desk(store_url, scene)
