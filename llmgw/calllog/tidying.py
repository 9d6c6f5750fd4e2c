"""What becomes of segments: small ones of an hour that is over become one, and days that are too old go."""

import contextlib
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from llmgw.calllog.datasets import Dataset
from llmgw.calllog.files import DRAFT, Entry, Files
from llmgw.calllog.ingest import Writer, WriterRefused
from llmgw.calllog.segments import Cursor, Segment, covered, visible

_log = logging.getLogger(__name__)

SETTLED_MS: Final = 300_000
"""How long after its end an hour is left alone, for events that come late."""
GRACE_MS: Final = 600_000
"""How long a segment stays that is in another one as a whole, for those who have it in their list."""
LARGE: Final = 64 * 1024 * 1024
"""Bytes from which a segment is no small one; what is made of small ones is about as large at most."""
_DRAFT_KEPT_MS: Final = 3_600_000
_HOUR_MS: Final = 3_600_000


class Tidied(NamedTuple):
    """What was done: segments that were made, and files that were deleted by why."""

    made: int = 0
    covered: int = 0
    expired: int = 0


class Tidying:
    """One dataset's; every step is safe to do twice, and by two at once."""

    def __init__(self, dataset: Dataset, files: Files, writer: Writer, keep_days: int) -> None:
        self._dataset = dataset
        self._files = files
        self._writer = writer
        self._keep_days = keep_days
        self._refused: set[str] = set()

    async def step(self, cursor: Cursor, now_ms: int) -> Tidied:
        """Delete what is too old or elsewhere, and join what is small.

        `cursor` is how far the stream is in segments: those behind it are still being written.

        Raises:
            FilesUnavailable: the rest is for the next time.
            WriterUnavailable: the same.
        """
        entries = await self._files.entries(self._dataset.name)
        expired = list(too_old(entries, self._dataset.name, now_ms, self._keep_days))
        expired += await self._put_aside(now_ms)
        await self._files.delete(expired)
        left = [each for each in entries if each.name not in expired]
        gone = [each.name for each in elsewhere(left, now_ms)]
        await self._files.delete(gone)
        groups = [each for each in joinable(left, cursor, now_ms) if each[0].partition not in self._refused]
        made = 0
        for group in groups:
            made += await self._join(group)
        return Tidied(made, len(gone), len(expired))

    async def _join(self, group: Sequence[Segment]) -> bool:
        whole = group[0]._replace(last=group[-1].last)
        with _scratch_files(self._writer.scratch, len(group) + 1) as (target, *copies):
            sources: list[str] = []
            for each, copy in zip(group, copies, strict=True):
                path = self._files.path(each.name)
                if path is None:
                    try:
                        await self._files.fetch(each.name, copy)
                    except FileNotFoundError:
                        return False
                sources.append(str(path or copy))
            try:
                await self._writer.compact(self._dataset.name, sources, str(target))
            except WriterRefused as error:
                # A damaged file, say: it is left for people, and its hour as it is.
                self._refused.add(whole.partition)
                where = f"{whole.dataset}/{whole.partition}"
                _log.error("segments of the call log under %s cannot be joined: %s", where, error)
                return False
            await self._files.put(whole.name, target)
        return True

    async def _put_aside(self, now_ms: int) -> list[str]:
        """Files of events that could not be written, when they are as old as the others that go."""
        entries = await self._files.entries(f"refused/{self._dataset.name}")
        limit = now_ms - self._keep_days * 24 * _HOUR_MS
        return [each.name for each in entries if each.name.endswith(".ndjson") and each.modified_ms < limit]


def too_old(entries: Iterable[Entry], dataset: str, now_ms: int, keep_days: int) -> Iterator[str]:
    """Names of segments of days that need not be kept, and of files that a worker left half written."""
    first = (datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=keep_days)).strftime("date=%Y-%m-%d")
    for each in entries:
        segment = Segment.read(each.name)
        if segment is not None:
            if segment.dataset == dataset and segment.partition < first:
                yield each.name
        elif Path(each.name).name.startswith(DRAFT) and each.modified_ms < now_ms - _DRAFT_KEPT_MS:
            yield each.name


def elsewhere(entries: Iterable[Entry], now_ms: int) -> list[Segment]:
    """Segments whose events have all been in another one for long enough."""
    old = [each for each in entries if each.modified_ms <= now_ms - GRACE_MS]
    return covered(segment for each in old if (segment := Segment.read(each.name)) is not None)


def joinable(entries: Iterable[Entry], cursor: Cursor, now_ms: int) -> list[list[Segment]]:
    """Segments of hours that are over, in groups to be one each; those of other streams are not ours to touch."""
    sizes = {each.name: each.size for each in entries}
    segments = [segment for name in sizes if (segment := Segment.read(name)) is not None]
    over = datetime.fromtimestamp((now_ms - SETTLED_MS - _HOUR_MS) / 1000, UTC)
    last_over = over.strftime("date=%Y-%m-%d/hour=%H")
    ours = [
        each
        for each in visible(segments, cursor)
        if each.origin == cursor.origin and each.partition <= last_over
    ]
    groups: list[list[Segment]] = []
    for _, hour in groupby(ours, key=lambda each: each.partition):
        group: list[Segment] = []
        total = 0
        for each in hour:
            size = sizes[each.name]
            if group and total + size > LARGE:
                groups.append(group)
                group, total = [], 0
            group.append(each)
            total += size
        groups.append(group)
    return [group for group in groups if len(group) > 1]


@contextlib.contextmanager
def _scratch_files(scratch: Path, count: int) -> Iterator[list[Path]]:
    paths = [scratch / f"{secrets.token_hex(8)}.parquet" for _ in range(count)]
    try:
        yield paths
    finally:
        for each in paths:
            each.unlink(missing_ok=True)
