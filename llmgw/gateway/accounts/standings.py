"""How full budgets are, for who watches them: as calls heard it, and read again where no call did for a while."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgw.policy.spending.rooms import rooms
from llmgw.policy.spending.spending import Left
from llmgw.policy.spending.values import Budget, Reservation, window
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError
from llmgw.types.limit_errors import BudgetExceeded

READ_S: Final = 15.0
"""Seconds after which what a call heard of a budget is read again."""
KNOWN_MAX: Final = 1000
"""Budgets that are watched; what is heard of more is not."""
_KEPT_MS: Final = 86_400_000
"""How long after the last call that it bounds a budget is watched."""


class _Heard(Struct, frozen=True):
    budget: Budget
    taken: int
    """Nano-USD that are spent or on hold."""
    heard_ms: int
    called_ms: int
    """When a call was bound by it, in the window that all of this is about."""

    @property
    def window(self) -> str:
        """The window's name."""
        return window(self.budget.window, self.called_ms).name


class Standings:
    """One worker's; only budgets that bound one of its calls are known. One task."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read again what no call hears of."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def admitted(self, asked: Reservation, lefts: Iterable[Left]) -> None:
        """Take in what budgets leave, once a call's estimate is on hold."""
        for budget, left in lefts:
            self._note(asked, budget, left)

    def refused(self, asked: Reservation, refusal: BudgetExceeded) -> None:
        """Take in what the budget leaves that refused a call."""
        for budget in asked.budgets:
            if budget.title == refusal.limit:
                self._note(asked, budget, refusal.left)

    def shares(self) -> Mapping[tuple[str, ...], float]:
        """What of each budget is spent or on hold in its window, by tenant and title, the fullest first.

        May be asked from another thread.
        """
        now_ms = self._now_ms()
        found = [
            (key, _share(each))
            for key, each in self._heard.copy().items()
            if each.window == window(each.budget.window, now_ms).name
        ]
        return dict(sorted(found, key=lambda pair: -pair[1]))

    async def read(self) -> None:
        """Read again what was not heard of lately, and forget what bounds nothing any more."""
        now_ms = self._now_ms()
        stale: dict[str, list[Budget]] = {}
        for (tenant, title), each in list(self._heard.items()):
            over = each.window != window(each.budget.window, now_ms).name
            if over or now_ms - each.called_ms >= _KEPT_MS:
                del self._heard[tenant, title]
            elif now_ms - each.heard_ms >= READ_S * 1000:
                stale.setdefault(tenant, []).append(each.budget)
        for tenant, budgets in stale.items():
            found = await rooms(self._state, tenant, ((), budgets), now_ms)
            for standing in found.budgets:
                key = tenant, standing.budget.title
                known = self._heard.get(key)
                if known is not None and known.heard_ms <= now_ms:
                    taken = standing.spent + standing.held
                    self._heard[key] = replace(known, budget=standing.budget, taken=taken, heard_ms=now_ms)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(READ_S)
            with contextlib.suppress(GatewayError):
                await self.read()

    def _note(self, asked: Reservation, budget: Budget, left: int) -> None:
        key = asked.tenant, budget.title
        if key in self._heard or len(self._heard) < KNOWN_MAX:
            self._heard[key] = _Heard(budget, budget.amount_nano - left, asked.at_ms, asked.at_ms)

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _share(heard: _Heard) -> float:
    """What is taken of a budget; one that leaves nothing to take is full."""
    amount = heard.budget.amount_nano
    return heard.taken / amount if amount else 1.0
