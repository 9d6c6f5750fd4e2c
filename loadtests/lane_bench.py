"""What a script call costs the gateway's process: by a lane, and through the client library's pool.

Run as `python -m loadtests.lane_bench`. Microseconds of CPU of this process per call, from the kernel's accounting,
by how many callers there are at once; both ways in turns, the median of the turns.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Final

import uvloop
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.state.scripts import Script

CALLERS: Final = (1, 8, 32, 128)
SIZES: Final = (64, 16 * 1024)
"""Bytes of the argument, which is also the answer."""
CALLS: Final = 4096
TURNS: Final = 7
ECHO: Final = Script("echo", "#!lua\nreturn ARGV[1]\n")


async def measure(url: str) -> list[str]:
    """Measure each size and number of callers; lines of a table in Markdown."""
    lines = ["| bytes | callers | pool CPU µs | lane CPU µs | pool wall µs | lane wall µs |", "|-|-|-|-|-|-|"]
    async with aclosing(State(url, timeout_s=5)) as state:
        for size in SIZES:
            for callers in CALLERS:
                figures: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
                for _ in range(TURNS):
                    for bulk, found in figures.items():
                        found.append(await _turn(state, ECHO.in_bulk() if bulk else ECHO, size, callers))
                (pool, pool_wall), (lane, lane_wall) = (
                    [statistics.median(each) for each in zip(*found, strict=True)]
                    for found in figures.values()
                )
                lines.append(
                    f"| {size} | {callers} | {pool:.1f} | {lane:.1f} | {pool_wall:.1f} | {lane_wall:.1f} |"
                )
    return lines


async def _turn(state: State, script: Script, size: int, callers: int) -> tuple[float, float]:
    argument = b"x" * size

    async def caller() -> None:
        for _ in range(CALLS // callers):
            await state.script(script, ["key"], [argument])

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return (time.process_time() - cpu) / CALLS * 1e6, (time.perf_counter() - began) / CALLS * 1e6


def main() -> int:
    """Run it on a Valkey of its own."""
    with tempfile.TemporaryDirectory(prefix="llmgw-lane-") as home, EmbeddedValkey(Path(home)) as server:
        sys.stdout.write("\n".join(uvloop.run(measure(server.url))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
