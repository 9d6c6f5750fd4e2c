"""How many attempts one target carries at a time, and who waits for the next place."""

import asyncio
from typing import Final

SHRINK: Final = 0.9
SHRINK_EVERY_S: Final = 1.0


class Slots:
    """Places at one target: as many as configured while it copes, fewer while it says it does not.

    `limit` starts at `ceiling`, falls by a tenth (at most once a second, never below one) when the target is
    overrun, and rises by one after as many successes as it counts. A place that comes free goes to whoever
    has waited longest.
    """

    __slots__ = ("_exact", "_shrunk_at", "_successes", "_waiting", "ceiling", "in_flight", "limit")

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        self.in_flight = 0
        self._exact = float(ceiling)
        self._successes = 0
        self._shrunk_at = float("-inf")
        self._waiting: dict[asyncio.Future[bool], None] = {}

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    def take(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self.in_flight >= self.limit or self._waiting:
            return False
        self.in_flight += 1
        return True

    async def wait(self, seconds: float) -> bool:
        """Wait for a place; say whether one was taken.

        At most as many wait as `ceiling` counts; for more there is none. A waiter that is cancelled leaves no
        place taken.
        """
        if len(self._waiting) >= self.ceiling:
            return False
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            # The place may have come in the same instant.
            return _granted(turn)
        except asyncio.CancelledError:
            if _granted(turn):
                self.give_back()
            raise
        finally:
            self._waiting.pop(turn, None)

    def give_back(self) -> None:
        """Free a place; it goes to the next who waits."""
        self.in_flight -= 1
        if self._waiting:
            self._admit()

    def refuse_waiting(self) -> None:
        """Send everybody away who waits."""
        while self._waiting:
            turn, _ = self._waiting.popitem()
            if not turn.done():
                turn.set_result(False)

    def resize(self, ceiling: int) -> None:
        """Follow a changed configuration."""
        untouched = self.limit == self.ceiling
        self.ceiling = ceiling
        self._set(float(ceiling) if untouched else min(self._exact, ceiling))

    def grow(self) -> None:
        """Count a success."""
        if self.limit >= self.ceiling:
            return
        self._successes += 1
        if self._successes >= self.limit:
            self._set(min(self._exact + 1, self.ceiling))

    def shrink(self, now: float) -> None:
        """The target was overrun."""
        if now - self._shrunk_at >= SHRINK_EVERY_S:
            self._shrunk_at = now
            self._set(max(self._exact * SHRINK, 1.0))

    def _set(self, exact: float) -> None:
        self._exact = exact
        self.limit = int(exact)
        self._successes = 0
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                self.in_flight += 1
                turn.set_result(True)


def _granted(turn: asyncio.Future[bool]) -> bool:
    return turn.done() and not turn.cancelled() and turn.result()
