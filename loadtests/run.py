"""One run: which servers are there, what is measured in what order, and what is said about it."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtests import (
    context_report,
    crossing,
    parts,
    peers,
    picture,
    report,
    results,
    rooms,
    slow_streams,
    targets,
)
from loadtests.accounting import family_of, worker_rss_mib
from loadtests.bench import FULL, QUICK, Bench, Result
from loadtests.machine import Place
from loadtests.parts import Parts
from loadtests.scenarios import SCENARIOS, Flavour, gateway_config
from loadtests.subjects import Gateway, Limit, Static, Subject

LONGEST_S = 300.0
LONGEST_WITH_PEERS_S = 900.0


class Run:
    """A run in a directory of its own, of what `only` names."""

    def __init__(self, home: Path, place: Place, *, quick: bool, only: Sequence[str]) -> None:
        self._home = home
        self._place = place
        self._quick = quick
        self._only = only
        self._chosen = [scenario for scenario in SCENARIOS if scenario.name in only]
        self._bench: Bench
        self._collector: Static
        self._began = time.monotonic()
        self._absent: list[str] = []
        self._results: list[Result] = []
        self._crossed: list[crossing.Cost] = []
        self._slow: list[slow_streams.Slow] = []
        self._batches = 0
        self._drawn: list[str] = []
        self._targets: list[targets.Target] = []
        self._longest_s = LONGEST_S
        self._whole = True

    @property
    def sound(self) -> bool:
        """Whether all that was asked for was measured, without errors."""
        rows = all(row.sound for result in self._results for row in result.rows)
        rest = not any(cost.errors for cost in self._crossed) and not any(slow.errors for slow in self._slow)
        return self._whole and rows and rest

    @contextmanager
    def servers(self, *, with_peers: bool) -> Iterator[None]:
        """Start every server that is measured; an idle one costs the others nothing.

        Raises:
            StartError: one did not start; another gateway that does not is done without, and one line says why.
        """
        home, place = self._home, self._place
        with ExitStack() as stack:
            upstream = stack.enter_context(Static("upstream", [place.driver], home))
            self._collector = stack.enter_context(Static("collector", [place.driver], home))
            flavours: set[Flavour] = {scenario.gateway for scenario in self._chosen}
            if slow_streams.NAME in self._only:
                flavours.add("main")
            gateways = {flavour: self._gateway(flavour, upstream, stack) for flavour in sorted(flavours)}
            second = None
            paired = slow_streams.NAME in self._only or any(
                scenario.gateway == "main" and scenario.rate is None for scenario in self._chosen
            )
            if paired and len(place.both) > 1:
                second = self._gateway("main", upstream, stack, cpus=place.both)
            limit = stack.enter_context(Limit([place.server], home, upstream.port))
            others: list[Subject] = []
            if with_peers:
                others, self._absent = peers.invited(stack, [place.server], home, upstream.port)
            times = QUICK if self._quick else FULL
            self._bench = Bench(
                times, upstream, limit, gateways, second=second, peers=others, cpus=place.cpus
            )
            self._longest_s = LONGEST_WITH_PEERS_S if with_peers else LONGEST_S
            yield

    def _gateway(
        self, flavour: Flavour, upstream: Static, stack: ExitStack, *, cpus: Sequence[int] = ()
    ) -> Gateway:
        name = f"{flavour} gateway{', 2 workers' if cpus else ''}"
        config = gateway_config(flavour, upstream.port, self._collector.port)
        home = self._home / name.replace(" ", "-").replace(",", "")
        return stack.enter_context(Gateway(name, cpus or [self._place.server], home, config))

    async def measure(self) -> None:
        """Measure scenario by scenario, and print each as it is done."""
        try:
            async with asyncio.timeout(self._longest_s):
                for scenario in self._chosen:
                    self._results.append(await self._bench.measure(scenario))
                    self._show(report.table(self._results[-1]))
                if slow_streams.NAME in self._only:
                    self._slow = await slow_streams.measure(self._bench.upstream, self._bench.everybody())
                    self._show(slow_streams.table(self._slow))
                if crossing.NAME in self._only:
                    await self._cross()
        except TimeoutError:
            self._whole = False
            print(
                f"stopped after {self._longest_s:g} s: the machine is too busy to measure the rest",
                file=sys.stderr,
            )

    async def _cross(self) -> None:
        """Measure what crossing protocols costs, on a gateway of its own."""
        config = crossing.gateway_config(self._bench.upstream.port)
        with Gateway("crossing gateway", [self._place.server], self._home / crossing.NAME, config) as gateway:
            rounds, seconds = (1, 0.4) if self._quick else (2, 0.5)
            self._crossed = await crossing.measure(gateway, rounds=rounds, seconds=seconds)
        self._show(crossing.table(self._crossed))

    def parts(self, runner: asyncio.Runner) -> None:
        """Measure parts of the gateway by themselves, as far as they are named."""
        named = Parts(runner, self._home, self._place.server, self._bench.upstream, quick=self._quick)
        drawn, well = named.measure(self._only)
        self._drawn += drawn
        self._whole = self._whole and well

    def close(self) -> None:
        """Look at what only the end shows, and hold everything against what is promised."""
        bench = self._bench
        self._batches = self._collector.stats().get("trace_batches", 0)
        main = bench.gateways.get("main")
        self._targets = targets.judge(
            targets.Ran(
                results=self._results,
                slow=self._slow,
                calls=bench.calls,
                rss_mib=worker_rss_mib(family_of(main.pid)) if main else 0.0,
                started_s=main.started_s if main else 0.0,
            )
        )
        wanted = targets.missed(self._targets)
        if wanted:
            try:
                self._show(rooms.table(rooms.profile(wanted)))
            except RuntimeError as error:
                print(error, file=sys.stderr)

    def summary(self) -> str:
        """Say what the whole run came to."""
        took = f"Whole run: {time.monotonic() - self._began:.0f} s."
        closing = f"Trace batches received by the collector: {self._batches}. {took}"
        judged = [targets.table(self._targets)] if any(target.ratio for target in self._targets) else []
        return "\n\n".join([*judged, *self._absent, closing])

    def legend(self) -> str:
        """Say what the columns mean."""
        return f"{report.LEGEND}{context_report.LEGEND if set(parts.NAMES) & set(self._only) else ''}"

    def write(self, facts: Sequence[str]) -> None:
        """Put the results where the last run's were, and draw the picture."""
        tables = "\n\n".join(self._drawn)
        told = "\n".join(facts)
        part = (
            f"```\n{told}\n```\n\n{self.summary()}\n\n## Columns\n\n{self.legend()}\n## Results\n\n{tables}"
        )
        page = results.RESULTS.read_text(encoding="utf-8")
        results.RESULTS.write_text(results.written(page, part), encoding="utf-8")
        shown = picture.panels(self._results)
        if any(panel.bars for panel in shown):
            day, machine = (line.split(None, 1)[1] for line in facts[:2])
            below = f"make bench-peers, {day.split()[0]}, {machine.split(',')[0]}; one CPU for each server"
            results.PICTURE.write_text(picture.svg(shown, below), encoding="utf-8")

    def _show(self, drawn: str) -> None:
        self._drawn.append(drawn)
        print(f"{drawn}\n", flush=True)
