"""What the parts of a worker keep themselves, shown when that is asked for; but for the lag nothing is measured."""

import asyncio
from collections.abc import Mapping
from typing import Final

from llmgw.accounting.journal.settings import JournalSettings
from llmgw.app.handover import Handover
from llmgw.http.runtime import Runtime
from llmgw.routing.breaker import BreakerState
from llmgw.telemetry import service_definitions as names
from llmgw.telemetry.aggregates import OTHER
from llmgw.telemetry.export import MAX_QUEUE
from llmgw.telemetry.own_process import OwnProcess
from llmgw.telemetry.points import Labels
from llmgw.telemetry.recorder import Recorder
from llmgw.upstream import Upstream

TICK_S: Final = 0.25
"""Seconds between two looks at how late the event loop is."""

_STATES: Final[Mapping[BreakerState, int]] = {"closed": 0, "half_open": 1, "open": 2}


def watch(recorder: Recorder, runtime: Runtime, upstream: Upstream) -> None:
    """Have everything reported that the parts keep; each is asked from another thread, and copies what it reads."""
    recorder.watch(names.CALLS_ACTIVE, lambda: len(runtime.exchanges))
    recorder.watch(names.CONFIG_GENERATION, lambda: runtime.generation.number)
    recorder.watch(names.STORE_UP, lambda: float(runtime.state.up))
    recorder.watch(names.BREAKER_STATE, lambda: _breakers(runtime))
    recorder.watch(names.POOL_CONNECTIONS, upstream.connections)
    recorder.watch(names.BUDGET_USED, runtime.accounts.standings.shares)
    recorder.watch(names.QUEUE_DEPTH, lambda: _depths(recorder, runtime))
    recorder.watch(names.QUEUE_LIMIT, lambda: _limits(runtime))
    process = OwnProcess()
    recorder.watch(names.PROCESS_CPU, process.cpu_s)
    recorder.watch(names.PROCESS_MAX_FDS, process.max_fds)
    recorder.watch(names.PROCESS_OPEN_FDS, process.open_fds)
    recorder.watch(names.PROCESS_RESIDENT_MEMORY, process.resident_bytes)
    recorder.watch(names.PROCESS_START_TIME, process.started_s)
    recorder.watch(names.PROCESS_VIRTUAL_MEMORY, process.virtual_bytes)


def watch_reloads(recorder: Recorder, runtime: Runtime, handover: Handover) -> None:
    """Have reloads reported since the gateway began, whichever worker it was then; for one worker of a gateway."""
    recorder.watch(
        names.CONFIG_RELOADS,
        lambda: {
            ("applied",): runtime.generation.number - 1,
            ("refused",): handover.last.refused,
        },
    )


class Lag:
    """Measures how much later than it is due a timer runs: what every call waits for at every step."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + TICK_S
        self._timer = loop.call_at(self._due, self._tick, loop)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._recorder.lag(max(0.0, now - self._due))
        # From now on: what was missed meanwhile was one lag, not many.
        self._due = now + TICK_S
        self._timer = loop.call_at(self._due, self._tick, loop)


def _breakers(runtime: Runtime) -> Mapping[Labels, float]:
    """The states of all targets that the configuration names, and the worst of those callers ask for besides."""
    configured = {target.name for target in runtime.generation.gateway.catalog.targets()}
    found: dict[Labels, float] = {(name,): 0 for name in sorted(configured)}
    for name, state in runtime.health.states().items():
        label = (name,) if name in configured else (OTHER,)
        found[label] = max(found.get(label, 0), _STATES[state])
    return found


def _depths(recorder: Recorder, runtime: Runtime) -> Mapping[Labels, float]:
    accounts = runtime.accounts
    return {
        ("calls",): len(runtime.exchanges),
        ("held",): accounts.settler.held,
        ("journal",): accounts.journal.state.counts.open_operations,
        ("settles",): accounts.settler.queued,
        ("signals",): runtime.signals.waiting,
        ("spans",): recorder.spans_waiting,
    }


def _limits(runtime: Runtime) -> Mapping[Labels, float]:
    accounts = runtime.accounts
    return {
        ("calls",): runtime.limits.max_in_flight,
        ("held",): accounts.settler.held_max,
        ("journal",): JournalSettings().open_operations,
        ("signals",): runtime.signals.waiting_max,
        ("spans",): MAX_QUEUE,
    }
