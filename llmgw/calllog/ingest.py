"""From a stream to segments, by one worker at a time, so that every event is in one segment, whoever dies when.

What a segment is made of is written down before it is made (the draft), and whoever comes after a crash makes the
very same ones; what another worker goes on writing meanwhile is the same as well, in files of the same names.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from llmgw.calllog.datasets import Dataset
from llmgw.calllog.engine.pieces import Piece
from llmgw.calllog.files import Files, FilesUnavailable
from llmgw.calllog.segments import Place, Segment
from llmgw.calllog.stream import Batch, Stream

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 64 * 1024 * 1024
"""Most of what one step writes, about."""
TRIES: Final = 3
"""How often events are given to the writer that it refuses, before they are put aside."""
_BEFORE_ALL: Final = Place(0, 0)


class WriterRefused(Exception):
    """Segments cannot be made of what was given; the message says why, in no user's words."""


class WriterUnavailable(Exception):
    """Segments cannot be made now; `reason` is `disk` where there is no room, else `engine`."""

    def __init__(self, message: str, reason: str = "engine") -> None:
        super().__init__(message)
        self.reason = reason


class Writer(Protocol):
    """Makes Parquet, in another process.

    Raises:
        WriterRefused: it cannot of what it was given.
        WriterUnavailable: it cannot now.
    """

    @property
    def scratch(self) -> Path:
        """A directory of this machine, for files on their way."""

    async def write(self, dataset: str, lines: list[bytes]) -> Sequence[Piece]:
        """Make segments of JSON lines."""

    async def compact(self, dataset: str, sources: list[str], target: str) -> int:
        """Make one file of several, and return how many rows it has."""


class Written(NamedTuple):
    """What a step did with the events that it took: `put_aside` are in no segment, but in a file."""

    taken: int
    written: int
    put_aside: int = 0


class Ingest:
    """One dataset's; `step` is all that happens, and any worker may go on where another stopped."""

    def __init__(self, dataset: Dataset, stream: Stream, files: Files, writer: Writer, max_rows: int) -> None:
        self._dataset = dataset
        self._stream = stream
        self._files = files
        self._writer = writer
        self._max_rows = max_rows
        self._origin = ""
        self._fence = 0
        self._refused = 0

    async def claim(self, origin: str) -> None:
        """Become the one that writes; `origin` names the stream if it is a new one.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        self._fence, self._origin, _ = await self._stream.claim(origin)

    async def step(self) -> Written:
        """Write the next events, at most about as many as a segment has.

        Raises:
            TakenOver: another worker does.
            StoreUnavailable: the same again is safe.
            FilesUnavailable: nothing is lost, and the store knows why nothing is written.
            WriterUnavailable: the same.
            WriterRefused: the same; after some tries the events are put aside.
        """
        batches = await self._take()
        if not batches:
            return Written(0, 0)
        try:
            written, put_aside = await self._write(batches)
        except (FilesUnavailable, WriterUnavailable) as error:
            await self._stream.halt(self._fence, error.reason)
            raise
        taken, size = sum(each.rows for each in batches), sum(each.size for each in batches)
        await self._stream.finish(self._fence, batches[-1].place, taken, size)
        self._refused = 0
        return Written(taken, written, put_aside)

    async def _take(self) -> list[Batch]:
        """The draft that there is, or a new one."""
        found: list[Batch] = []
        while page := await self._stream.drafted(self._fence, found[-1].place if found else _BEFORE_ALL):
            found += page
        if found:
            return found
        while sum(each.rows for each in found) < self._max_rows and _bytes(found) < MAX_BYTES:
            page = await self._stream.extend(self._fence)
            if not page:
                break
            found += page
        return found

    async def _write(self, batches: Sequence[Batch]) -> tuple[int, int]:
        first, last = batches[0].place, batches[-1].place
        lines = [each.lines for each in batches]
        try:
            pieces = await self._writer.write(self._dataset.name, lines)
        except WriterRefused as error:
            self._refused += 1
            if self._refused < TRIES:
                raise
            name = f"refused/{self._dataset.name}/{self._origin}_{first}_{last}.ndjson"
            await self._files.put(name, b"\n".join(lines) + b"\n")
            _log.error("events of the call log cannot be written, and are in %s: %s", name, error)
            return 0, sum(each.rows for each in batches)
        written = 0
        for piece in pieces:
            segment = Segment(self._dataset.name, piece.partition, self._origin, first, last)
            await self._files.put(segment.name, piece.parquet)
            written += piece.rows
        return written, 0


def _bytes(batches: Sequence[Batch]) -> int:
    return sum(each.size for each in batches)
