"""Taking over what dead workers left: every record that proves itself, and an account of everything else.

Reading is done in threads of its own, so that running calls wait for no more than the writing of one segment.
"""

import asyncio
from collections.abc import Awaitable, Callable

from llmgw.accounting.journal.files import Directory, Lock
from llmgw.accounting.journal.index import Index
from llmgw.accounting.journal.record import (
    HEAD_BYTES,
    Gap,
    Head,
    HeadDamaged,
    Kind,
    NotASegment,
    Place,
    Record,
    decode_head,
    salvaged_head,
    scan,
)
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import Adoption, Damage, Fault


class Inheritance:
    """The open operations of one dead worker; the segments are read twice, so that one at a time is in memory."""

    def __init__(self, directory: Directory, worker: str, longest: int) -> None:
        self._directory = directory
        self._worker = worker
        self._longest = longest
        self._index = Index()
        self._heads: dict[int, Head] = {}
        self.damages: list[Damage] = []
        self.spoilt: set[int] = set()
        """Segments that are kept for the operator after their good records were taken over."""
        self.foreign: set[int] = set()
        """Segments that are not this gateway's, or cannot be read: they stay as they are."""
        self.unborn: set[int] = set()
        """Segments that were never begun."""

    @property
    def sequences(self) -> list[int]:
        """The segments that were read, oldest first."""
        return list(self._heads)

    def records(self, sequence: int) -> list[Record]:
        """The records of a segment that stand for open operations.

        Raises:
            OSError: it cannot be read a second time.
        """
        if not self._index.live(sequence):
            return []
        data = self._directory.read(self._worker, sequence, self._longest)
        found = (each for each in scan(data, self._heads[sequence]) if isinstance(each, Place))
        return [
            place.record
            for place in found
            if self._index.speaks(place.record.operation, sequence, place.offset)
        ]

    def read(self, sequence: int, gateway: bytes, *, last: bool) -> None:
        """Take note of all records of a segment, and of whatever in it is none."""
        name = self._directory.segment(self._worker, sequence).name
        try:
            data = self._directory.read(self._worker, sequence, self._longest)
        except OSError as error:
            self.foreign.add(sequence)
            self.damages.append(Damage(name, "unreadable", error.strerror or str(error)))
            return
        if last and len(data) < HEAD_BYTES:
            # No record is written before the head is on the medium, so that nothing was lost with it.
            self.unborn.add(sequence)
            self.damages.append(Damage(name, "torn", "its worker died while it began it", 0, len(data)))
            return
        try:
            head = decode_head(data)
        except NotASegment as error:
            damaged = isinstance(error, HeadDamaged)
            salvaged = salvaged_head(data, self._worker, sequence, gateway) if damaged else None
            fault: Fault = "foreign" if salvaged is None else "damaged"
            self.damages.append(Damage(name, fault, str(error), 0, HEAD_BYTES if salvaged else len(data)))
            if salvaged is None:
                self.foreign.add(sequence)
                return
            self.spoilt.add(sequence)
            head = salvaged
        if (head.worker, head.sequence, head.gateway) != (self._worker, sequence, gateway):
            self.foreign.add(sequence)
            self.damages.append(Damage(name, "foreign", "its head is of another worker, place or gateway"))
            return
        self._heads[sequence] = head
        self._note(name, data, head, last=last)

    def _note(self, name: str, data: bytes, head: Head, *, last: bool) -> None:
        ended = False
        gaps: list[Gap] = []
        for each in scan(data, head):
            if isinstance(each, Gap):
                gaps.append(each)
                continue
            record = each.record
            ended = record.kind is Kind.END
            if not ended:
                self._index.apply(record.kind, record.operation, head.sequence, each.offset, adopted=True)
        for gap in gaps:
            torn = last and not ended and gap.end == len(data)
            said = "its last record is not whole" if torn else "these bytes are not those that were written"
            fault: Fault = "torn" if torn else "damaged"
            self.damages.append(Damage(name, fault, said, gap.offset, gap.end - gap.offset))
            if not torn:
                self.spoilt.add(head.sequence)
        if not ended and not last:
            self.damages.append(Damage(name, "truncated", "its end is missing, and others follow", len(data)))
            self.spoilt.add(head.sequence)

    def bury(self) -> None:
        """Take the segments that were read away, oldest first; damaged ones are put aside, foreign ones stay.

        Raises:
            OSError: one could not be taken away.
        """
        for sequence in sorted({*self._heads, *self.unborn}):
            if sequence in self.spoilt:
                self._directory.put_aside(self._worker, sequence)
            else:
                self._directory.remove(self._worker, sequence)


async def adopt(
    directory: Directory,
    settings: JournalSettings,
    gateway: bytes,
    write: Callable[[list[Record]], Awaitable[None]],
) -> Adoption:
    """Hand the open operations of all dead workers to `write`, and take their files away once they are durable.

    Raises:
        OSError: not all could be read, written or taken away; what was not stays for the next time.
    """
    damages = await asyncio.to_thread(lambda: list(directory.strangers()))
    workers = operations = 0
    dead = await asyncio.to_thread(lambda: list(directory.dead()))
    done: set[Lock] = set()
    try:
        for worker, lock in dead:
            found = await asyncio.to_thread(inherit, directory, worker, gateway, settings.longest_segment)
            damages += found.damages
            for sequence in found.sequences:
                records = await asyncio.to_thread(found.records, sequence)
                if records:
                    await write(records)
                operations += len(records)
            await asyncio.to_thread(found.bury)
            workers += 1
            if not found.foreign:
                done.add(lock)
    finally:
        for _, lock in dead:
            lock.release(remove=lock in done)
    return Adoption(workers, operations, tuple(damages))


def inherit(directory: Directory, worker: str, gateway: bytes, longest: int) -> Inheritance:
    """Read all segments of a dead worker whose lock the caller holds.

    Raises:
        OSError: the directory cannot be read.
    """
    found = Inheritance(directory, worker, longest)
    sequences = directory.segments(worker)
    before = None
    for sequence in sequences:
        if before is not None and sequence != before + 1:
            name = directory.segment(worker, sequence).name
            found.damages.append(Damage(name, "missing", f"segments {before + 1} to {sequence - 1} are gone"))
        found.read(sequence, gateway, last=sequence == sequences[-1])
        before = sequence
    return found
