"""When to stop asking the store: after a few failures calls fail at once, until one probe gets an answer."""

from typing import Literal, TypeAlias

from llmgw.types.clock import Clock

Admission: TypeAlias = Literal["closed", "half_open", "open"]


class Breaker:
    """Opens after `failures` in a row or `failing_s` without a success; tries again `open_s` later.

    Pure: it reads time only from `clock` and does no I/O. Whoever gets `half_open` from
    `admit` owns the single probe and must end it with `succeeded` or `failed`.
    """

    def __init__(
        self, clock: Clock, *, failures: int = 5, failing_s: float = 3.0, open_s: float = 1.0
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._failing_s = failing_s
        self._open_s = open_s
        self._count = 0
        self._first_failure: float | None = None
        self._open_until: float | None = None
        self._probing = False

    def admit(self) -> Admission:
        """Say whether a call may go out now; `half_open` is said to one caller at a time."""
        if self._open_until is None:
            return "closed"
        if self._probing or self._now_s() < self._open_until:
            return "open"
        self._probing = True
        return "half_open"

    @property
    def retry_after_s(self) -> float:
        """Seconds until the next probe is due; 0 when closed."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._now_s())

    @property
    def closed(self) -> bool:
        """Whether calls go out."""
        return self._open_until is None

    def succeeded(self) -> None:
        """The store answered: close."""
        if self._first_failure is None and self._open_until is None:
            return
        self._count = 0
        self._first_failure = None
        self._open_until = None
        self._probing = False

    def failed(self) -> None:
        """The store did not answer: count, and open when it is enough."""
        now = self._now_s()
        self._count += 1
        if self._first_failure is None:
            self._first_failure = now
        enough = self._count >= self._limit or now - self._first_failure >= self._failing_s
        if self._probing or (enough and self._open_until is None):
            self._open_until = now + self._open_s
        self._probing = False

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9
