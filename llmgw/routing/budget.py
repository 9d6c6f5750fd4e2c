"""How many retries may run beside the calls that need none."""

from typing import Final

RETRY_FLOOR: Final = 3
RETRY_PER_CALLS: Final = 5


class RetryBudget:
    """Bounds retries in flight to a fifth of the active calls, and to three where there are few.

    When a provider fails for everybody, retries then add 20 % to its load and not 200 %. The scheme is
    Envoy's (`retry_budget` of its circuit breakers: 20 % of active requests, floor 3).
    """

    def __init__(self) -> None:
        self.calls = 0
        self.retries = 0

    def begin_call(self) -> None:
        """Count a call; `end_call` once for each."""
        self.calls += 1

    def end_call(self) -> None:
        """Count it no more."""
        self.calls -= 1

    def try_retry(self) -> bool:
        """Take leave for one retry; where it is granted, `end_retry` once when the retry is over."""
        if self.retries >= max(RETRY_FLOOR, self.calls // RETRY_PER_CALLS):
            return False
        self.retries += 1
        return True

    def end_retry(self) -> None:
        """Give it back."""
        self.retries -= 1
