"""What a worker notices and tells: never in a call's way, each fact once."""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from msgspec import Struct

from llmgw.policy.signals.bell import Bell
from llmgw.policy.signals.events import EventLog
from llmgw.policy.signals.leases import signal_lease
from llmgw.policy.signals.spikes import SpikeRule, tell_spikes
from llmgw.policy.spending import keys
from llmgw.policy.spending.crossing import THRESHOLDS, crossed
from llmgw.policy.spending.spending import Settled
from llmgw.policy.spending.values import Budget, Reservation, window
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import BudgetExceeded, LimitExceeded, StoreReset
from llmgw.types.signal import Event

_log = logging.getLogger(__name__)

WAITING_MAX: Final = 1000
"""Events that wait for the store; more are lost, and logged."""
TRIED_S: Final = 600.0
"""How long an event waits for a store that is away."""
SPIKES_S: Final = 60.0
_SPIKES_KEPT_MS: Final = 150_000
"""Longer than between two looks, so that one worker goes on looking."""
_LATE_MS: Final = 300_000
"""How long after its end an hour is still looked at, for calls that end later than they began."""
_HOUR_MS: Final = 3_600_000
_AGAIN_S: Final = 1.0
_KNOWN_MAX: Final = 10_000
_DAY_MS: Final = 86_400_000
_FOREVER_MS: Final = 400 * _DAY_MS


class SignalRules(Struct, frozen=True, kw_only=True):
    """What is told of: percentages of budgets, and spikes."""

    thresholds: tuple[int, ...] = THRESHOLDS
    spikes: SpikeRule = SpikeRule()


class Signals:
    """One worker's notices. `note_…` only put down what is to be told: they neither wait nor fail.

    Thresholds of budgets are written by the step that charges (`settle.lua`): of them this only lets others know.
    """

    def __init__(self, state: State, clock: Clock, rules: SignalRules | None = None) -> None:
        self.rules = rules or SignalRules()
        """Replaced as a whole when the configuration is read again."""
        self.log = EventLog(state)
        self.bell = Bell(state)
        self.lost = 0
        """Events that could not be told."""
        self._state = state
        self._clock = clock
        self._lease = signal_lease(state, "spikes", _SPIKES_KEPT_MS)
        self._waiting: deque[tuple[str, Event | None, float]] = deque()
        self._known: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Events that wait for the store, at most `waiting_max`."""
        return len(self._waiting)

    @property
    def waiting_max(self) -> int:
        """Events that there is room for."""
        return WAITING_MAX

    def note_settled(self, tenant: str, settled: Settled) -> None:
        """A call was charged: where it took a budget over a threshold, let those know who wait for events."""
        if settled.spents and crossed(settled.spents, self.rules.thresholds):
            self._put(tenant, None)

    def note_refused(self, asked: Reservation, refusal: LimitExceeded | StoreReset) -> None:
        """A call was refused: the first time in a window that a budget does, or in an hour that books are gone."""
        if isinstance(refusal, StoreReset):
            event = self._reset(asked.tenant)
        elif isinstance(refusal, BudgetExceeded):
            budget = next((each for each in asked.budgets if each.title == refusal.limit), None)
            if budget is None:
                return
            event = self._exceeded(asked, budget, refusal.left)
        else:
            return
        if (event.tenant, event.id) not in self._known:
            if len(self._known) >= _KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[event.tenant, event.id] = None
            self._put(event.tenant, event)

    def start(self) -> None:
        """Begin to tell, to listen, and to look for spikes."""
        self.bell.start()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._tell()), loop.create_task(self._watch())]

    async def aclose(self) -> None:
        """Stop; what waits is told if the store takes it at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bell.aclose()
        with contextlib.suppress(StoreUnavailable):
            while self._waiting:
                await self._tell_first()
            await self._lease.let_go()
        self.lost += len(self._waiting)
        for _, event, _ in self._waiting:
            if event is not None:
                _log.error("an event was not told: %s", event.id)
        self._waiting.clear()

    async def look_for_spikes(self) -> list[Event]:
        """Tell of the spikes of this hour, unless another worker does.

        Raises:
            StoreUnavailable: the store cannot be asked; the same again is safe.
        """
        if not await self._lease.hold():
            return []
        told: list[Event] = []
        for tenant in await self.log.tenants():
            for at_ms in self._hours():
                told += await tell_spikes(self._state, self.log, tenant, self.rules.spikes, at_ms)
            if not await self._lease.hold():
                break
        for event in told:
            await self.log.ring(event.tenant)
        return told

    def _put(self, tenant: str, event: Event | None) -> None:
        if len(self._waiting) >= WAITING_MAX:
            if event is not None:
                self.lost += 1
                self._known.pop((tenant, event.id), None)
                _log.error("an event was not told, for too many wait for the store: %s", event.id)
            return
        self._waiting.append((tenant, event, self._clock.monotonic_ns() / 1e9))
        self._wake.set()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                try:
                    await self._tell_first()
                except StoreUnavailable:
                    self._drop_late()
                    await asyncio.sleep(_AGAIN_S)
                except Exception:  # noqa: BLE001 - one bad event must not be the last one
                    _log.exception("telling an event failed")
                    self._waiting.popleft()

    async def _tell_first(self) -> None:
        tenant, event, _ = self._waiting[0]
        if event is None or await self.log.tell(event, self._kept_ms(event)):
            await self.log.ring(tenant)
        self._waiting.popleft()

    def _drop_late(self) -> None:
        now = self._clock.monotonic_ns() / 1e9
        while self._waiting and now - self._waiting[0][2] >= TRIED_S:
            tenant, event, _ = self._waiting.popleft()
            if event is not None:
                self.lost += 1
                # The next refusal may tell of it.
                self._known.pop((tenant, event.id), None)
                _log.error("an event was not told, for the store was away too long: %s", event.id)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look_for_spikes()
            except StoreUnavailable:
                pass
            except Exception:  # noqa: BLE001 - one bad look must not be the last one
                _log.exception("looking for spikes failed")
            await asyncio.sleep(SPIKES_S)

    def _hours(self) -> list[int]:
        """Moments in the hours to look at: this one, and the one before while it is just over."""
        now = self._now()
        before = now - _LATE_MS
        return [now] if now // _HOUR_MS == before // _HOUR_MS else [before, now]

    def _exceeded(self, asked: Reservation, budget: Budget, left: int) -> Event:
        name = keys.budget_name(budget, asked.at_ms)
        return Event(
            id=f"budget:{name}:exceeded",
            kind="budget.exceeded",
            at_ms=self._now(),
            tenant=asked.tenant,
            subject=name,
            numbers={
                "left_nano": left,
                "amount_nano": budget.amount_nano,
                "asked_nano": asked.estimate_nano,
                "window_ends_ms": window(budget.window, asked.at_ms).ends_ms or 0,
            },
            message="",
        )

    def _reset(self, tenant: str) -> Event:
        now = self._now()
        return Event(
            id=f"store:reset:{window('hour', now).name}",
            kind="store.reset",
            at_ms=now,
            tenant=tenant,
            subject=f"tenant:{tenant}",
            numbers={},
            message="",
        )

    def _kept_ms(self, event: Event) -> int:
        """How long a fact counts as told: past the end of its window."""
        if event.kind != "budget.exceeded":
            return 2 * _DAY_MS
        ends_ms = event.numbers["window_ends_ms"]
        return max(ends_ms - self._now(), 0) + _DAY_MS if ends_ms else _FOREVER_MS

    def _now(self) -> int:
        return self._clock.unix_ns() // 1_000_000
