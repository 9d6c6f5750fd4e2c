"""Calls that have ended and wait until the store, or the medium, has what they cost."""

import asyncio
from collections import deque
from typing import Final

from llmgw.accounting.journal.journal import Receipt
from llmgw.accounting.journal.status import JournalUnavailable
from llmgw.policy.spending.values import Charge, Reservation

PATIENCE_S: Final = 0.01
"""How long the store may take before the medium is hurried to prove a result instead."""


class Ended:
    """A call that has ended, the journal's receipt for that, and who waits until one of the two has it.

    Of a `bound` call, whose hold is to end, only the store's word counts; of others the medium's does, too. Once
    `proven` is done, `taken` says whether the store has it.
    """

    __slots__ = ("bound", "charge", "proven", "receipt", "reservation", "since", "taken")

    def __init__(
        self, reservation: Reservation, charge: Charge, receipt: Receipt | None, *, bound: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        self.reservation = reservation
        self.charge = charge
        self.receipt = receipt
        self.bound = bound
        self.since = loop.time()
        self.taken = False
        self.proven: asyncio.Future[None] = loop.create_future()
        if receipt is not None and not bound:
            receipt.tell(self.proven)

    def tell(self, *, taken: bool) -> None:
        """Say whether the store has it, where nobody has proved it yet."""
        if not self.proven.done():
            self.taken = taken
            self.proven.set_result(None)

    async def by_store(self) -> bool:
        """Return whether the store has taken it, once that is known."""
        await self.proven
        return self.taken

    async def by_either(self) -> None:
        """Return once the store or the medium has it, whichever comes first.

        And also where neither takes it, which nothing can be done about here.
        """
        try:
            await self.proven
        except JournalUnavailable:
            return

    def hurry(self) -> None:
        """Have the medium prove it soon, where that would do."""
        if self.receipt is not None and not self.bound:
            self.receipt.hurry()


class EndedCalls:
    """Those that wait, first come, first served; whoever waits for longer than `PATIENCE_S` is hurried."""

    def __init__(self) -> None:
        self._waiting: deque[Ended] = deque()
        self._in_hand: list[Ended] = []
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, ended: Ended) -> None:
        """Have one wait."""
        self._waiting.append(ended)
        if self._timer is None and not ended.bound:
            # One timer for all: most calls are proven long before it.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(ended.since + PATIENCE_S, self._hurry)
        self.wake()

    def take(self, most: int) -> list[Ended]:
        """Take the first of them in hand, in the place of those that were."""
        waiting = self._waiting
        if len(waiting) <= most:
            self._in_hand = self.take_all()
        else:
            self._in_hand = [waiting.popleft() for _ in range(most)]
        return self._in_hand

    def take_all(self) -> list[Ended]:
        """Take all that wait."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def arrival(self) -> None:
        """Return when there is one, or at `wake`."""
        if not self._waiting:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived

    def wake(self) -> None:
        """End the waiting for one."""
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _hurry(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        late = loop.time() - PATIENCE_S
        for each in (*self._in_hand, *self._waiting):
            if each.bound or each.proven.done():
                continue
            if each.since > late:
                self._timer = loop.call_at(each.since + PATIENCE_S, self._hurry)
                return
            each.hurry()
