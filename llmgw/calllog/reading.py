"""The call log as those read it who ask: segments and what is in none yet, each row once."""

import functools
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from llmgw.calllog.cache import Cache
from llmgw.calllog.cursors import Cursor
from llmgw.calllog.datasets import CALLS, Dataset
from llmgw.calllog.engine.client import Engine
from llmgw.calllog.engine.frames import (
    Ask,
    Export,
    File,
    Find,
    Operation,
    Page,
    Reply,
    Rows,
    Source,
    Sql,
    Table,
)
from llmgw.calllog.files import Files, FilesUnavailable
from llmgw.calllog.filters import Filters, Order
from llmgw.calllog.segments import Cursor as Written
from llmgw.calllog.segments import Segment, visible
from llmgw.calllog.stream import Live
from llmgw.types.call_log_errors import CallLogUnavailable
from llmgw.types.errors import StoreUnavailable

R = TypeVar("R", bound=Reply)

FOREVER_US: Final = 1 << 62
"""Later than any call."""
PAGE_S: Final = 15.0
ASK_S: Final = 15.0
SQL_S: Final = 10.0
EXPORT_S: Final = 300.0
MAX_ROWS: Final = 10_000
"""Rows of one table that is answered."""
MAX_EXPORT: Final = 20_000_000
"""Rows of one file of Parquet."""
_LISTED_S: Final = 60.0
_HOUR_US: Final = 3_600_000_000
_FIRST_HOURS: Final = 4
_ATTEMPTS: Final = 2
_ID_TIME: Final = re.compile(r"call_([0-9a-f]{11})[0-9a-f]{13}(?:\.[0-9]{1,4}){0,4}", re.ASCII)


class LiveRows(Protocol):
    """Where the rows are that are in no segment."""

    async def live(self, dataset: Dataset) -> Live:
        """Read them.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """


class Seen(Struct, frozen=True):
    """What there is of a dataset at a moment; without `live` the store was away, and its rows are missing."""

    segments: tuple[tuple[Segment, int], ...]
    lines: tuple[bytes, ...]
    live: bool


class Found(Struct, frozen=True, kw_only=True):
    """Rows as JSON objects, where to go on, and whether what is in no segment was looked at."""

    rows: list[bytes]
    next: Cursor | None
    live: bool


class Reading:
    """Answers questions of one worker; asks its engine, and knows what the engine may look at."""

    def __init__(self, log: LiveRows, files: Files, engine: Engine, cache: Cache) -> None:
        self._log = log
        self._files = files
        self._engine = engine
        self._cache = cache
        self._listed: dict[str, tuple[Written, float, tuple[tuple[Segment, int], ...]]] = {}

    async def page(self, filters: Filters, order: Order, limit: int, after: Cursor | None = None) -> Found:
        """Find the calls that match, in order.

        Raises:
            GatewayError: as the engine's `ask` does.
        """
        seen = await self.seen(CALLS)
        found = list[bytes]()
        more: Cursor | None = None
        for window in self._windows(seen, filters, order, after):
            asked = _narrowed(filters, *window)
            left = limit - len(found)
            reply = await self._told(
                seen, asked, Rows, PAGE_S, lambda source, f=asked, n=left: Page(
                    source=source, filters=f, order=order, limit=n, after=after
                ),
            )  # fmt: skip
            found += reply.rows
            more = reply.next
            if more is not None or len(found) >= limit:
                break
        return Found(rows=found, next=more, live=seen.live)

    async def find(self, call_id: str, tenant: str | None, dataset: Dataset = CALLS) -> Found:
        """Find the one row of a call's id; a tenant of None is every tenant.

        Raises:
            GatewayError: as the engine's `ask` does.
        """
        seen = await self.seen(dataset)
        begun = _begun_us(call_id)
        within = (0, FOREVER_US) if begun is None else (begun, begun + 24 * _HOUR_US)
        asked = Filters(from_us=within[0], to_us=within[1])
        reply = await self._told(
            seen, asked, Rows, PAGE_S, lambda source: Find(source=source, id=call_id, tenant=tenant), dataset
        )
        return Found(rows=reply.rows, next=None, live=seen.live)

    async def ask(
        self, statement: str, values: dict[str, Any], tenant: str | None, spans: tuple[tuple[int, int], ...]
    ) -> tuple[Table, bool]:
        """Ask one of our statements of the calls of some times; says too whether it saw what is in no segment.

        Raises:
            GatewayError: as the engine's `ask` does.
        """
        seen = await self.seen(CALLS)
        whole = Filters(from_us=min(begin for begin, _ in spans), to_us=max(end for _, end in spans))
        table = await self._told(
            seen, whole, Table, ASK_S, lambda source: Ask(
                source=source, statement=statement, values=values, tenant=tenant, spans=spans, most=MAX_ROWS
            ),
        )  # fmt: skip
        return table, seen.live

    async def sql(
        self, statement: str, values: list[Any] | dict[str, Any], tenant: str | None, between: tuple[int, int]
    ) -> tuple[Table, bool]:
        """Ask a caller's statement, which sees the calls of a tenant, or of all.

        Raises:
            QueryRefused: it says what it may not.
            GatewayError: as the engine's `ask` does.
        """
        seen = await self.seen(CALLS)
        from_us, to_us = between
        table = await self._told(
            seen, Filters(from_us=from_us, to_us=to_us), Table, SQL_S, lambda source: Sql(
                sources=(source,), statement=statement, values=values, tenant=tenant, from_us=from_us, to_us=to_us,
                most=MAX_ROWS,
            ),
        )  # fmt: skip
        return table, seen.live

    async def parquet(self, filters: Filters) -> tuple[File, bool]:
        """Write the calls that match to a file, which the caller deletes.

        Raises:
            GatewayError: as the engine's `ask` does.
        """
        seen = await self.seen(CALLS)
        file = await self._told(
            seen, filters, File, EXPORT_S, lambda source: Export(
                source=source, filters=filters, most=MAX_EXPORT
            ),
        )  # fmt: skip
        return file, seen.live

    async def pages(self, filters: Filters, order: Order, size: int) -> AsyncIterator[Found]:
        """All calls that match, page after page, `size` rows each.

        Raises:
            GatewayError: as the engine's `ask` does.
        """
        after: Cursor | None = None
        while True:
            found = await self.page(filters, order, size, after)
            yield found
            after = found.next
            if after is None:
                return

    async def seen(self, dataset: Dataset) -> Seen:
        """Look at what there is now.

        Raises:
            CallLogUnavailable: the segments cannot be listed.
        """
        try:
            live: Live | None = await self._log.live(dataset)
        except StoreUnavailable:
            live = None
        cursor = live.cursor if live is not None else None
        segments = await self._segments(dataset, cursor)
        return Seen(segments, tuple(live.lines) if live is not None else (), live is not None)

    async def aclose(self) -> None:
        """End the engine."""
        await self._engine.aclose()

    async def _segments(self, dataset: Dataset, cursor: Written | None) -> tuple[tuple[Segment, int], ...]:
        """List the segments; the last list does as long as the cursor is where it was when that was made."""
        known = self._listed.get(dataset.name)
        now = time.monotonic()
        if known is not None and cursor is not None and known[0] == cursor and now - known[1] < _LISTED_S:
            return known[2]
        try:
            entries = await self._files.entries(dataset.name)
        except FilesUnavailable:
            raise CallLogUnavailable(
                "the segments of the call log cannot be listed", retry_after_s=2
            ) from None
        sizes = {each.name: each.size for each in entries}
        segments = [segment for name in sizes if (segment := Segment.read(name)) is not None]
        seen = tuple((each, sizes[each.name]) for each in visible(segments, cursor))
        if cursor is not None:
            self._listed[dataset.name] = cursor, now, seen
        return seen

    async def _told(
        self,
        seen: Seen,
        filters: Filters,
        kind: type[R],
        within_s: float,
        make: Any,
        dataset: Dataset = CALLS,
    ) -> R:
        """Have the engine answer from what was seen; once more where a file went in the meantime."""
        for attempt in range(_ATTEMPTS):
            try:
                source = await self._source(dataset, seen, filters)
                operation: Operation = make(source)
                reply = await self._engine.ask(operation, within_s)
            except (CallLogUnavailable, FileNotFoundError, FilesUnavailable):
                self._listed.pop(dataset.name, None)
                if attempt == _ATTEMPTS - 1:
                    break
                seen = await self.seen(dataset)
                continue
            if not isinstance(reply, kind):
                raise TypeError(
                    f"the engine answered {type(reply).__name__} where {kind.__name__} was asked for"
                )
            return reply
        raise CallLogUnavailable("the call log cannot be read now", retry_after_s=1)

    async def _source(self, dataset: Dataset, seen: Seen, filters: Filters) -> Source:
        wanted = [
            (segment.name, size)
            for segment, size in seen.segments
            if _meets(segment.partition, filters.from_us, filters.to_us)
        ]
        return Source(dataset=dataset.name, paths=await self._cache.paths(wanted), lines=seen.lines)

    def _windows(
        self, seen: Seen, filters: Filters, order: Order, after: Cursor | None
    ) -> list[tuple[int, int]]:
        """The times to look at, in order: all at once where files are at hand, else a few hours first."""
        begin, end = filters.from_us, filters.to_us
        if after is not None:
            if order == "newest":
                end = min(end, after.ended_us + 1)
            else:
                begin = max(begin, after.ended_us)
        if not seen.segments or self._files.path(seen.segments[0][0].name) is not None:
            return [(begin, end)]
        partitions = {segment.partition for segment, _ in seen.segments}
        hours = sorted(_hour_us(each) for each in partitions if _meets(each, begin, end))
        return _split(hours if order == "oldest" else hours[::-1], begin, end, order)


def _split(hours: Sequence[int], begin: int, end: int, order: Order) -> list[tuple[int, int]]:
    """Cut `[begin, end)` behind so many hours that there are segments of, each time twice as many."""
    windows = list[tuple[int, int]]()
    size, left = _FIRST_HOURS, list(hours)
    if not hours:
        return [(begin, end)]
    while left:
        now, left = left[:size], left[size:]
        size *= 2
        if order == "newest":
            cut = now[-1] if left else begin
            windows.append((max(cut, begin), end))
            end = cut
        else:
            cut = now[-1] + _HOUR_US if left else end
            windows.append((begin, min(cut, end)))
            begin = cut
    return windows


def _narrowed(filters: Filters, from_us: int, to_us: int) -> Filters:
    return Filters(
        from_us=max(filters.from_us, from_us),
        to_us=min(filters.to_us, to_us),
        tenant=filters.tenant,
        texts=filters.texts,
        prompt=filters.prompt,
        tag=filters.tag,
        status=filters.status,
        min_us=filters.min_us,
        min_cost_nano=filters.min_cost_nano,
    )


def _meets(partition: str, from_us: int, to_us: int) -> bool:
    begins = _hour_us(partition)
    return begins < to_us and begins + _HOUR_US > from_us


@functools.lru_cache(maxsize=1 << 16)
def _hour_us(partition: str) -> int:
    """When an hour begins, in unix microseconds, of its name as `date=2026-11-27/hour=13`."""
    date, _, hour = partition.removeprefix("date=").partition("/hour=")
    return int(datetime.fromisoformat(f"{date}T{hour}:00:00+00:00").timestamp()) * 1_000_000


def _begun_us(call_id: str) -> int | None:
    """When a call began, as its id says, in unix microseconds."""
    found = _ID_TIME.fullmatch(call_id)
    return None if found is None else int(found[1], 16) * 1000
