"""A call log's parts on a real store and a real directory, and what a reader finds in them at any moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from llmgw.calllog.datasets import CALLS, CONTENT
from llmgw.calllog.engine.pieces import Piece
from llmgw.calllog.engine.writing import compact, write
from llmgw.calllog.event import CallEvent
from llmgw.calllog.files import Directory, Files
from llmgw.calllog.ingest import Ingest, Writer
from llmgw.calllog.segments import Segment, visible
from llmgw.calllog.stream import Bounds, Stream
from llmgw.state.connection import State

START_US = 1_795_741_200_000_000
"""27 November 2026, 01:00 UTC."""
HOUR_US = 3_600_000_000
ORIGIN = "00000000000000aa"
_CONNECTION = duckdb.connect(config={"threads": 1})
ROOMY = Bounds(rows=100_000, size=None, drop_oldest=True)


class HereWriter:
    """Makes segments in this process."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(exist_ok=True)
        self.scratch = scratch
        self._datasets = {each.name: each for each in (CALLS, CONTENT)}

    async def write(self, dataset: str, lines: list[bytes]) -> Sequence[Piece]:
        """As `Writer`."""
        return write(_CONNECTION, self._datasets[dataset], lines, self.scratch)

    async def compact(self, dataset: str, sources: list[str], target: str) -> int:
        """As `Writer`."""
        return compact(_CONNECTION, self._datasets[dataset], sources, target)


class Stage:
    """One log: its stream, its directory, and consumers of it."""

    def __init__(self, state: State, directory: Path) -> None:
        self.state = state
        self.directory = directory / "log"
        self.files: Files = Directory(self.directory)
        self.writer: Writer = HereWriter(directory / "scratch")
        self.stream = Stream(state, CALLS.name)
        self._sequence = 0

    async def add(self, *events: CallEvent) -> None:
        """Put events into the stream as one batch."""
        self._sequence += 1
        added, _, _ = await self.stream.append(
            "tests", self._sequence, (len(events), lines_of(events)), ROOMY, ORIGIN
        )
        assert added

    def ingest(self, gate: "Gate | None" = None, max_rows: int = 1000) -> Ingest:
        """A consumer; through a gate it passes before and after each thing that it does."""
        if gate is None:
            return Ingest(CALLS, self.stream, self.files, self.writer, max_rows)
        return Ingest(
            CALLS,
            Stream(gate.around(self.state, "script"), CALLS.name),
            gate.around(self.files, "put"),
            gate.around(self.writer, "write"),
            max_rows,
        )

    async def names(self) -> list[str]:
        """The names of all files."""
        return sorted(each.name for each in await self.files.entries(""))

    async def found(self) -> list[str]:
        """The ids that a reader finds who does as it should, in order."""
        live = await self.stream.live()
        segments = [
            each
            for entry in await self.files.entries(CALLS.name)
            if (each := Segment.read(entry.name)) is not None
        ]
        ids = [msgspec.json.decode(line)["id"] for lines in live.lines for line in lines.split(b"\n") if line]
        for each in visible(segments, live.cursor):
            ids += [row["id"] for row in rows_of(self.directory / each.name)]
        return sorted(ids)


class Gate:
    """Lets `passes` steps through, before and after each thing that is done; then who comes waits to be let on."""

    def __init__(self, passes: int) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._passes = passes

    def around(self, part: Any, name: str) -> Any:
        """The part, whose method of that name leads through the gate."""
        return _Gated(part, name, self._pass)

    async def _pass(self) -> None:
        self._passes -= 1
        if self._passes < 0:
            self.reached.set()
            await self.open.wait()


class _Gated:
    def __init__(self, part: Any, name: str, gate: Callable[[], Awaitable[None]]) -> None:
        self._part = part
        self._name = name
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if name != self._name:
            return method

        async def gated(*arguments: Any, **named: Any) -> Any:
            await self._gate()
            done = await method(*arguments, **named)
            await self._gate()
            return done

        return gated


def event(name: str, *, hours: float = 0.0, **members: Any) -> CallEvent:
    """A call that ended some hours after the start."""
    return CallEvent(ended_us=START_US + round(hours * HOUR_US), id=name, **members)


def lines_of(events: Iterable[msgspec.Struct]) -> bytes:
    """Events as they are in a stream."""
    return b"\n".join(map(msgspec.json.encode, events))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, in their order."""
    found = _CONNECTION.execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)])
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
