"""When a failing target rests, and how it comes back."""

from typing import Final, Literal, TypeAlias

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]

CONSECUTIVE: Final = 5
"""Failures in a row that open a breaker."""
WINDOW_S: Final = 10
"""Seconds over which outcomes are weighed."""
WINDOW_OUTCOMES: Final = 10
"""Outcomes in the window before their share of failures counts."""
WINDOW_SHARE: Final = 0.5
"""Share of failures in the window that opens a breaker."""
OPEN_S: Final = 5.0
"""Seconds an open breaker rests, and between one probe and the next."""


class Breaker:
    """Closed while a target does its work, open while it rests, half open while one probe asks after it.

    Times are seconds of one monotonic clock, handed in. Outcomes of attempts that began before the breaker
    opened say nothing new and are not recorded; the holder of the probe says `probe=True`.
    """

    __slots__ = (
        "_failures",
        "_outcomes",
        "_probing",
        "_retry_at",
        "_second",
        "consecutive",
        "opened",
        "times_opened",
    )

    def __init__(self) -> None:
        self.opened = False
        self.consecutive = 0
        """Failures since the last success."""
        self.times_opened = 0
        self._retry_at = 0.0
        self._probing = False
        self._second = 0
        self._outcomes = [0] * WINDOW_S
        self._failures = [0] * WINDOW_S

    @property
    def state(self) -> BreakerState:
        """Where the breaker stands."""
        if not self.opened:
            return "closed"
        return "half_open" if self._probing else "open"

    def rest_s(self, now: float) -> float:
        """Return the seconds until an attempt may be admitted; 0 if one may be now."""
        if not self.opened:
            return 0.0
        if self._probing:
            # The probe's end decides; what can be said is that there is no other before the next interval.
            return max(self._retry_at - now, 1.0)
        return max(self._retry_at - now, 0.0)

    def begin_probe(self, now: float) -> None:
        """An attempt is admitted while the breaker is open: it is the probe until it is over."""
        self._probing = True
        self._retry_at = now + OPEN_S

    def end_probe(self) -> None:
        """The probe is over, without a verdict if none was recorded."""
        self._probing = False

    def succeed(self, now: float, *, probe: bool) -> None:
        """Record an attempt that was answered."""
        if self.opened:
            if probe:
                self._close()
            return
        self.consecutive = 0
        self._count(now)

    def fail(self, now: float, *, probe: bool) -> bool:
        """Record an attempt that failed; say whether that opened the breaker."""
        if self.opened:
            if probe:
                self.consecutive += 1
                self._retry_at = now + OPEN_S
            return False
        self.consecutive += 1
        self._failures[self._count(now)] += 1
        outcomes, failures = self.recent(now)
        if self.consecutive < CONSECUTIVE and (
            outcomes < WINDOW_OUTCOMES or failures < WINDOW_SHARE * outcomes
        ):
            return False
        self.opened = True
        self.times_opened += 1
        self._retry_at = now + OPEN_S
        return True

    def recent(self, now: float) -> tuple[int, int]:
        """Return the outcomes and the failures among them of the last `WINDOW_S` seconds."""
        self._advance(int(now))
        return sum(self._outcomes), sum(self._failures)

    def _close(self) -> None:
        self.opened = False
        self.consecutive = 0
        self._outcomes = [0] * WINDOW_S
        self._failures = [0] * WINDOW_S

    def _count(self, now: float) -> int:
        """Count an outcome; returns where those of this second are."""
        second = int(now)
        if second != self._second:
            self._advance(second)
        slot = second % WINDOW_S
        self._outcomes[slot] += 1
        return slot

    def _advance(self, second: int) -> None:
        for passed in range(min(second - self._second, WINDOW_S)):
            slot = (second - passed) % WINDOW_S
            self._outcomes[slot] = self._failures[slot] = 0
        self._second = max(self._second, second)
