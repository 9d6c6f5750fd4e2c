"""What the journal of money costs each call: CPU, waiting for the disk, and taking over from a dead worker.

Everything here runs in this process, on the disk that the directory is on. A call is an intent, a result that is
waited for, and a `done`; what the loop itself costs is measured beside it and taken off.
"""

import asyncio
import itertools
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.settings import JournalSettings
from msgspec import Struct

from loadtests.metronome import Metronome

NAME: Final = "journal"
RATES: Final = (100, 1000, 3000)
"""Calls a second, evenly."""
AT_ONCE: Final = (8, 64, 512)
"""Calls that follow each other without a pause."""
PAYLOAD: Final = b"u" * 400
"""A result with its usage, prices and budgets, about."""
LEFT: Final = 50_000
"""Operations that a dead worker leaves open."""
CPU_WANTED_US: Final = 30.0


Call: TypeAlias = Callable[[], Coroutine[None, None, None]]
Drive: TypeAlias = Callable[[Call, float], Awaitable[int]]


class Row(Struct, frozen=True):
    """One load; CPU of all threads, and the wait for a result, in microseconds."""

    load: str
    cpu_us: float
    p50_us: float
    p99_us: float
    calls_per_s: float
    records_per_commit: float


class Figures(Struct, kw_only=True):
    """What was measured."""

    rows: list[Row] = []
    recover_s: float = 0.0
    replay_s: float = 0.0
    given: int = 0
    lost: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return self.given == LEFT and not self.lost


async def measure(home: Path, *, seconds: float) -> Figures:
    """Measure calls at several loads, then a recovery."""
    found = Figures()
    for rate in RATES:
        found.rows.append(
            await _load(home / NAME, f"{rate:,} calls/s", partial(_evenly, rate), seconds, found)
        )
    for at_once in AT_ONCE:
        found.rows.append(
            await _load(home / NAME, f"{at_once} at once", partial(_lanes, at_once), seconds, found)
        )
    await _recovery(home / f"{NAME}-left", found)
    return found


def table(found: Figures) -> str:
    """Draw what was measured, and whether it is what was aimed at."""
    lines = [
        f"| {row.load} | {row.cpu_us:.1f} | {row.p50_us:,.0f} | {row.p99_us:,.0f} | {row.calls_per_s:,.0f} "
        f"| {3 * row.calls_per_s:,.0f} | {row.records_per_commit:.1f} |"
        for row in found.rows
    ]
    left = (
        f"Open operations of a dead worker: {LEFT:,}, taken over in {found.recover_s:.2f} s, and given to be "
        f"settled in {found.replay_s:.2f} s."
    )
    head = (
        "| load | CPU µs/call | wait for a result, p50 µs | p99 µs | calls/s | records/s | records/commit |"
    )
    aims = [
        f"| CPU per call, {row.load} | {row.cpu_us:.1f} µs | < {CPU_WANTED_US:g} µs "
        f"| {'yes' if row.cpu_us < CPU_WANTED_US else 'no'} |"
        for row in found.rows[1 : len(RATES)]
    ]
    title = "### journal: what it costs to lose nothing"
    columns = ["| aim | measured | wanted | met |", "|---|---:|---:|---|"]
    return "\n".join(
        [title, "", head, "|---|---:|---:|---:|---:|---:|---:|", *lines, "", left, "", *columns, *aims]
    )


async def _load(directory: Path, name: str, drive: Drive, seconds: float, found: Figures) -> Row:
    journal = Journal(directory)
    await journal.open()
    waits: list[float] = []
    numbers = itertools.count()

    async def call() -> None:
        operation = f"op_{next(numbers):020}"
        await journal.append(Record(Kind.INTENT, operation, PAYLOAD[:150]))
        await asyncio.sleep(0)
        began = time.perf_counter()
        await journal.append(Record(Kind.RESULT, operation, PAYLOAD))
        waits.append(time.perf_counter() - began)
        await journal.append(Record(Kind.DONE, operation))

    loop = asyncio.get_running_loop()

    async def bare() -> None:
        next(numbers)
        await asyncio.sleep(0)
        began = time.perf_counter()
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
        waits.append(time.perf_counter() - began)

    bare_us, _ = await _cpu(drive, bare, seconds / 2)
    waits.clear()
    before = journal.state.counts
    cpu_us, rate = await _cpu(drive, call, seconds)
    await journal.aclose()
    after = journal.state.counts
    found.lost += after.lost + after.refused
    waits.sort()
    p50, p99 = (1e6 * waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99))
    each = (after.records - before.records) / max(1, after.commits - before.commits)
    return Row(name, cpu_us - bare_us, p50, p99, rate, each)


async def _cpu(drive: Drive, call: Call, seconds: float) -> tuple[float, float]:
    """Make calls for some seconds; CPU microseconds of a call, and calls a second."""
    began, cpu = time.monotonic(), time.process_time()
    made = await drive(call, began + seconds)
    return 1e6 * (time.process_time() - cpu) / made, made / (time.monotonic() - began)


async def _lanes(at_once: int, call: Call, end: float) -> int:
    made = 0

    async def lane() -> None:
        nonlocal made
        while time.monotonic() < end:
            await call()
            made += 1

    await asyncio.gather(*(lane() for _ in range(at_once)))
    return made


async def _evenly(rate: float, call: Call, end: float) -> int:
    beats = 0
    over = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    def beat(_due: float) -> None:
        nonlocal beats
        if time.monotonic() >= end:
            over.set()
            return
        beats += 1
        task = asyncio.ensure_future(call())
        running.add(task)
        task.add_done_callback(running.discard)

    with Metronome(rate, beat):
        await over.wait()
    await asyncio.gather(*running)
    return beats


async def _recovery(directory: Path, found: Figures) -> None:
    dead = Journal(directory, JournalSettings(segment_bytes=4 * 1024 * 1024))
    await dead.open()
    for first in range(0, LEFT, 500):
        results = (Record(Kind.RESULT, f"op_{number:020}", PAYLOAD) for number in range(first, first + 500))
        await asyncio.gather(*map(dead.append, results))
    await dead.aclose()
    journal = Journal(directory)
    await journal.open()
    began = time.monotonic()
    await journal.recover()
    found.recover_s = time.monotonic() - began
    began = time.monotonic()
    async for each in journal.replay():
        found.given += 1
        journal.put(Record(Kind.DONE, each.operation))
    found.replay_s = time.monotonic() - began
    await journal.aclose()
    shutil.rmtree(directory)
