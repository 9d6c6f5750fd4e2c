"""A small call log to ask: segments made by a real engine, and events that are in none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from llmgw.calllog.cache import Cache
from llmgw.calllog.datasets import CALLS, CONTENT, ContentEvent, Dataset
from llmgw.calllog.engine.client import Engine, EngineLimits
from llmgw.calllog.event import CallEvent
from llmgw.calllog.files import Directory, Files
from llmgw.calllog.filters import Filters
from llmgw.calllog.reading import FOREVER_US, Reading
from llmgw.calllog.segments import Cursor, Place, Segment
from llmgw.calllog.stream import Live
from llmgw.calllog.writer import EngineWriter
from llmgw.types.errors import StoreUnavailable

TUESDAY_US = 1_795_478_400_000_000
"""Tuesday, 24 November 2026, 00:00 UTC."""
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
ORIGIN = "00000000000000aa"


def call(number: int, at_us: int, **members: Any) -> CallEvent:
    """An event of a call that ended then."""
    return CallEvent(
        ended_us=at_us, id=f"call_{at_us // 1000 - 100:011x}{number:013x}", **{"tenant": "acme", **members}
    )


class Buffered:
    """The rows that are in no segment; `away` is a store that cannot be asked."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.last = Place(0, 0)
        self.away = False

    async def live(self, dataset: Dataset) -> Live:
        """As `LiveRows`."""
        if self.away:
            raise StoreUnavailable("the store is away")
        return Live(Cursor(ORIGIN, self.last), self.lines if dataset is CALLS else [])


class AskedLog:
    """A log under a directory, its engine and what reads it."""

    def __init__(self, home: Path, limits: EngineLimits | None = None, files: Files | None = None) -> None:
        self.root = home / "log"
        self.root.mkdir(parents=True, exist_ok=True)
        made, cached = home / "made", home / "cache"
        self.engine = Engine(home / "scratch", (self.root, made, cached), limits)
        self.writer = EngineWriter(self.engine, made)
        self.files = files or Directory(self.root)
        self.buffer = Buffered()
        self.reading = Reading(self.buffer, self.files, self.engine, Cache(cached, self.files))

    async def keep(self, events: Sequence[CallEvent]) -> None:
        """Write events to segments, as one batch of the stream."""
        lines = [msgspec.json.encode(each) for each in events]
        place = Place(self.buffer.last.ms + 1, 0)
        for piece in await self.writer.write(CALLS.name, lines):
            segment = Segment(CALLS.name, piece.partition, ORIGIN, place, place)
            await self.files.put(segment.name, piece.parquet)
        self.buffer.last = place

    async def keep_content(self, event: ContentEvent) -> None:
        """Write what was said in a call to a segment."""
        place = Place(self.buffer.last.ms + 1, 0)
        for piece in await self.writer.write(CONTENT.name, [msgspec.json.encode(event)]):
            await self.files.put(
                Segment(CONTENT.name, piece.partition, ORIGIN, place, place).name, piece.parquet
            )
        self.buffer.last = place

    def buffered(self, events: Sequence[CallEvent]) -> None:
        """Have events be in no segment yet."""
        self.buffer.lines += [msgspec.json.encode(each) for each in events]

    async def sql(self, statement: str, tenant: str | None = "acme", values: Any = ()) -> list[list[Any]]:
        """Ask a caller's statement."""
        table, _ = await self.reading.sql(statement, values or [], tenant, (0, FOREVER_US))
        return table.rows


def everything(**members: Any) -> Filters:
    """Filters that all calls match, but for what is given."""
    return Filters(**{"from_us": 0, "to_us": FOREVER_US, **members})


@contextlib.asynccontextmanager
async def asked_log(home: Path, limits: EngineLimits | None = None) -> AsyncIterator[AskedLog]:
    """A log that ends with the block."""
    log = AskedLog(home, limits)
    try:
        yield log
    finally:
        await log.reading.aclose()


def ids(rows: Sequence[bytes]) -> list[str]:
    """The ids of rows."""
    return [msgspec.json.decode(row)["id"] for row in rows]


def run(scene: Any) -> None:
    """Play a scene."""
    asyncio.run(scene)
