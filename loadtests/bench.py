"""Runs scenarios: every server in turn under the same load, in the same minutes, with its CPU time booked."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from loadtests.accounting import Usage, cpu_s, family_of, usage_of, worker_rss_mib
from loadtests.generator import Load, Shot, Tally
from loadtests.scenarios import Scenario, shot
from loadtests.subjects import Gateway, Limit, Static, Subject

SHARE = 0.4
"""The paced load, as a share of what the gateway reached at saturation."""


_RATE_OF_THE_BROKEN = 100.0
"""What is asked of servers that all failed, so that their errors show."""


class Times(Struct, frozen=True, kw_only=True):
    """Seconds per measurement; each is split into `rounds` so that all servers see the same disturbances."""

    rounds: int
    warm_s: float
    gateway_s: float
    others_s: float


FULL = Times(rounds=2, warm_s=0.3, gateway_s=3.6, others_s=1.6)
QUICK = Times(rounds=1, warm_s=0.1, gateway_s=0.45, others_s=0.3)


class Reading(Struct, kw_only=True):
    """One load on one server, over all rounds; seconds of CPU."""

    tally: Tally = field(default_factory=Tally)
    server_s: float = 0.0
    store_s: float = 0.0
    driver_s: float = 0.0
    upstream_calls: int = 0

    @property
    def sound(self) -> bool:
        """Whether every answer was whole and there were any."""
        return not self.tally.errors and self.tally.completed > 0

    def add(self, other: "Reading") -> None:
        """Count another round."""
        self.tally.add(other.tally)
        self.server_s += other.server_s
        self.store_s += other.store_s
        self.driver_s += other.driver_s
        self.upstream_calls += other.upstream_calls


class Row(Struct, kw_only=True):
    """What one server showed in one scenario; memory in MiB, of the largest worker."""

    name: str
    saturation: Reading | None = None
    paced: Reading | None = None
    rss_before: float = 0.0
    rss_after: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return all(reading.sound for reading in (self.saturation, self.paced) if reading is not None)


class Result(Struct, frozen=True, kw_only=True):
    """One scenario: the upstream's row, the forwarder's, the gateway's; `rate` of the paced load."""

    scenario: Scenario
    rate: float
    rows: tuple[Row, Row, Row]


class Bench:
    """Measures scenarios one by one; `gateways` is by whether they trace."""

    def __init__(
        self, times: Times, upstream: Static, limit: Limit, gateways: Mapping[bool, Gateway]
    ) -> None:
        self._times = times
        self.upstream = upstream
        self._limit = limit
        self._gateways = gateways

    async def measure(self, scenario: Scenario) -> Result:
        """Run one scenario to its end."""
        gateway = self._gateways[scenario.traced]
        direct, limit, ours = Row(name="upstream direct"), Row(name="bare forwarder"), Row(name="llmgw")
        pairs: list[tuple[Row, Subject]] = [(direct, self.upstream), (limit, self._limit), (ours, gateway)]
        for row, subject in pairs:
            row.rss_before = worker_rss_mib(family_of(subject.pid))
        rate = scenario.rate
        if rate is None:
            readings = await self._rounds(scenario, pairs, None)
            for (row, _), reading in zip(pairs, readings, strict=True):
                row.saturation = reading
            rate = SHARE * _reached(readings)
        readings = await self._rounds(scenario, pairs, rate)
        for (row, _), reading in zip(pairs, readings, strict=True):
            row.paced = reading
        for row, subject in pairs:
            row.rss_after = worker_rss_mib(family_of(subject.pid))
            subject.forget_log()
        return Result(scenario=scenario, rate=rate, rows=(direct, limit, ours))

    async def _rounds(
        self, scenario: Scenario, pairs: Sequence[tuple[Row, Subject]], rate: float | None
    ) -> list[Reading]:
        times = self._times
        found = [Reading() for _ in pairs]
        for turn in range(times.rounds):
            for (_, subject), reading in zip(pairs, found, strict=True):
                ours = isinstance(subject, Gateway)
                model = scenario.alias if ours else scenario.model
                seconds = (times.gateway_s if ours else times.others_s) / times.rounds
                warm_s = times.warm_s * (2 if ours and turn == 0 else 1)
                request = shot(scenario, model, subject.key_for(limited=scenario.limited))
                reading.add(await self._one(subject, request, rate, warm_s, seconds))
        return found

    async def _one(
        self, subject: Subject, request: Shot, rate: float | None, warm_s: float, seconds: float
    ) -> Reading:
        family = family_of(subject.pid)
        drivers = (os.getpid(), self.upstream.pid)
        marks: list[tuple[Usage, float]] = []
        edge: Callable[[], None] = lambda: marks.append((usage_of(family), cpu_s(drivers)))  # noqa: E731
        before = self.upstream.stats().get("calls", 0)
        try:
            tally = await Load(subject.port, request, rate=rate, edge=edge).run(warm_s, seconds)
        except OSError:
            return Reading(tally=Tally(errors=Counter({"no connection": 1})))
        (begin, driver_begin), (end, driver_end) = marks
        used = end.since(begin)
        return Reading(
            tally=tally,
            server_s=used.members_s,
            store_s=used.store_s,
            driver_s=driver_end - driver_begin,
            upstream_calls=self.upstream.stats().get("calls", 0) - before,
        )


def _reached(readings: Sequence[Reading]) -> float:
    """Requests per second of the gateway, or of the last server before it that answered without errors."""
    for reading in reversed(readings):
        if reading.sound:
            return reading.tally.completed / reading.tally.seconds
    return _RATE_OF_THE_BROKEN
