"""Many callers at once, over HTTP, with the books looked at while they call."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import aiohttp
from llmgw.policy.spending.books import reconcile
from llmgw.state.connection import State
from llmgw.types.limit_errors import StoreReset
from llmgw.types.money import NANO
from tests.e2e.money.till import Keyholder
from tests.running import Answer
from tests.waiting import ROOMY_S

CONNECTIONS = 200
"""Calls that are under way at once."""


class Seen(NamedTuple):
    """What the books said while calls went on, in nano-USD: spent and held of budgets, and their amounts."""

    proofs: list[tuple[int, int]]
    told: list[tuple[int, int, int]]


class Outcome(NamedTuple):
    """The answers of a crowd, and what was seen meanwhile."""

    answers: list[Answer]
    seen: Seen

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had each status."""
        return Counter(answer.status for answer in self.answers)

    @property
    def good(self) -> list[Answer]:
        """The answers that are no refusals."""
        return [answer for answer in self.answers if answer.status == 200]


def crowd(desk: Keyholder, store_url: str, requests: Sequence[tuple[str, Any]]) -> Outcome:
    """Make requests, each a path and a body, as many at once as there are connections."""
    return asyncio.run(_crowd(desk, store_url, requests))


async def _crowd(desk: Keyholder, store_url: str, requests: Sequence[tuple[str, Any]]) -> Outcome:
    headers = {"authorization": f"Bearer {desk.key}"}
    over = asyncio.Event()
    seen = Seen([], [])
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=300)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session,
        aiohttp.ClientSession(headers=headers, timeout=timeout) as watcher,
        aclosing(State(store_url, timeout_s=ROOMY_S)) as state,
    ):
        watching = asyncio.create_task(_watch(desk, watcher, state, over.is_set, seen))
        try:
            answers = await asyncio.gather(
                *(_asked(session, desk.gateway.root + path, body) for path, body in requests)
            )
        finally:
            over.set()
            await watching
    return Outcome(list(answers), seen)


async def _asked(session: aiohttp.ClientSession, url: str, body: Any) -> Answer:
    async with session.post(url, json=body) as response:
        return Answer(response.status, response.headers, await response.read())


async def _watch(
    desk: Keyholder, session: aiohttp.ClientSession, state: State, over: Callable[[], bool], seen: Seen
) -> None:
    """Read the books by both ways, again and again; each proof must hold."""
    while not over():
        try:
            found = await reconcile(state, desk.tenant.name)
        except StoreReset:
            # A tenant without limits has books once the first of its calls is settled.
            continue
        assert not found.drifting, found
        seen.proofs.extend((each.spent, each.held) for each in found.accounts)
        async with session.get(f"{desk.gateway.url}/me/limits") as response:
            for each in (await response.json())["budgets"]:
                spent, held, amount = (
                    round(float(each[name]) * NANO) for name in ("spent_usd", "held_usd", "amount_usd")
                )
                seen.told.append((spent, held, amount))
