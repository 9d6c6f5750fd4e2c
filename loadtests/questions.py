"""How long the call log takes to answer over millions of calls: `python -m loadtests.questions --dir LOG`.

`LOG` is a directory that `python -m loadtests.call_log_rows` wrote. Wall and CPU seconds of the engine, the best of
three, its own start and the first look at the files apart.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from llmgw.calllog.cache import Cache
from llmgw.calllog.datasets import Dataset
from llmgw.calllog.engine.client import Engine
from llmgw.calllog.files import Directory
from llmgw.calllog.filters import Filters
from llmgw.calllog.questions import QUESTIONS, Chosen, Question
from llmgw.calllog.reading import FOREVER_US, Reading
from llmgw.calllog.segments import Cursor, Place
from llmgw.calllog.stream import Live

from loadtests.call_log_rows import END_US

DAY_US: Final = 86_400_000_000
ROUNDS: Final = 3
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class _Quiet:
    """A store in which nothing waits."""

    async def live(self, dataset: Dataset) -> Live:  # noqa: ARG002  # of every dataset
        return Live(Cursor("00000000000000aa", Place(1 << 50, 0)), [])


class _Bench:
    def __init__(self, directory: Path, scratch: Path) -> None:
        files = Directory(directory)
        self.engine = Engine(scratch / "engine", (directory,))
        self.reading = Reading(_Quiet(), files, self.engine, Cache(scratch / "cache", files))

    async def measure(self, name: str, do: Callable[[], Awaitable[object]]) -> None:
        best = (float("inf"), 0.0)
        for _ in range(ROUNDS):
            began, used = time.perf_counter(), self._cpu()
            await do()
            best = min(best, (time.perf_counter() - began, self._cpu() - used))
        print(f"{name:<28} {best[0] * 1000:8.0f} ms wall {best[1] * 1000:8.0f} ms CPU")

    def _cpu(self) -> float:
        if self.engine.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.engine.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _chosen(question: Question, weeks: int) -> Chosen:
    days = 7 * weeks if question.name != "change" else 7 * weeks // 2
    return Chosen(
        from_us=END_US - days * DAY_US,
        to_us=END_US,
        words={each.name: each.default for each in question.choices if each.words}
        | ({"against": "before"} if question.name == "change" else {}),
        numbers={each.name: int(each.default) for each in question.choices if not each.words},
        only={},
    )


async def run(directory: Path, weeks: int) -> None:
    """Measure pages, single calls, statements and every question."""
    with tempfile.TemporaryDirectory() as scratch:
        bench = _Bench(directory, Path(scratch))
        reading, whole = bench.reading, Filters(from_us=0, to_us=FOREVER_US)
        await bench.measure("first page", lambda: reading.page(whole, "newest", 100))
        acme = Filters(from_us=0, to_us=FOREVER_US, tenant="acme", texts={"alias": "smart"})
        await bench.measure("first page, filtered", lambda: reading.page(acme, "newest", 100))
        nothing = Filters(from_us=0, to_us=FOREVER_US, texts={"error": "none such"})
        await bench.measure("page of nothing, all rows", lambda: reading.page(nothing, "newest", 100))
        sql = "SELECT alias, count(*), sum(cost_nano) FROM calls GROUP BY ALL"
        await bench.measure("SQL, all tenants", lambda: reading.sql(sql, [], None, (0, FOREVER_US)))
        await bench.measure("SQL, one tenant", lambda: reading.sql(sql, [], "acme", (0, FOREVER_US)))
        for question in QUESTIONS.values():
            chosen = _chosen(question, weeks)
            await bench.measure(
                question.name,
                lambda q=question, c=chosen: reading.ask(q.statement(c), dict(q.values(c)), None, q.spans(c)),  # type: ignore[misc]
            )
        own = resource.getrusage(resource.RUSAGE_SELF)
        print(f"{'the worker itself, in all':<28} {(own.ru_utime + own.ru_stime) * 1000:8.0f} ms CPU")
        await reading.aclose()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--weeks", type=int, default=8)
    asked = parser.parse_args()
    asyncio.run(run(asked.dir, asked.weeks))


if __name__ == "__main__":
    main()
