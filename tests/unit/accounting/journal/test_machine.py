"""Whatever workers do, die of and leave behind: what was acknowledged is given again, once, and nothing else is."""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from llmgw.accounting.journal.files import Disk
from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import HEAD_BYTES, Kind, Record
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import JournalUnavailable, Lapsed, Unsettled
from tests.waiting import until_async

T = TypeVar("T")

BOUNDS = JournalSettings(segment_bytes=300, disk_bytes=3000, linger_s=3600.0, pace_s=0.0, probe_s=0.001)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private directory in it
"""Where a sync costs nothing: thousands of them are no subject of this test."""
KINDS = st.sampled_from((Kind.INTENT, Kind.RESULT, Kind.DONE))
PAYLOADS = st.binary(max_size=80)


class Filling(Disk):
    """A disk that is full when told so."""

    full = False

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write half, then nothing."""
        if not self.full:
            return super().write(descriptor, data)
        if len(data) > 20:
            return super().write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Worker:
    """A journal, what it was told but has not written, and the open operations it must give again."""

    def __init__(self, directory: Path) -> None:
        self.disk = Filling()
        self.journal = Journal(directory, BOUNDS, self.disk)
        self.gathered: list[Record] = []
        self.open: dict[str, Record] = {}
        self.adopted: set[str] = set()
        self.names: set[str] = set()

    def written(self) -> None:
        """All that was gathered is on disk now."""
        for record in self.gathered:
            before = self.open.get(record.operation)
            if record.kind is Kind.DONE:
                self.open.pop(record.operation, None)
            elif before is None or record.kind is Kind.RESULT or before.kind is Kind.INTENT:
                self.open[record.operation] = record
            self.adopted.discard(record.operation)
        self.gathered.clear()


class Workers(RuleBasedStateMachine):
    """Up to three workers that live, those that died, and beside them what must come back."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(prefix="llmgw-journal-", dir=MEMORY)) / "j"
        self.live: list[Worker] = []
        self.dead: list[Worker] = []
        self.history: dict[str, list[Record]] = {}
        self.uncertain: set[str] = set()
        self.flips = self.number = 0

    def teardown(self) -> None:
        """Close what lives."""
        for worker in self.live:
            self.run(worker.journal.aclose())
        for worker in self.dead:
            worker.journal._queue.put(None)
        self.loop.close()
        shutil.rmtree(self.directory.parent)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one step, which must not hang."""
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    @initialize()
    def begin(self) -> None:
        """One worker is there."""
        self.start()

    @precondition(lambda self: len(self.live) < 3)
    @rule()
    def start(self) -> None:
        """A worker comes."""
        worker = Worker(self.directory)
        self.run(worker.journal.open())
        self.live.append(worker)

    def tell(self, worker: Worker, record: Record, *, waits: bool) -> None:
        """Put a record, and wait for it or not."""

        async def work() -> None:
            receipt = worker.journal.put(record)
            worker.gathered.append(record)
            worker.names.add(record.operation)
            self.history.setdefault(record.operation, []).append(record)
            if waits:
                await receipt
                worker.written()

        try:
            self.run(work())
        except JournalUnavailable as refused:
            assert refused.reason == "full"  # noqa: PT017 - any other is a failure, none is none
            assert record.kind is Kind.INTENT or worker.journal._writer.overfull

    @precondition(lambda self: self.live)
    @rule(
        data=st.data(), kinds=st.lists(KINDS, min_size=1, max_size=6), payload=PAYLOADS, waits=st.booleans()
    )
    def call(self, data: st.DataObject, kinds: list[Kind], payload: bytes, waits: bool) -> None:
        """New calls begin, or end though nobody knows their intents."""
        worker = data.draw(st.sampled_from(self.live))
        for kind in kinds:
            self.number += 1
            self.tell(worker, Record(kind, f"op{self.number}", payload), waits=waits)

    @precondition(lambda self: any(worker.open for worker in self.live))
    @rule(
        data=st.data(), kinds=st.lists(KINDS, min_size=1, max_size=6), payload=PAYLOADS, waits=st.booleans()
    )
    def go_on(self, data: st.DataObject, kinds: list[Kind], payload: bytes, waits: bool) -> None:
        """Calls get on, end, or are settled; those that were taken over, too."""
        worker = data.draw(st.sampled_from([worker for worker in self.live if worker.open]))
        names = sorted(worker.open)
        for drawn in kinds:
            operation = data.draw(st.sampled_from(names))
            kind = Kind.RESULT if drawn is Kind.INTENT and operation in worker.adopted else drawn
            if kind is Kind.DONE and waits:
                self.uncertain.discard(operation)
            self.tell(worker, Record(kind, operation, b"" if kind is Kind.DONE else payload), waits=waits)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), calls=st.integers(1, 15))
    def hum(self, data: st.DataObject, calls: int) -> None:
        """Calls come and are settled, so that old segments are thinned out and taken away."""
        worker = data.draw(st.sampled_from(self.live))
        for _ in range(calls):
            self.number += 1
            for kind in (Kind.RESULT, Kind.DONE):
                self.tell(worker, Record(kind, f"op{self.number}", b"x" * 20), waits=True)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), orderly=st.booleans(), torn=st.binary(max_size=60))
    def end(self, data: st.DataObject, orderly: bool, torn: bytes) -> None:
        """A worker is closed; or killed, what it gathered is gone, and half a record may be at its end."""
        worker = data.draw(st.sampled_from(self.live))
        self.live.remove(worker)
        if orderly:
            self.run(worker.journal.aclose())
            worker.written()
        else:
            last = max(self.directory.glob(f"{worker.journal._writer._worker}-*.segment"))
            worker.journal.leave()
            worker.gathered.clear()
            with last.open("ab") as file:
                file.write(torn)
        self.dead.append(worker)

    @precondition(lambda self: any(worker.open for worker in self.dead))
    @rule(data=st.data())
    def flip(self, data: st.DataObject) -> None:
        """A bit of a dead worker's records turns: one of them is lost, whichever it is."""
        worker = data.draw(st.sampled_from([worker for worker in self.dead if worker.open]))
        name = worker.journal._writer._worker
        paths = [
            path
            for path in sorted(self.directory.glob(f"{name}-*.segment"))
            if path.stat().st_size > HEAD_BYTES
        ]
        if not paths:
            return
        path = data.draw(st.sampled_from(paths))
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(HEAD_BYTES * 8, len(content) * 8 - 1))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        self.flips += 1
        self.uncertain |= worker.names

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def recover(self, data: st.DataObject) -> None:
        """A worker takes over what the dead left; a dead one leaves nothing that a second worker could find."""
        worker = data.draw(st.sampled_from(self.live))
        adoption = self.run(worker.journal.recover())
        inherited: dict[str, Record] = {}
        for each in self.dead:
            inherited |= each.open
            each.journal._queue.put(None)
        if not self.flips:
            assert adoption.operations == len(inherited)
            assert {damage.fault for damage in adoption.damages} <= {"torn"}
        self.dead.clear()
        worker.open |= inherited
        worker.names |= set(inherited) | self.uncertain
        worker.adopted |= set(inherited)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        """The disk is full for a moment: a result is refused with all that was gathered, and nothing else."""
        worker = data.draw(st.sampled_from(self.live))

        async def work() -> None:
            worker.disk.full = True
            with pytest.raises(JournalUnavailable):
                await worker.journal.append(Record(Kind.RESULT, "refused", b"x" * 100))
            worker.disk.full = False
            worker.gathered.clear()

            async def back() -> bool:
                refusal = worker.journal.state.refusal
                return refusal is None or refusal.reason == "full"

            await until_async(back, "it takes records again", unless=OSError)

        if not worker.journal._writer.overfull:
            self.run(work())

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """What a worker gives is exactly what is open there; after damage at least it was written once."""
        worker = data.draw(st.sampled_from(self.live))

        async def work() -> list[Unsettled | Lapsed]:
            return [each async for each in worker.journal.replay()]

        given = self.run(work())
        worker.written()
        found = {each.operation: each for each in given}
        assert len(found) == len(given)
        expected = {
            name: record
            for name, record in worker.open.items()
            if record.kind is Kind.RESULT or name in worker.adopted
        }
        for name in {*found, *expected} - self.uncertain:
            kind = Unsettled if expected[name].kind is Kind.RESULT else Lapsed
            assert found[name] == kind(name, expected[name].payload, 0)
        for name in found.keys() & self.uncertain:
            said = Kind.RESULT if isinstance(found[name], Unsettled) else Kind.INTENT
            assert (said, found[name].payload) in [(each.kind, each.payload) for each in self.history[name]]
        assert len(expected.keys() - found.keys()) <= self.flips

    @invariant()
    def disk_is_bounded(self) -> None:
        """No worker's segments outgrow twice its bounds, and what comes on top of them in one commit."""
        for worker in self.live:
            assert worker.journal.state.counts.segment_bytes < 4 * BOUNDS.disk_bytes


def test_what_was_acknowledged_is_given_again() -> None:
    """No order of calls, deaths, full disks, damages, recoveries and replays loses or doubles an operation."""
    run_state_machine_as_test(
        Workers,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
