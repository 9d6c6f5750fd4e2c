"""A worker's journal as the event loop sees it: records are handed to one thread, which writes them together.

How durable a record is when `append` returns depends on its kind. A `result` is on the medium (write and
fdatasync): the caller's last byte may follow. An `intent` and a `done` are only accepted, and on the medium within
`linger_s` and one commit, so that neither dispatch nor the end of a call waits for a disk. Records reach the disk
in the order in which they were put, so that a durable result has a durable intent; and whoever must not send a
first byte before the intent is durable awaits the receipt that `put` returned for it, by then a formality. What a
death can take is an intent of the last moments, whose hold then lapses by its time in the store, and a `done`,
whose operation is then settled once more under its id and so not charged twice.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from llmgw.accounting.journal.adopting import adopt
from llmgw.accounting.journal.batch import RECORD_BYTES, Batch
from llmgw.accounting.journal.files import Directory, Disk
from llmgw.accounting.journal.record import OPERATION_MAX, Kind, Record, gateway_digest
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import (
    Adoption,
    Damage,
    JournalState,
    JournalUnavailable,
    Lapsed,
    Reason,
    Refusal,
    Unsettled,
)
from llmgw.accounting.journal.writer import Writer

T = TypeVar("T")

_END: Final = Kind.END
_DAMAGES: Final = 100
"""Damages remembered, the latest."""


class _Job(Generic[T]):
    """Something else that the writer's thread does in its turn."""

    def __init__(self, work: Callable[[], T], future: "asyncio.Future[T]") -> None:
        self.work = work
        self.future = future


class Receipt:
    """Awaited, it returns once its record is on the medium, with all that are written together with it.

    Raises:
        JournalUnavailable: the record may not be there.
    """

    __slots__ = ("_batch", "_journal")

    def __init__(self, journal: "Journal", batch: Batch) -> None:
        self._journal = journal
        self._batch = batch

    @property
    def durable(self) -> bool:
        """Whether it is there already."""
        return self._batch.outcome is True

    @property
    def refused(self) -> bool:
        """Whether it is known that it may not be there."""
        return isinstance(self._batch.outcome, JournalUnavailable)

    def tell(self, waiter: "asyncio.Future[None]") -> None:
        """Resolve a future once it is there, or fail it as awaiting would; nothing is written sooner for that."""
        self._batch.tell(waiter)

    def hurry(self) -> None:
        """Have it written as soon as the pace allows."""
        self._journal._hurry_soon(self._batch)  # noqa: SLF001 - the other half of this class

    def __await__(self) -> Generator[Any, None, None]:
        """Wait for the commit, which begins at once."""
        return self._journal._durable(self._batch).__await__()  # noqa: SLF001 - the other half of this class


class Journal:
    """The journal of one worker: opened in the process that uses it, and in no other."""

    def __init__(
        self, directory: Path, settings: JournalSettings | None = None, disk: Disk | None = None
    ) -> None:
        self._settings = settings or JournalSettings()
        self._directory = Directory(directory)
        self._writer = Writer(self._directory, self._settings, disk or Disk())
        self._queue: SimpleQueue[Batch | _Job[Any] | None] = SimpleQueue()
        self._gathering = Batch()
        self._receipt = Receipt(self, self._gathering)
        """One for all whose records are written together."""
        self._backlog = self._settings.backlog_bytes
        self._in_flight = 0
        self._waiting_bytes = 0
        self._sent = 0.0
        self._lingering: asyncio.TimerHandle | None = None
        self._refused = self._lost = 0
        self._closed: Refusal | None = Refusal("closed", "it is not open", 0)
        self._stalled: Refusal | None = None
        self._damages: deque[Damage] = deque(maxlen=_DAMAGES)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Begin a segment of this worker's own; may be tried again after it failed.

        Raises:
            OSError: the directory or a file in it cannot be made; that is why records are refused until then.
        """
        self._loop = asyncio.get_running_loop()
        thread = Thread(target=self._work, name="llmgw-journal", daemon=True)
        thread.start()
        try:
            await self._run(self._writer.open)
        except OSError as error:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)
            self._closed = self._writer.refusal_of(error)
            raise
        self._closed = None
        _OPEN.add(self)

    def put(self, record: Record) -> Receipt:
        """Take a record to be written within `linger_s` and one commit.

        Raises:
            JournalUnavailable: records are refused now; an intent also where too many operations are open, and a
                result where twice as many are.
            ValueError: the operation's or the payload's size is out of bounds.
        """
        size = len(record.payload) + RECORD_BYTES
        if (
            self._closed is not None
            or self._stalled is not None
            or self._writer.refusal is not None
            or self._waiting_bytes + size > self._backlog
            or not (0 < len(record.operation) <= OPERATION_MAX and record.operation.isascii())
            or record.kind is _END
        ):
            self._look_at(record, size)
        batch = self._gathering
        self._waiting_bytes += batch.add(record, size)
        if self._lingering is None and not batch.urgent and self._loop is not None:
            self._lingering = self._loop.call_later(self._settings.linger_s, self._hurry, batch)
        return self._receipt

    async def append(self, record: Record) -> None:
        """Take a record, and return when it is as durable as its kind is to be: a result on the medium.

        Raises:
            JournalUnavailable: as `put`; or the result may not be on the medium.
            ValueError: as `put`.
        """
        receipt = self.put(record)
        if record.kind is Kind.RESULT:
            await receipt

    async def recover(self) -> Adoption:
        """Take over what dead workers of this gateway left here; `replay` then gives their operations.

        Raises:
            JournalUnavailable: not all could be taken over; what was not stays for the next time.
        """
        gateway = gateway_digest(self._settings.gateway)
        try:
            adoption = await adopt(self._directory, self._settings, gateway, self._take_over)
            self._writer.quarantined = await asyncio.to_thread(self._directory.quarantined)
        except OSError as error:
            raise JournalUnavailable("io_error", error.strerror or str(error)) from error
        self._damages.extend(adoption.damages)
        return adoption

    async def replay(self) -> AsyncIterator[Unsettled | Lapsed]:
        """Give the operations that wait to be settled, and those whose worker died before a result, oldest first.

        Own calls that are still running are not among them; own results that are being settled at this moment
        are, which is why settling goes by the operation's id. At most one segment's payloads are in memory.

        Raises:
            JournalUnavailable: a segment cannot be read.
        """
        self._send()
        for sequence in await self._job(self._writer.sequences):
            found, damages = await self._job(lambda at=sequence: self._writer.open_in(at))  # type: ignore[misc]
            self._damages.extend(damages)
            for each in found:
                yield each

    @property
    def ready(self) -> bool:
        """Whether records are taken now: as `state` tells it, for those who ask with each call."""
        return (self._closed or self._stalled or self._writer.refusal) is None

    @property
    def state(self) -> JournalState:
        """Whether records are taken now, and what was done; costs no wait."""
        refusal = self._closed or self._stalled or self._writer.refusal
        return JournalState(refusal, self._writer.counts(self._refused, self._lost))

    @property
    def damages(self) -> tuple[Damage, ...]:
        """The last places found that were not what was written."""
        return tuple(self._damages)

    async def aclose(self) -> None:
        """Write what waits, end the segment, and leave no files where nothing is open."""
        if self._closed is not None:
            return
        self._closed = Refusal("closed", "it was closed", 0)
        _OPEN.discard(self)
        self._send()
        await self._run(self._writer.close)
        self._queue.put(None)

    def leave(self) -> None:
        """Be closed in a forked child, whose parent goes on."""
        self._closed = Refusal("closed", "it belongs to the parent of this process", 0)
        self._writer.leave()

    def _look_at(self, record: Record, size: int) -> None:
        """Refuse a record as `put` says."""
        if not 0 < len(record.operation.encode()) <= OPERATION_MAX or record.kind is _END:
            raise ValueError(f"an operation has 1 to {OPERATION_MAX} bytes, and its end is the journal's own")
        refusal = self._closed or self._stalled or self._writer.refusal
        if refusal is not None and (refusal.reason != "full" or self._no_room(record.kind)):
            raise self._refuse(refusal.reason, refusal.detail)
        if size > self._backlog:
            raise ValueError(f"a payload of {len(record.payload)} bytes is more than the journal takes")
        if self._waiting_bytes + size > self._backlog:
            raise self._refuse("backlog", f"{self._waiting_bytes} bytes wait for the disk")

    def _no_room(self, kind: Kind) -> bool:
        """In a full journal no call begins; running ones may end, as long as they do not double it."""
        return kind is Kind.INTENT or (kind is Kind.RESULT and self._writer.overfull)

    def _refuse(self, reason: Reason, detail: str) -> JournalUnavailable:
        self._refused += 1
        return JournalUnavailable(reason, detail)

    async def _durable(self, batch: Batch) -> None:
        if self._loop is None:
            raise JournalUnavailable("closed", "it is not open")
        waiter = self._loop.create_future()
        batch.tell(waiter)
        self._hurry_soon(batch)
        await waiter

    def _hurry_soon(self, batch: Batch) -> None:
        """Write the batch as soon as the pace allows, with whatever else comes until then."""
        if batch.urgent or batch is not self._gathering or self._loop is None:
            return
        batch.urgent = True
        if not self._in_flight:
            self._schedule(self._loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commit at the end of this turn, or when the pace allows: each commit takes CPU, however small it is."""
        due = self._sent + self._settings.pace_s
        if loop.time() >= due:
            loop.call_soon(self._hurry, self._gathering)
        else:
            loop.call_at(due, self._hurry, self._gathering)

    def _hurry(self, batch: Batch) -> None:
        if batch is not self._gathering:
            return
        batch.urgent = True
        if not self._in_flight:
            self._send()

    def _send(self) -> None:
        """Hand what was gathered to the thread."""
        batch = self._gathering
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if not batch.records or self._loop is None:
            return
        self._gathering = Batch()
        self._receipt = Receipt(self, self._gathering)
        self._in_flight += 1
        self._sent = self._loop.time()
        batch.stalling = self._loop.call_later(self._settings.stall_s, self._stall, batch)
        self._queue.put(batch)

    def _stall(self, batch: Batch) -> None:
        said = f"the disk has not answered for {self._settings.stall_s:g} s"
        self._stalled = Refusal("stalled", said, time.time_ns())
        batch.end(JournalUnavailable("stalled", said))

    def _committed(self, batch: Batch, failure: JournalUnavailable | None) -> None:
        self._in_flight -= 1
        self._waiting_bytes -= batch.size
        self._stalled = None
        if failure is not None:
            self._lost += len(batch.records)
        batch.end(failure)
        if self._gathering.urgent and not self._in_flight and self._loop is not None:
            self._schedule(self._loop)

    async def _take_over(self, records: list[Record]) -> None:
        await self._job(lambda: self._writer.write(records, adopted=True))

    async def _job(self, work: Callable[[], T]) -> T:
        if self._closed is not None:
            raise JournalUnavailable("closed", self._closed.detail)
        try:
            return await self._run(work)
        except OSError as error:
            raise JournalUnavailable("io_error", error.strerror or str(error)) from error

    async def _run(self, work: Callable[[], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Job(work, future))
        return await future

    def _work(self) -> None:
        """Do one thing after the other, in the thread, and look after a disk that refused."""
        while True:
            refusal = self._writer.refusal
            waiting = refusal is not None and refusal.reason != "full"
            try:
                item = self._queue.get(timeout=self._settings.probe_s if waiting else None)
            except Empty:
                self._writer.probe()
                continue
            if item is None:
                return
            told = self._do_job(item) if isinstance(item, _Job) else self._do_batch(item)
            if self._loop is None or self._loop.is_closed():
                return
            try:
                self._loop.call_soon_threadsafe(told)
            except RuntimeError:  # the loop was closed in between, and nobody is there to be told
                return

    def _do_batch(self, batch: Batch) -> Callable[[], None]:
        failure: JournalUnavailable | None = None
        try:
            self._writer.write(batch.records)
        except OSError as error:
            refusal = self._writer.refusal
            reason: Reason = refusal.reason if refusal else "io_error"
            failure = JournalUnavailable(reason, refusal.detail if refusal else str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must hear of it
            failure = JournalUnavailable("io_error", repr(error))
        return lambda: self._committed(batch, failure)

    @staticmethod
    def _do_job(job: _Job[Any]) -> Callable[[], None]:
        try:
            result = job.work()
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            told = error
            return lambda: None if job.future.done() else job.future.set_exception(told)
        return lambda: None if job.future.done() else job.future.set_result(result)


_OPEN: Final[WeakSet[Journal]] = WeakSet()


def _leave_all() -> None:
    for journal in list(_OPEN):
        journal.leave()


os.register_at_fork(after_in_child=_leave_all)
