"""Parts of the gateway by themselves, measured only when they are named: contexts, prompts, the journal."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from llmgw.state.embedded import EmbeddedValkey

from loadtests import context_calls, context_report, context_store, journal_bench, prompt_bench
from loadtests.subjects import Gateway, Static

NAMES: Final = (context_report.STORE, context_report.CALLS, prompt_bench.NAME, journal_bench.NAME)


class Parts:
    """Measures them on one CPU; each method returns a table, and whether all went well."""

    def __init__(
        self, runner: asyncio.Runner, home: Path, cpu: int, upstream: Static, *, quick: bool
    ) -> None:
        self._runner = runner
        self._home = home
        self._cpu = cpu
        self._upstream = upstream
        self._quick = quick

    def measure(self, only: Sequence[str]) -> tuple[list[str], bool]:
        """Measure what is named, and print it."""
        steps: Mapping[str, Callable[[], tuple[str, bool]]] = {
            context_report.STORE: self._context_store,
            context_report.CALLS: self._context_calls,
            prompt_bench.NAME: self._prompts,
            journal_bench.NAME: self._journal,
        }
        drawn, well = [], True
        for name in NAMES:
            if name in only:
                table, sound = steps[name]()
                print(f"{table}\n", flush=True)
                drawn.append(table)
                well = well and sound
        return drawn, well

    def _store(self, name: str) -> EmbeddedValkey:
        return EmbeddedValkey(self._home / name)

    def _context_store(self) -> tuple[str, bool]:
        with self._store(context_report.STORE) as store:
            os.sched_setaffinity(store.pid or 0, {self._cpu})
            rounds = 1 if self._quick else 8
            costs, validations = self._runner.run(context_store.measure(store.url, rounds=rounds))
        return context_report.store_table(costs, validations), context_report.sound(costs, [])

    def _context_calls(self) -> tuple[str, bool]:
        config = context_calls.gateway_config(self._upstream.port)
        with Gateway(
            "gateway of contexts", [self._cpu], self._home / context_report.CALLS, config
        ) as gateway:
            rounds = 1 if self._quick else 8
            served = self._runner.run(context_calls.measure(self._upstream, gateway, rounds=rounds))
        return context_report.calls_table(served), context_report.sound([], served)

    def _prompts(self) -> tuple[str, bool]:
        with self._store(prompt_bench.NAME) as store:
            os.sched_setaffinity(store.pid or 0, {self._cpu})
            kept, rounds = self._home / "prompts-kept", 1 if self._quick else 5
            found = self._runner.run(prompt_bench.measure(store.url, kept, rounds=rounds))
        return prompt_bench.table(found), found.sound

    def _journal(self) -> tuple[str, bool]:
        seconds = 1.0 if self._quick else 5.0
        found = self._runner.run(journal_bench.measure(self._home, seconds=seconds))
        return journal_bench.table(found), found.sound
