"""Limits while the store is away: each worker holds its calls to its own share of them."""

from collections import deque
from typing import Final

from msgspec import Struct, field

from llmgw.policy.spending.values import Limit, Reservation
from llmgw.types.clock import Clock
from llmgw.types.limit_errors import ConcurrencyExceeded, NeverFits, RateLimited

WINDOW_NS: Final = 60_000_000_000
KEPT_MAX: Final = 4096
"""Limits that are remembered at once."""


class _Taken(Struct):
    """What was taken of one limit in the last minute, and how many calls are under way."""

    calls: deque[tuple[int, int]] = field(default_factory=deque)
    tokens: int = 0
    busy: int = 0

    def forget(self, now_ns: int) -> None:
        while self.calls and now_ns - self.calls[0][0] >= WINDOW_NS:
            self.tokens -= self.calls.popleft()[1]

    @property
    def idle(self) -> bool:
        return not self.calls and not self.busy


class LocalLimits:
    """Takes requests, tokens and places of this worker's share: a limit divided by `workers`, at least one.

    It begins anew each time the store goes away: what was admitted there is not known here.
    """

    def __init__(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        self._workers = workers
        self._taken: dict[str, _Taken] = {}

    def admit(self, asked: Reservation) -> None:
        """Take what a call needs of all its limits, or nothing.

        Raises:
            RateLimited, NeverFits, ConcurrencyExceeded: there is no room in one of them.
        """
        now_ns = self._clock.monotonic_ns()
        for limit in asked.limits:
            self._check(limit, asked.tokens, now_ns)
        for limit in asked.limits:
            taken = self._of(limit)
            taken.calls.append((now_ns, asked.tokens))
            taken.tokens += asked.tokens
            taken.busy += 1

    def leave(self, asked: Reservation) -> None:
        """Give the places of an admitted call back."""
        for limit in asked.limits:
            self._of(limit).busy -= 1

    def _check(self, limit: Limit, tokens: int, now_ns: int) -> None:
        taken = self._of(limit)
        taken.forget(now_ns)
        requests, most, busy = (self._share(each) for each in _numbers(limit))
        if requests is not None and len(taken.calls) >= requests:
            raise RateLimited(
                f"{limit.title} may make {requests} requests a minute here while the gateway's store is away",
                limit=f"{limit.title}:requests",
                left=0,
                retry_after_s=self._wait_s(taken, now_ns),
            )
        if most is not None and taken.tokens + tokens > most:
            fits = tokens <= most
            raise (RateLimited if fits else NeverFits)(
                f"{limit.title} may take {most} tokens a minute here while the gateway's store is away",
                limit=f"{limit.title}:tokens",
                left=max(0, most - taken.tokens),
                retry_after_s=self._wait_s(taken, now_ns) if fits else None,
            )
        if busy is not None and taken.busy >= busy:
            raise ConcurrencyExceeded(
                f"{limit.title} may have {busy} calls under way here while the gateway's store is away",
                limit=f"{limit.title}:concurrent",
                left=0,
                retry_after_s=1.0,
            )

    def _share(self, number: int | None) -> int | None:
        return None if number is None else number and max(1, number // self._workers)

    def _of(self, limit: Limit) -> _Taken:
        taken = self._taken.get(limit.title)
        if taken is None:
            if len(self._taken) >= KEPT_MAX:
                self._forget_idle()
            taken = self._taken[limit.title] = _Taken()
        return taken

    def _forget_idle(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for each in self._taken.values():
            each.forget(now_ns)
        self._taken = {name: each for name, each in self._taken.items() if not each.idle}

    @staticmethod
    def _wait_s(taken: _Taken, now_ns: int) -> float:
        oldest = taken.calls[0][0] if taken.calls else now_ns
        return max(0.001, (oldest + WINDOW_NS - now_ns) / 1e9)


def _numbers(limit: Limit) -> tuple[int | None, int | None, int | None]:
    return limit.requests_per_minute, limit.tokens_per_minute, limit.concurrent
