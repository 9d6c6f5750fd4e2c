"""Steps that are told what cannot be: none of them runs on, so that nobody waits for it."""

from collections.abc import Sequence
from typing import Any

import pytest
from llmgw.policy.spending import scripts
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Limit
from llmgw.state.connection import Argument, Run, State
from llmgw.state.scripts import Script
from llmgw.types.errors import StoreUnavailable
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost

BUDGET = Budget(scope="tenant", name=TENANT, window="total", amount_nano=1000)
LIMIT = Limit(scope="tenant", name=TENANT, requests_per_minute=9, tokens_per_minute=99, concurrent=9)
STEPS = (scripts.ADMIT, scripts.SETTLE, scripts.EXTEND, scripts.RELEASE, scripts.LAPSE)
WRONG: tuple[Argument, ...] = (10**15, 10**300, -1, "", "inf", "nan", "x")


class Overheard:
    """A store that remembers the last run of each script."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.runs: dict[str, Run] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    async def script(
        self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument] = ()
    ) -> Any:
        """Run it."""
        self.runs[script.name] = (script, keys, arguments)
        return await self._state.script(script, keys, arguments)

    async def scripts(self, runs: Sequence[Run]) -> list[Any]:
        """Run them."""
        self.runs |= {run[0].name: run for run in runs}
        return await self._state.scripts(runs)


async def overheard(desk: Desk) -> dict[str, Run]:
    """Each of a call's steps, as it is really asked for: two operations together where that can be."""
    ears = Overheard(desk.state)
    spending = Spending(ears, clock=desk.clock, lease_ms=10)  # type: ignore[arg-type]
    claims = [desk.claim(name, 10, budgets=(BUDGET,), limits=(LIMIT,), tokens=5) for name in "abcd"]
    for claim in claims:
        await spending.admit(claim)
    await spending.extend(claims[0])
    await spending.release(claims[0])
    await spending.settle_all([(each, cost(900, 1, 1)) for each in claims[1:3]])
    desk.clock.advance(3600)
    assert await spending.lapse_due(TENANT) == 1
    return ears.runs


@pytest.mark.parametrize("script", STEPS, ids=lambda script: script.name)
def test_whatever_one_argument_says_a_step_ends(script: Script, store_url: str) -> None:
    """Each argument in turn, and one too few or too many, is answered or refused within the store's own time."""

    async def scene(desk: Desk) -> None:
        _, names, arguments = (await overheard(desk))[script.name]
        assert arguments
        wrong = [
            [*arguments[:place], word, *arguments[place + 1 :]]
            for place in range(len(arguments))
            for word in WRONG
        ]
        wrong += [[*arguments[:place], *arguments[place + 1 :]] for place in range(len(arguments))]
        wrong += [[*arguments, 1], []]
        refusals: set[str] = set()
        for each in wrong:
            # A new operation, for one that has ended is answered before much is read.
            fresh = [*names[:1], f"llmgw:spend:{{{TENANT}}}:op:new", *names[2:]]
            await desk.state.command("DEL", fresh[1])
            for keys in (names, fresh):
                try:
                    await desk.state.script(script, keys, each)
                except StoreUnavailable as error:
                    refusals.add(error.message)
        # Of a server that still runs it another is told: that it does not answer.
        assert refusals == {"the gateway's store refuses the command"}

    at_desk(store_url, scene)
