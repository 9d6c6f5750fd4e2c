"""A tenant's books on a real store, by a clock that moves when a test says so."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

from llmgw.policy.spending import keys
from llmgw.policy.spending.books import Reconciled, reconcile
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Charge, Dimension, LapsePolicy, Limit, Reservation
from llmgw.state.connection import State
from redis import Redis
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

TENANT: Final = "acme"


class Desk:
    """One gateway's worth of spending, and a look at what the store has of it."""

    def __init__(self, state: State, clock: ManualClock | None = None) -> None:
        self.state = state
        self.clock = clock or ManualClock()
        self.spending = Spending(state, clock=self.clock)

    def claim(
        self,
        operation: str,
        estimate: int = 0,
        *,
        budgets: tuple[Budget, ...] = (),
        limits: tuple[Limit, ...] = (),
        tokens: int = 0,
        lapse: LapsePolicy = "charge_estimate",
        tenant: str = TENANT,
        used_by: tuple[tuple[Dimension, str], ...] | None = None,
    ) -> Reservation:
        """A reservation as of now, counted for its tenant and one key unless others are named."""
        return Reservation(
            operation=operation,
            tenant=tenant,
            at_ms=self.clock.unix_ns() // 1_000_000,
            estimate_nano=estimate,
            tokens=tokens,
            limits=limits,
            budgets=budgets,
            used_by=(("tenant", tenant), ("key", "k1")) if used_by is None else used_by,
            lapse=lapse,
        )

    async def budget(self, budget: Budget, at_ms: int | None = None, tenant: str = TENANT) -> tuple[int, int]:
        """Spent and held of a budget's window, that of now unless another moment is named."""
        at = self.clock.unix_ns() // 1_000_000 if at_ms is None else at_ms
        found = await self.state.hash_fields(
            keys.budget(tenant, keys.budget_name(budget, at)), "spent", "held"
        )
        return int(found[0] or 0), int(found[1] or 0)

    async def rows(self, tenant: str = TENANT) -> list[dict[str, str]]:
        """The ledger, oldest first."""
        found = await self.state.command("XRANGE", keys.of(tenant, "ledger"), "-", "+")
        return [_texts(fields) for _, fields in found]

    async def told(self, tenant: str = TENANT) -> list[dict[str, str]]:
        """The tenant's events, oldest first."""
        found = await self.state.command("XRANGE", keys.events(tenant), "-", "+")
        return [_texts(fields) for _, fields in found]

    async def rollup(self, period: int, at_ms: int, tenant: str = TENANT) -> dict[str, tuple[int, ...]]:
        """Calls, cost, tokens in and out that were added up for a minute (0), hour (1) or day (2)."""
        found = await self.state.command("HGETALL", keys.rollups(tenant, at_ms)[period])
        return {name: tuple(map(int, value.split())) for name, value in _texts(found).items()}

    async def row_ids(self, tenant: str = TENANT) -> list[str]:
        """The ids of the ledger's rows, oldest first."""
        found = await self.state.command("XRANGE", keys.of(tenant, "ledger"), "-", "+")
        return [row_id.decode() for row_id, _ in found]

    async def books(self, tenant: str = TENANT, *, whole: bool = False) -> Reconciled:
        """The tenant's books at this instant."""
        return await reconcile(self.state, tenant, clock=self.clock, whole=whole)


def cost(nano: int, tokens_in: int = 0, tokens_out: int = 0) -> Charge:
    """What a call took."""
    return Charge(cost_nano=nano, input_tokens=tokens_in, output_tokens=tokens_out)


def at_desk(url: str, scene: Callable[[Desk], Awaitable[None]]) -> None:
    """Play a scene at a desk whose books are open."""

    async def play() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            desk = Desk(state)
            await desk.spending.open_books(TENANT)
            await scene(desk)

    asyncio.run(play())


def dump(url: str) -> dict[bytes, bytes]:
    """All that a store holds."""
    with Redis.from_url(url) as client:
        return {key: client.dump(key) for key in sorted(client.keys())}


def _texts(fields: Any) -> dict[str, str]:
    pairs = fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}
