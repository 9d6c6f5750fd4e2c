"""How targets fare: breakers, cooldowns and places, kept by target name through every reload.

An attempt holds a `Lease` from before it is sent until its answer is over:

    lease = health.try_acquire(target) or await health.acquire(target)
    with lease:
        ...  # an exception that leaves here is the attempt's outcome; none is a success

What an outcome does:

    outcome                                           breaker   places          rest
    none; ProviderRefused, for it did answer          success   +1 in a round
    ProviderRateLimited                               alive     x 0.9           Retry-After, at most 60 s
    ProviderOverloaded                                failure   x 0.9           Retry-After, at most 60 s
    ProviderTimeout                                   failure   x 0.9
    other faults of the provider (`FAILURES`)         failure
    anything else: cancelled, client gone, our own    -         -

*Alive* ends a probe well and is not counted otherwise.
"""

import math
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from llmgw.routing.breaker import Breaker, BreakerState
from llmgw.routing.slots import Slots
from llmgw.types.errors import (
    Overloaded,
    ProviderAuth,
    ProviderBadResponse,
    ProviderBadStream,
    ProviderError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderTlsError,
    ProviderUnreachable,
    StreamInterrupted,
)
from llmgw.types.target import Target

QUEUE_WAIT_S: Final = 1.0
"""Longest wait for a place at a target."""
MAX_COOLDOWN_S: Final = 60.0
"""Longest rest a provider's Retry-After brings about."""
MAX_TARGETS: Final = 4096
"""Targets remembered; callers can name any model, so the unremarkable ones are forgotten beyond this."""

FAILURES: Final = (
    ProviderAuth,
    ProviderBadResponse,
    ProviderBadStream,
    ProviderFailed,
    ProviderOverloaded,
    ProviderQuotaExhausted,
    ProviderTimeout,
    ProviderTlsError,
    ProviderUnreachable,
    StreamInterrupted,
)
"""Outcomes that speak against the target."""

OVERRUN: Final = (ProviderOverloaded, ProviderRateLimited, ProviderTimeout)
"""Outcomes that ask for fewer calls at a time."""


class TargetHealth(Struct, frozen=True, kw_only=True):
    """One target as operators see it; times are in seconds from now."""

    target: str
    state: BreakerState
    rest_s: float
    """Until it is tried again; 0 when it may be tried now."""
    consecutive_failures: int
    recent_outcomes: int
    recent_failures: int
    times_opened: int
    in_flight: int
    waiting: int
    limit: int
    max_concurrency: int
    last_error: str | None
    last_error_ago_s: float | None


class Lease:
    """A place at a target, held by one attempt; given back exactly once, with the outcome."""

    __slots__ = ("_health", "_open", "_probe", "_state")

    def __init__(self, health: "Health", state: "_State", *, probe: bool) -> None:
        self._health = health
        self._state = state
        self._probe = probe
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, outcome: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle(outcome)

    def answered(self) -> None:
        """The target has begun to answer: a probe need not run to its end to have shown that it does."""
        if self._probe:
            self._probe = False
            self._health.close_breaker(self._state)

    def settle(self, outcome: BaseException | None = None) -> None:
        """Give the place back and record the outcome; only the first of several calls counts."""
        if self._open:
            self._open = False
            self._health.record(self._state, outcome, probe=self._probe)


class Health:
    """Knows of every target whether it may be tried, and how many attempts it carries.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}

    def rest_s(self, target: Target) -> float:
        """Return the seconds until `target` may be tried again; 0 when it may be tried now."""
        state = self._states.get(target.name)
        if state is None or state.rested:
            return 0.0
        return state.rest_s(self._clock())

    def try_acquire(self, target: Target) -> Lease | None:
        """Take a place if the target may be tried and has one free now."""
        state = self._state_of(target)
        if not state.rested and state.rest_s(self._clock()) > 0:
            return None
        return self._lease(state) if state.slots.take() else None

    async def acquire(self, target: Target, wait_s: float = QUEUE_WAIT_S) -> Lease:
        """Take a place, waiting up to `wait_s` for one.

        Raises:
            Overloaded: none came free, too many wait already, or the target rests.
        """
        state = self._state_of(target)
        slots = state.slots
        self._refuse_resting(state)
        if not (slots.take() or await slots.wait(wait_s)):
            self._refuse_resting(state)
            raise Overloaded(
                f"{state.name} is at its limit of {slots.limit} calls at a time", retry_after_s=1.0
            )
        try:
            self._refuse_resting(state)
        except Overloaded:
            slots.give_back()
            raise
        return self._lease(state)

    def snapshot(self, configured: Iterable[Target] = ()) -> list[TargetHealth]:
        """Describe the configured targets in their order, then the others that were called, by name."""
        now = self._clock()
        names = [target.name for target in configured]
        states = [self._states.get(target.name) or _State(target) for target in configured]
        states += [self._states[name] for name in sorted(self._states.keys() - set(names))]
        return [state.describe(now) for state in states]

    def states(self) -> dict[str, BreakerState]:
        """Say where the breaker of each target stands that was called; may be asked from another thread."""
        return {name: state.breaker.state for name, state in self._states.copy().items()}

    def record(self, state: "_State", outcome: BaseException | None, *, probe: bool) -> None:
        """Note how an attempt ended and free its place; called by its lease."""
        now = self._clock()
        breaker, slots = state.breaker, state.slots
        if outcome is None or isinstance(outcome, ProviderRefused):
            breaker.succeed(now, probe=probe)
            slots.grow()
        elif isinstance(outcome, ProviderError):
            self._record_fault(state, outcome, now, probe=probe)
        if probe:
            breaker.end_probe()
        slots.give_back()

    def close_breaker(self, state: "_State") -> None:
        """A probe was answered; called by its lease."""
        state.breaker.succeed(self._clock(), probe=True)
        state.breaker.end_probe()

    def _record_fault(self, state: "_State", fault: ProviderError, now: float, *, probe: bool) -> None:
        if isinstance(fault, FAILURES):
            if state.breaker.fail(now, probe=probe):
                state.slots.refuse_waiting()
        elif isinstance(fault, ProviderRateLimited) and probe:
            state.breaker.succeed(now, probe=True)
        if isinstance(fault, OVERRUN):
            state.slots.shrink(now)
        if isinstance(fault, ProviderOverloaded | ProviderRateLimited):
            state.cool(now, fault.retry_after_s)
        state.last_error = fault.code
        state.last_error_at = now

    def _refuse_resting(self, state: "_State") -> None:
        rest_s = 0.0 if state.rested else state.rest_s(self._clock())
        if rest_s > 0:
            raise Overloaded(f"{state.name} rests after failures", retry_after_s=rest_s)

    def _lease(self, state: "_State") -> Lease:
        probe = state.breaker.opened
        if probe:
            state.breaker.begin_probe(self._clock())
        return Lease(self, state, probe=probe)

    def _state_of(self, target: Target) -> "_State":
        state = self._states.get(target.name)
        if state is None:
            if len(self._states) >= MAX_TARGETS:
                self._forget_one()
            state = self._states[target.name] = _State(target)
        elif state.slots.ceiling != target.max_concurrency:
            state.slots.resize(target.max_concurrency)
        return state

    def _forget_one(self) -> None:
        now = self._clock()
        for name, state in self._states.items():
            if state.unremarkable(now):
                del self._states[name]
                return


class _State:
    """What is known of one target."""

    __slots__ = ("_cooling_until", "breaker", "last_error", "last_error_at", "name", "slots")

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self.breaker = Breaker()
        self.slots = Slots(target.max_concurrency)
        self.last_error: str | None = None
        self.last_error_at = 0.0
        self._cooling_until = 0.0

    @property
    def rested(self) -> bool:
        """Whether nothing is known that could keep the target from being tried; needs no clock."""
        return not self.breaker.opened and not self._cooling_until

    def rest_s(self, now: float) -> float:
        cooling_s = self._cooling_until - now
        if cooling_s <= 0:
            self._cooling_until = 0.0
        return max(self.breaker.rest_s(now), cooling_s, 0.0)

    def cool(self, now: float, retry_after_s: float | None) -> None:
        if retry_after_s is not None and math.isfinite(retry_after_s) and retry_after_s > 0:
            self._cooling_until = max(self._cooling_until, now + min(retry_after_s, MAX_COOLDOWN_S))

    def unremarkable(self, now: float) -> bool:
        return (
            self.slots.in_flight == self.slots.waiting == 0
            and self.rest_s(now) <= 0
            and not self.breaker.opened
        )

    def describe(self, now: float) -> TargetHealth:
        outcomes, failures = self.breaker.recent(now)
        return TargetHealth(
            target=self.name,
            state=self.breaker.state,
            rest_s=self.rest_s(now),
            consecutive_failures=self.breaker.consecutive,
            recent_outcomes=outcomes,
            recent_failures=failures,
            times_opened=self.breaker.times_opened,
            in_flight=self.slots.in_flight,
            waiting=self.slots.waiting,
            limit=self.slots.limit,
            max_concurrency=self.slots.ceiling,
            last_error=self.last_error,
            last_error_ago_s=now - self.last_error_at if self.last_error else None,
        )
