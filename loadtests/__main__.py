"""`python -m loadtests`: measure what the gateway costs, beside its upstream and a bare forwarder, and contexts.

Ends with 0 when every scenario was measured without errors, 1 when one was not, 2 when a server did not start.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop
from llmgw.state.embedded import EmbeddedStateError, EmbeddedValkey

from loadtests import (
    context_calls,
    context_report,
    context_store,
    crossing,
    journal_bench,
    machine,
    prompt_bench,
    report,
)
from loadtests.bench import FULL, QUICK, Bench, Result, Times
from loadtests.scenarios import SCENARIOS, Scenario, gateway_config
from loadtests.subjects import Gateway, Limit, StartError, Static

CROSSING = "crossing"
RESULTS = Path(__file__).with_name("RESULTS.md")
LONGEST_S = 300.0

PREFACE = """\
# What the gateway costs

Written by `make bench ARGS=--write` (`make bench ARGS="--quick --only chat"` for a first look; `--help` names the
scenarios). Every table compares three servers in one run, in turns: the static upstream asked directly, the least
a forwarder on this stack can cost (`limit.py`: Granian, aiohttp and nothing between), and the gateway as
`llmgw serve` starts it, with one worker. Read the figures as ratios: the absolute ones belong to the machine.
"""


def main() -> int:
    """Run what the command line asks for."""
    names = [*(scenario.name for scenario in SCENARIOS), CROSSING, context_report.STORE, context_report.CALLS]
    names += [prompt_bench.NAME, journal_bench.NAME]
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short measurements: a look, not a result")
    parser.add_argument("--only", action="append", choices=names, help="this scenario only; may be repeated")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    asked = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if not asked.only or scenario.name in asked.only]
    allowed = sorted(os.sched_getaffinity(0))
    server_cpu, driver_cpu = allowed[0], allowed[1 % len(allowed)]
    facts = "\n".join(machine.described(server_cpu, driver_cpu))
    print(f"{facts}\n", flush=True)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as home, ExitStack() as stack:
            bench, collector = _start(
                QUICK if asked.quick else FULL, chosen, Path(home), (server_cpu, driver_cpu), stack
            )
            os.sched_setaffinity(0, {driver_cpu})
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                results = runner.run(_measure(bench, chosen))
                costs: list[crossing.Cost] = []
                if not asked.only or CROSSING in asked.only:
                    costs = runner.run(_cross(bench.upstream, Path(home), server_cpu, quick=asked.quick))
                drawn, well = _contexts(runner, bench.upstream, Path(home), server_cpu, asked)
                if not asked.only or prompt_bench.NAME in asked.only:
                    prompts = _prompts(runner, Path(home), server_cpu, quick=asked.quick)
                    drawn.append(prompt_bench.table(prompts))
                    well = well and prompts.sound
                if not asked.only or journal_bench.NAME in asked.only:
                    journal = _journal(runner, Path(home), quick=asked.quick)
                    drawn.append(journal_bench.table(journal))
                    well = well and journal.sound
            batches = collector.stats().get("trace_batches", 0)
    except (StartError, EmbeddedStateError) as error:
        print(error, file=sys.stderr)
        return 2
    closing = (
        f"Trace batches received by the collector: {batches}. Whole run: {time.monotonic() - began:.0f} s."
    )
    legend = f"{report.LEGEND}{context_report.LEGEND}"
    print(f"{legend}\n{closing}")
    if asked.write:
        tables = "\n\n".join(
            [*map(report.table, results), *([crossing.table(costs)] if costs else []), *drawn]
        )
        RESULTS.write_text(
            f"{PREFACE}\n```\n{facts}\n```\n\n## Columns\n\n{legend}\n## Results\n\n{tables}\n\n{closing}\n",
            encoding="utf-8",
        )
    whole = len(results) == len(chosen) and all(row.sound for result in results for row in result.rows)
    whole = whole and well and not any(cost.errors for cost in costs)
    return 0 if whole else 1


def _start(
    times: Times, chosen: Sequence[Scenario], home: Path, cpus: tuple[int, int], stack: ExitStack
) -> tuple[Bench, Static]:
    """Start every server the chosen scenarios need; an idle one costs the others nothing."""
    server_cpu, driver_cpu = cpus
    upstream = stack.enter_context(Static("upstream", driver_cpu, home))
    collector = stack.enter_context(Static("collector", driver_cpu, home))
    limit = stack.enter_context(Limit(server_cpu, home, upstream.port))
    gateways = {}
    for traced in {scenario.traced for scenario in chosen}:
        name = "traced" if traced else "untraced"
        config = gateway_config(upstream.port, collector.port if traced else None)
        gateway = Gateway(f"{name} gateway", server_cpu, home / name, config)
        gateways[traced] = stack.enter_context(gateway)
    return Bench(times, upstream, limit, gateways), collector


async def _measure(bench: Bench, chosen: Sequence[Scenario]) -> list[Result]:
    results = []
    try:
        async with asyncio.timeout(LONGEST_S):
            for scenario in chosen:
                result = await bench.measure(scenario)
                print(f"{report.table(result)}\n", flush=True)
                results.append(result)
    except TimeoutError:
        print(f"stopped after {LONGEST_S:g} s: the machine is too busy to measure the rest", file=sys.stderr)
    return results


async def _cross(upstream: Static, home: Path, cpu: int, *, quick: bool) -> list[crossing.Cost]:
    """Measure what crossing protocols costs, on a gateway of its own."""
    with Gateway("crossing gateway", cpu, home / CROSSING, crossing.gateway_config(upstream.port)) as gateway:
        rounds, seconds = (1, 0.5) if quick else (3, 1.2)
        costs = await crossing.measure(gateway, rounds=rounds, seconds=seconds)
    print(f"{crossing.table(costs)}\n", flush=True)
    return costs


def _contexts(
    runner: asyncio.Runner, upstream: Static, home: Path, cpu: int, asked: argparse.Namespace
) -> tuple[list[str], bool]:
    """Measure contexts, by themselves and served; returns tables, and whether all went well."""
    tables: list[str] = []
    costs: list[context_store.Cost] = []
    served: list[context_calls.Served] = []
    if not asked.only or context_report.STORE in asked.only:
        with EmbeddedValkey(home / context_report.STORE) as store:
            os.sched_setaffinity(store.pid or 0, {cpu})
            costs, validations = runner.run(context_store.measure(store.url, rounds=1 if asked.quick else 8))
        tables.append(context_report.store_table(costs, validations))
        print(f"{tables[-1]}\n", flush=True)
    if not asked.only or context_report.CALLS in asked.only:
        config = context_calls.gateway_config(upstream.port)
        with Gateway("gateway of contexts", cpu, home / context_report.CALLS, config) as gateway:
            served = runner.run(context_calls.measure(upstream, gateway, rounds=1 if asked.quick else 8))
        tables.append(context_report.calls_table(served))
        print(f"{tables[-1]}\n", flush=True)
    return tables, context_report.sound(costs, served)


def _prompts(runner: asyncio.Runner, home: Path, cpu: int, *, quick: bool) -> prompt_bench.Figures:
    """Measure prompts, by themselves."""
    with EmbeddedValkey(home / prompt_bench.NAME) as store:
        os.sched_setaffinity(store.pid or 0, {cpu})
        kept = home / "prompts-kept"
        found = runner.run(prompt_bench.measure(store.url, kept, rounds=1 if quick else 5))
    print(f"{prompt_bench.table(found)}\n", flush=True)
    return found


def _journal(runner: asyncio.Runner, home: Path, *, quick: bool) -> journal_bench.Figures:
    """Measure the journal of money, by itself."""
    found = runner.run(journal_bench.measure(home, seconds=1.0 if quick else 5.0))
    print(f"{journal_bench.table(found)}\n", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
