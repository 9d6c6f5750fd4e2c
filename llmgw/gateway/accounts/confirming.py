"""What the store has ended, looked at again before the journal lets go of it: a store that dies may forget."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from msgspec import Struct

from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Reservation
from llmgw.types.clock import Clock
from llmgw.types.errors import Unavailable

FORCED_NS: Final = 2_000_000_000
"""How long after the store took a result it is surely on the store's disk, which is forced each second."""
EVERY_S: Final = 0.5
LOOKED_AT: Final = 500
"""Operations that the store is asked about at once."""
AT_ONCE: Final = 16
"""Questions that are under way side by side."""
_GIVEN_BACK: Final = frozenset({"released", "lapsed", "settled"})


class Taken(Struct, frozen=True):
    """An operation that the store has ended, when that is to be on its disk, and how it is to stand there."""

    due_ns: int
    reservation: Reservation
    charged: bool

    def stands(self, state: str) -> bool:
        """Whether a state that the store tells is what it was told."""
        return state == "settled" if self.charged else state in _GIVEN_BACK


class Looked(NamedTuple):
    """What a look found: operations that stand, and those that the store has forgotten or cannot be asked about."""

    stand: list[Taken]
    gone: list[Taken]


class Confirming:
    """Keeps what the store has answered until it is sure to keep it, too."""

    def __init__(self, spending: Spending, clock: Clock) -> None:
        self._spending = spending
        self._clock = clock
        self._taken: deque[Taken] = deque()
        self._look_at = 0.0

    def add(self, reservation: Reservation, *, charged: bool) -> None:
        """Take note of an operation that the store has charged, or given back."""
        self._taken.append(Taken(self._clock.monotonic_ns() + FORCED_NS, reservation, charged))

    async def look(self, *, all_now: bool = False) -> Looked:
        """Ask the store about those whose time has come, or about all; each is told of once."""
        found = Looked([], [])
        now_s, now_ns = asyncio.get_running_loop().time(), self._clock.monotonic_ns()
        if not all_now and now_s < self._look_at:
            return found
        self._look_at = now_s + EVERY_S
        due: dict[str, list[Taken]] = {}
        while self._taken and (all_now or now_ns >= self._taken[0].due_ns):
            each = self._taken.popleft()
            due.setdefault(each.reservation.tenant, []).append(each)
        looks = [
            self._ask(tenant, taken[start : start + LOOKED_AT], found)
            for tenant, taken in due.items()
            for start in range(0, len(taken), LOOKED_AT)
        ]
        for start in range(0, len(looks), AT_ONCE):
            await asyncio.gather(*looks[start : start + AT_ONCE])
        return found

    async def _ask(self, tenant: str, taken: list[Taken], found: Looked) -> None:
        try:
            states = await self._spending.states(tenant, [each.reservation.operation for each in taken])
        except Unavailable:
            states = [""] * len(taken)
        for each, state in zip(taken, states, strict=True):
            (found.stand if each.stands(state) else found.gone).append(each)
