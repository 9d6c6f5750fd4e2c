"""The journal's side of the disk: all of it runs in the writer's own thread, one step after the other."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from llmgw.accounting.journal.files import Directory, Disk, Lock
from llmgw.accounting.journal.index import Index
from llmgw.accounting.journal.record import (
    HEAD_BYTES,
    MARKER_BYTES,
    Head,
    Kind,
    Record,
    encode_head,
    encode_record,
    gateway_digest,
    record_at,
)
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import Counts, Damage, Lapsed, Reason, Refusal, Unsettled

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Segment(Struct):
    sequence: int
    size: int
    records: int = 0


class Writer:
    """One worker's segments: appended to, read again, and taken away."""

    def __init__(self, directory: Directory, settings: JournalSettings, disk: Disk) -> None:
        self._directory = directory
        self._settings = settings
        self._disk = disk
        self._marker = secrets.token_bytes(MARKER_BYTES)
        self._worker = ""
        self._lock: Lock | None = None
        self._descriptor = -1
        self._segments: list[_Segment] = []
        self._sequence = 0
        self._index = Index()
        self._records = self._commits = self._bytes = self._failures = self.quarantined = 0
        self.refusal: Refusal | None = None
        self.overfull = False
        """Whether even results have no more room: twice the bounds are reached."""

    def open(self) -> None:
        """Enlist as a worker and begin the first segment.

        Raises:
            OSError: the directory or a file in it cannot be made.
        """
        self._directory.make()
        self._worker, self._lock = self._directory.enlist()
        try:
            self._begin()
        except OSError:
            self._lock.release(remove=True)
            raise
        self.quarantined = self._directory.quarantined()

    def write(self, records: Sequence[Record], *, adopted: bool = False) -> None:
        """Return once the records are on disk, all of them.

        Raises:
            OSError: they may not be; `refusal` says why, and nothing is taken until `probe` is content.
        """
        if self._descriptor < 0:
            raise OSError(errno.EIO, "the last segment could not be written")
        try:
            if self._segments[-1].size >= self._settings.segment_bytes:
                self._rotate()
            segment = self._segments[-1]
            data, places = self._encoded(records, segment)
            self._append(segment, data)
        except OSError as error:
            self._fail(error)
            raise
        segment.records += len(records)
        for record, offset in zip(records, places, strict=True):
            self._index.apply(record.kind, record.operation, segment.sequence, offset, adopted=adopted)
        self._records += len(records)
        self._commits += 1
        self._bytes += len(data)
        self._reclaim()

    def probe(self) -> bool:
        """Try to write again after a failure, in a new segment; whether records are taken now."""
        if self.refusal is None or self.refusal.reason == "full":
            self._judge()
            return self.refusal is None
        try:
            self._rotate()
        except OSError as error:
            self._fail(error)
            return False
        self.refusal = None
        self._judge()
        return self.refusal is None

    def sequences(self) -> list[int]:
        """The segments in which a record of an open operation may be, oldest first."""
        return [segment.sequence for segment in self._segments]

    def open_in(self, sequence: int) -> tuple[list[Unsettled | Lapsed], list[Damage]]:
        """Read the operations of a segment that wait to be settled, and those whose call died.

        Raises:
            OSError: the segment cannot be read.
        """
        places, damages = self._read(sequence, only_waiting=True)
        found: list[Unsettled | Lapsed] = []
        for record in places:
            kind = Unsettled if record.kind is Kind.RESULT else Lapsed
            found.append(kind(record.operation, record.payload, record.unix_ns))
        return found, damages

    def counts(self, refused: int, lost: int) -> Counts:
        """All counts; those of the asking side are handed in."""
        return Counts(
            records=self._records,
            commits=self._commits,
            bytes=self._bytes,
            refused=refused,
            lost=lost,
            failures=self._failures,
            segments=len(self._segments),
            segment_bytes=self._total,
            open_operations=len(self._index),
            quarantined=self.quarantined,
        )

    def close(self) -> None:
        """End the last segment in order; a worker that leaves nothing open leaves no files."""
        with contextlib.suppress(OSError):
            self._end()
        clean = not len(self._index)
        if clean:
            try:
                while self._segments:
                    self._directory.remove(self._worker, self._segments[0].sequence)
                    del self._segments[0]
            except OSError:
                clean = False
        if self._lock is not None:
            self._lock.release(remove=clean)

    def leave(self) -> None:
        """Close what a forked child has of its parent's, without a word to the disk."""
        if self._lock is not None:
            self._lock.leave()
        self._drop()

    @property
    def _total(self) -> int:
        return sum(segment.size for segment in self._segments)

    @property
    def _digest(self) -> bytes:
        return gateway_digest(self._settings.gateway)

    def _begin(self) -> None:
        sequence = self._sequence + 1
        if self.refusal is not None:
            # An attempt that failed may have left its file.
            self._directory.segment(self._worker, sequence).unlink(missing_ok=True)
        descriptor = self._directory.create(self._worker, sequence)
        head = Head(self._worker, sequence, self._marker, self._digest, time.time_ns())
        try:
            self._put(descriptor, encode_head(head))
            self._disk.sync(descriptor)
            self._directory.sync()
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self._directory.segment(self._worker, sequence).unlink()
            raise
        self._sequence = sequence
        self._descriptor = descriptor
        self._segments.append(_Segment(sequence, HEAD_BYTES))

    def _rotate(self) -> None:
        self._end()
        self._begin()

    def _end(self) -> None:
        """Write that nothing follows, where the segment can still be written, and let go of it."""
        if self._descriptor < 0:
            return
        segment = self._segments[-1]
        end = Record(Kind.END, "", unix_ns=time.time_ns())
        self._append(segment, encode_record(end, self._marker, segment.sequence, segment.size))
        self._drop()

    def _append(self, segment: _Segment, data: bytes | bytearray) -> None:
        try:
            self._put(self._descriptor, data)
        except OSError:
            # What was half written is taken back, so that the segment can go on where space comes back.
            try:
                self._disk.truncate(self._descriptor, segment.size)
            except OSError:
                self._drop()
            raise
        try:
            self._disk.sync(self._descriptor)
        except OSError:
            # After a failed sync nobody knows what is on the medium, and another sync would lie about it.
            self._drop()
            raise
        segment.size += len(data)

    def _put(self, descriptor: int, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._disk.write(descriptor, rest) :]

    def _drop(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def refusal_of(self, error: OSError) -> Refusal:
        """What an error of the disk is told as."""
        reason: Reason = "disk_full" if error.errno in _FULL else "io_error"
        since = self.refusal.since_unix_ns if self.refusal else time.time_ns()
        said = error.strerror or str(error)
        return Refusal(reason, f"{said} ({self._directory.path})", since)

    def _fail(self, error: OSError) -> None:
        self.refusal = self.refusal_of(error)
        self._failures += 1

    def _reclaim(self) -> None:
        """Take away the oldest segments that no open operation needs, and thin out what needs too much room."""
        try:
            while len(self._segments) > 1:
                oldest = self._segments[0]
                live = self._index.live(oldest.sequence)
                if live and not self._worth_moving(oldest, live):
                    break
                if live:
                    self._move(oldest)
                self._directory.remove(self._worker, oldest.sequence)
                del self._segments[0]
        except OSError as error:
            self._fail(error)
        self._judge()

    def _worth_moving(self, segment: _Segment, live: int) -> bool:
        crowded = self._total > self._settings.disk_bytes // 2
        return crowded and live * 2 < segment.records and self._descriptor >= 0

    def _move(self, segment: _Segment) -> None:
        """Write the few open records of the oldest segment again, at the end."""
        records, _ = self._read(segment.sequence, only_waiting=False)
        last = self._segments[-1]
        adopted = {name: entry.adopted for name, entry in self._index.within(segment.sequence)}
        data, places = self._encoded(records, last)
        self._append(last, data)
        last.records += len(records)
        for record, offset in zip(records, places, strict=True):
            name = record.operation
            self._index.apply(record.kind, name, last.sequence, offset, adopted=adopted[name])

    def _encoded(self, records: Sequence[Record], segment: _Segment) -> tuple[bytearray, list[int]]:
        """The records as they follow in the segment, and their offsets."""
        data = bytearray()
        places = []
        for record in records:
            places.append(segment.size + len(data))
            data += encode_record(record, self._marker, segment.sequence, places[-1])
        return data, places

    def _judge(self) -> None:
        """Refuse while the journal's own bounds are reached, and no longer."""
        settings = self._settings
        total, waiting = self._total, len(self._index)
        over = total >= settings.disk_bytes or waiting >= settings.open_operations
        self.overfull = total >= 2 * settings.disk_bytes or waiting >= 2 * settings.open_operations
        if self.refusal is None and over:
            held = f"{waiting} operations wait to be settled, in {total} bytes"
            self.refusal = Refusal("full", held, time.time_ns())
        elif self.refusal is not None and self.refusal.reason == "full" and not over:
            self.refusal = None

    def _read(self, sequence: int, *, only_waiting: bool) -> tuple[list[Record], list[Damage]]:
        wanted = self._index.within(sequence)
        if only_waiting:
            wanted = [each for each in wanted if each[1].kind is Kind.RESULT or each[1].adopted]
        if not wanted:
            return [], []
        data = self._directory.read(self._worker, sequence, self._settings.longest_segment)
        head = Head(self._worker, sequence, self._marker, self._digest, 0)
        records, damages = [], []
        name = self._directory.segment(self._worker, sequence).name
        for operation, entry in wanted:
            place = record_at(data, head, entry.offset)
            if place is not None and place.record.operation == operation:
                records.append(place.record)
            else:
                lost = f"the record of {operation} is not what was written"
                damages.append(Damage(name, "damaged", lost, entry.offset))
        return records, damages
