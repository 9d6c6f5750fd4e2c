"""Runs scenarios: every server in turn under the same load, in the same minutes, with its CPU time booked."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeAlias

from msgspec import Struct, field

from loadtests.accounting import Family, Usage, cpu_s, family_of, usage_of, worker_rss_mib
from loadtests.generator import Load, Tally
from loadtests.scenarios import Flavour, Scenario
from loadtests.subjects import Gateway, Limit, Static, Subject

SHARE = 0.4
"""The paced load, as a share of what was reached at saturation."""

_RATE_OF_THE_BROKEN = 100.0
"""What is asked of servers that all failed, so that their errors show."""
_CALLS_S = 3_000
"""Calls a second that conversations are made ready for, before it is known how many there are."""

Kind: TypeAlias = Literal["direct", "limit", "ours", "second", "peer"]
"""The upstream itself, the bare forwarder, the gateway, the gateway with a worker more, another gateway."""
DIRECT, LIMIT, OURS, SECOND = "upstream direct", "bare forwarder", "llmgw", "llmgw, 2 workers"


class Times(Struct, frozen=True, kw_only=True):
    """Seconds per measurement; each is split into `rounds` so that all servers see the same disturbances."""

    rounds: int
    warm_s: float
    gateway_s: float
    others_s: float
    peers_s: float

    def of(self, kind: Kind, turn: int) -> tuple[float, float]:
        """Say how long a server comes to speed, and how long it is measured then, in one round."""
        if kind == "peer":
            return (self.warm_s * (5 if turn == 0 else 2), self.peers_s / self.rounds)
        if kind in {"ours", "second"}:
            return (self.warm_s * (2 if turn == 0 else 1), self.gateway_s / self.rounds)
        return (self.warm_s, self.others_s / self.rounds)


FULL = Times(rounds=2, warm_s=0.15, gateway_s=1.2, others_s=0.6, peers_s=3.0)
QUICK = Times(rounds=1, warm_s=0.1, gateway_s=0.45, others_s=0.3, peers_s=1.5)


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

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.tally.completed / self.tally.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU per answer."""
        return 1e6 * self.server_s / self.tally.completed

    @property
    def store_us(self) -> float:
        """Microseconds of its store's."""
        return 1e6 * self.store_s / self.tally.completed

    @property
    def driver_busy(self) -> float:
        """CPUs that load generator and upstream kept busy."""
        return self.driver_s / self.tally.seconds

    def quantile(self, share: float, *, first: bool) -> float | None:
        """Seconds until the first content, or the end, of an answer."""
        ranked = sorted(self.tally.first if first else self.tally.latencies)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None

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
    kind: Kind
    saturation: Reading | None = None
    paced: Reading | None = None
    rate: float = 0.0
    """Of its paced load."""
    rss_before: float = 0.0
    rss_after: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return all(reading.sound for reading in (self.saturation, self.paced) if reading is not None)

    @property
    def fast(self) -> Reading | None:
        """What it did at saturation, if all went well."""
        return self.saturation if self.sound else None

    @property
    def calm(self) -> Reading | None:
        """What it did under the paced load, if all went well."""
        return self.paced if self.sound else None


class Result(Struct, frozen=True, kw_only=True):
    """One scenario, a row for each server; `turns` before a call, on average, where conversations are stored."""

    scenario: Scenario
    rows: tuple[Row, ...]
    turns: float = 0.0
    cpus: int = 2
    """CPUs for everything there is."""

    def row(self, kind: Kind, name: str = "") -> Row | None:
        """Find a server's row."""
        for row in self.rows:
            if row.kind == kind and (not name or row.name == name):
                return row
        return None


class Bench:
    """Measures scenarios one by one; `gateways` by flavour, `second` has two workers, on `cpus` CPUs in all."""

    def __init__(
        self,
        times: Times,
        upstream: Static,
        limit: Limit,
        gateways: Mapping[Flavour, Gateway],
        *,
        second: Gateway | None = None,
        peers: Sequence[Subject] = (),
        cpus: int = 2,
    ) -> None:
        self._times = times
        self.upstream = upstream
        self.limit = limit
        self.gateways = gateways
        self.second = second
        self.peers = peers
        self._cpus = cpus
        self.calls = 0
        """Answers of the main gateway so far."""

    def lanes(self, scenario: Scenario) -> list[tuple[Row, Subject]]:
        """Say who is measured, in the order of their turns."""
        main = self.gateways[scenario.gateway]
        pairs: list[tuple[Row, Subject]] = [
            (Row(name=DIRECT, kind="direct"), self.upstream),
            (Row(name=LIMIT, kind="limit"), self.limit),
            (Row(name=OURS, kind="ours"), main),
        ]
        if self.second is not None and scenario.gateway == "main" and scenario.rate is None:
            pairs.append((Row(name=SECOND, kind="second"), self.second))
        if scenario.peers:
            pairs += [(Row(name=peer.name, kind="peer"), peer) for peer in self.peers]
        return pairs

    def everybody(self) -> dict[str, Subject]:
        """Name all servers there are, the main gateway's flavour alone."""
        found: dict[str, Subject] = {DIRECT: self.upstream, LIMIT: self.limit, OURS: self.gateways["main"]}
        if self.second is not None:
            found[SECOND] = self.second
        return found | {peer.name: peer for peer in self.peers}

    async def measure(self, scenario: Scenario) -> Result:
        """Run one scenario to its end.

        Raises:
            StartError: what its calls need was not stored.
        """
        pairs = self.lanes(scenario)
        for row, subject in pairs:
            row.rss_before = worker_rss_mib(family_of(subject.pid))
        if scenario.rate is None:
            readings = await self._rounds(scenario, pairs, saturated=True)
            for (row, _), reading in zip(pairs, readings, strict=True):
                row.saturation = reading
        rate = scenario.rate or SHARE * _reached([row for row, _ in pairs if row.kind != "peer"])
        # A gateway that failed at saturation has no rate of its own to be asked at.
        calm = [
            pair for pair in pairs if pair[0].kind != "second" and (pair[0].kind != "peer" or pair[0].sound)
        ]
        for row, _ in calm:
            row.rate = rate
            if row.kind == "peer" and row.saturation is not None:
                row.rate = min(rate, SHARE * row.saturation.rate)
        readings = await self._rounds(scenario, calm, saturated=False)
        for (row, _), reading in zip(calm, readings, strict=True):
            row.paced = reading
        for row, subject in pairs:
            row.rss_after = worker_rss_mib(family_of(subject.pid))
            subject.forget_log()
        turns = self.gateways[scenario.gateway].mean_turns(scenario)
        return Result(scenario=scenario, rows=tuple(row for row, _ in pairs), turns=turns, cpus=self._cpus)

    async def _rounds(
        self, scenario: Scenario, pairs: Sequence[tuple[Row, Subject]], *, saturated: bool
    ) -> list[Reading]:
        times = self._times
        found = [Reading() for _ in pairs]
        for turn in range(times.rounds):
            for (row, subject), reading in zip(pairs, found, strict=True):
                rate = None if saturated else row.rate
                warm_s, seconds = times.of(row.kind, turn)
                calls = int((rate or _CALLS_S) * (warm_s + seconds))
                source = await subject.source(scenario, calls)
                load = partial(Load, subject.port, source, rate=rate, lanes=scenario.lanes)
                one = await self._one(subject, load, warm_s, seconds)
                if row.kind == "ours" and scenario.gateway == "main":
                    self.calls += one.tally.in_all
                reading.add(one)
        return found

    async def _one(
        self, subject: Subject, load: Callable[..., Load], warm_s: float, seconds: float
    ) -> Reading:
        found = family_of(subject.pid)
        # A store that writes its file anew has a child for as long as that takes.
        family = Family(found.members, found.store[:1])
        drivers = (os.getpid(), self.upstream.pid)
        marks: list[tuple[Usage, float]] = []
        edge: Callable[[], None] = lambda: marks.append((usage_of(family), cpu_s(drivers)))  # noqa: E731
        before = self.upstream.stats().get("calls", 0)
        try:
            tally = await load(edge=edge).run(warm_s, seconds)
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


def _reached(rows: Sequence[Row]) -> float:
    """Requests per second of the gateway, or of the last server before it that answered without errors."""
    for row in sorted(rows, key=lambda row: ("ours", "limit", "direct", "second", "peer").index(row.kind)):
        if row.saturation is not None and row.saturation.sound:
            return row.saturation.rate
    return _RATE_OF_THE_BROKEN
