"""The journal of a worker: what it promises when it returns, and what it says when it cannot."""

import asyncio
import errno
import os
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from llmgw.accounting.journal.files import Disk
from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import HEAD_BYTES, Kind, Record
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.accounting.journal.status import Adoption, JournalUnavailable, Lapsed, Unsettled
from tests.waiting import until_async

NEVER_S = 3600.0
SMALL = JournalSettings(segment_bytes=2000, linger_s=NEVER_S, pace_s=0.0)


class Sick(Disk):
    """A disk that fails at the step named in `ill` with `code`, and counts what was synced."""

    def __init__(self) -> None:
        self.ill: set[str] = set()
        self.code = errno.ENOSPC
        self.syncs = 0
        self.half = False

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write half of it, where asked to, before failing."""
        if "write" in self.ill:
            if self.half and len(data) > 1:
                return super().write(descriptor, data[: len(data) // 2])
            raise OSError(self.code, os.strerror(self.code))
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Fail without a sync."""
        if "sync" in self.ill:
            raise OSError(self.code, os.strerror(self.code))
        super().sync(descriptor)
        self.syncs += 1

    def truncate(self, descriptor: int, size: int) -> None:
        """Fail without a cut."""
        if "truncate" in self.ill:
            raise OSError(self.code, os.strerror(self.code))
        super().truncate(descriptor, size)


def intent(operation: str, payload: bytes = b"") -> Record:
    """A call is about to be sent."""
    return Record(Kind.INTENT, operation, payload)


def result(operation: str, payload: bytes = b"") -> Record:
    """A call is to be charged."""
    return Record(Kind.RESULT, operation, payload)


def done(operation: str) -> Record:
    """A call is settled."""
    return Record(Kind.DONE, operation)


async def opened(directory: Path, settings: JournalSettings = SMALL, disk: Disk | None = None) -> Journal:
    """A journal that takes records."""
    journal = Journal(directory, settings, disk)
    await journal.open()
    return journal


async def replayed(journal: Journal) -> list[Unsettled | Lapsed]:
    """All that it gives now."""
    return [each async for each in journal.replay()]


def die(journal: Journal) -> None:
    """Let go of its files as a killed process does: nothing more is written, and the lock is free."""
    journal.leave()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run one test, which must not hang."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(bounded())


def test_a_result_is_on_the_medium_when_append_returns(tmp_path: Path) -> None:
    """The file has the intent and the result, in order and synced; a `done` is only taken, until it is awaited."""

    async def work() -> None:
        disk = Sick()
        journal = await opened(tmp_path / "j", disk=disk)
        await journal.append(intent("a", b"up to 5"))
        assert disk.syncs == 1  # the head alone
        await journal.append(result("a", b"cost 3"))
        assert disk.syncs == 2
        (segment,) = (tmp_path / "j").glob("*.segment")
        data = segment.read_bytes()
        assert HEAD_BYTES < data.index(b"up to 5") < data.index(b"cost 3")
        assert await replayed(journal) == [Unsettled("a", b"cost 3", 0)]
        receipt = journal.put(done("a"))
        before = receipt.durable
        await receipt
        assert (before, receipt.durable) == (False, True)
        assert await replayed(journal) == []
        await journal.aclose()

    run(work())


def test_calls_share_a_commit(tmp_path: Path) -> None:
    """A hundred results of one turn of the loop are synced at once, and each call hears of it."""

    async def work() -> None:
        disk = Sick()
        journal = await opened(tmp_path / "j", disk=disk)
        await asyncio.gather(*(journal.append(result(f"op{number}")) for number in range(100)))
        assert (disk.syncs, journal.state.counts.commits, journal.state.counts.records) == (2, 1, 100)
        await journal.aclose()

    run(work())


def test_records_that_nobody_awaits_are_written_by_themselves(tmp_path: Path) -> None:
    """After `linger_s` an intent is on disk, though nobody asked for it."""

    async def work() -> None:
        journal = await opened(tmp_path / "j", JournalSettings())
        receipt = journal.put(intent("a"))

        async def there() -> bool:
            return receipt.durable

        await until_async(there, "the intent is written", unless=OSError)
        await journal.aclose()

    run(work())


def test_files_are_their_users_alone(tmp_path: Path) -> None:
    """The directory has mode 0700 and all files 0600; a directory that others can enter is refused."""

    async def work() -> None:
        journal = await opened(tmp_path / "j")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "j").iterdir()}
        assert (stat.S_IMODE((tmp_path / "j").stat().st_mode), modes) == (0o700, {0o600})
        await journal.aclose()
        (tmp_path / "j").chmod(0o755)
        with pytest.raises(PermissionError, match="chmod 700"):
            await opened(tmp_path / "j")

    run(work())


def test_a_journal_without_open_operations_leaves_no_files(tmp_path: Path) -> None:
    """Closed in order, with all settled, nothing is left; a closed journal refuses by name."""

    async def work() -> None:
        journal = await opened(tmp_path / "j")
        await journal.append(result("a"))
        await journal.append(done("a"))
        await journal.aclose()
        assert list((tmp_path / "j").iterdir()) == []
        with pytest.raises(JournalUnavailable) as refused:
            journal.put(intent("b"))
        assert (refused.value.reason, journal.state.ready) == ("closed", False)

    run(work())


@pytest.mark.parametrize("orderly", [True, False])
def test_what_a_worker_left_open_goes_to_the_next(tmp_path: Path, orderly: bool) -> None:
    """Results are to be settled, intents have lapsed, settled ones are gone; a second recovery finds nothing."""

    async def work() -> None:
        old = await opened(tmp_path / "j")
        for record in (intent("a", b"1"), intent("b", b"2"), intent("b", b"2, so far"), result("a", b"3")):
            await old.append(record)
        for operation in ("c", "d"):
            await old.append(result(operation))
        await old.put(done("c"))
        new = await opened(tmp_path / "j")
        assert await new.recover() == Adoption()  # the old one lives
        await old.aclose() if orderly else die(old)
        assert await new.recover() == Adoption(workers=1, operations=3)
        assert await new.recover() == Adoption()
        expected = [Lapsed("b", b"2, so far", 0), Unsettled("a", b"3", 0), Unsettled("d", b"", 0)]
        assert await replayed(new) == expected
        assert await replayed(new) == expected  # until they are done
        for operation in ("a", "b", "d"):
            await new.put(done(operation))
        assert await replayed(new) == []
        await new.aclose()
        assert list((tmp_path / "j").iterdir()) == []

    run(work())


def test_an_intent_that_comes_after_its_result_changes_nothing(tmp_path: Path) -> None:
    """A result speaks for its operation until it is done, here and for whoever takes it over."""

    async def work() -> None:
        old = await opened(tmp_path / "j")
        await old.append(result("a", b"3"))
        await old.put(intent("a", b"late"))
        assert await replayed(old) == [Unsettled("a", b"3", 0)]
        die(old)
        new = await opened(tmp_path / "j")
        await new.recover()
        assert await replayed(new) == [Unsettled("a", b"3", 0)]
        await new.aclose()

    run(work())


def test_other_files_are_told_of_and_left_alone(tmp_path: Path) -> None:
    """Strangers' files, segments of another gateway, with others' rights, or after a gap: each by its fault."""

    async def work() -> None:
        names = {}
        for label, gateway in (("ours", "llmgw"), ("theirs", "another")):
            settings = JournalSettings(gateway=gateway, segment_bytes=1, linger_s=NEVER_S, pace_s=0.0)
            journal = await opened(tmp_path / "j", settings)
            for number in range(4):
                await journal.append(result(f"{label}{number}", b"5"))
            names[label] = journal._writer._worker
            die(journal)
        ours = sorted((tmp_path / "j").glob(f"{names['ours']}-*.segment"))
        theirs = sorted((tmp_path / "j").glob(f"{names['theirs']}-*.segment"))
        ours[0].chmod(0o644)
        ours[1].unlink()
        ours[2].write_bytes(ours[2].read_bytes()[:-10])
        (tmp_path / "j" / "notes.txt").write_text("mine")
        new = await opened(tmp_path / "j")
        adoption = await new.recover()
        told = {(damage.file, damage.fault) for damage in adoption.damages}
        assert told == {
            ("notes.txt", "foreign"),
            (ours[0].name, "unreadable"),
            (ours[2].name, "missing"),
            (ours[2].name, "damaged"),
            (ours[2].name, "truncated"),
            *((path.name, "foreign") for path in theirs),
        }
        given = [each.operation for each in await replayed(new)]
        assert given == ["ours2", "ours3"]
        left = {path.name for path in (tmp_path / "j").iterdir() if path.suffix != ".lock"}
        aside = f"{ours[2].name}.damaged"
        own = {path.name for path in (tmp_path / "j").glob(f"{new._writer._worker}-*")}
        assert left - own == {"notes.txt", ours[0].name, aside, *(path.name for path in theirs)}
        assert new.state.counts.quarantined == 1
        await new.aclose()

    run(work())


def test_running_calls_have_not_lapsed(tmp_path: Path) -> None:
    """A replay while calls run gives the results that wait for the store, and no call that may still end."""

    async def work() -> None:
        journal = await opened(tmp_path / "j")
        await journal.append(intent("running"))
        await journal.append(result("waiting", b"5"))
        assert await replayed(journal) == [Unsettled("waiting", b"5", 0)]
        await journal.aclose()

    run(work())


def test_segments_go_when_their_operations_are_done(tmp_path: Path) -> None:
    """However many calls there were, the files of settled ones are taken away, oldest first."""

    async def work() -> None:
        journal = await opened(tmp_path / "j")
        for number in range(80):
            await journal.append(result(f"op{number}", b"x" * 100))
            await journal.put(done(f"op{number}"))
        counts = journal.state.counts
        assert counts.segments <= 2
        assert counts.bytes > 4 * counts.segment_bytes
        await journal.aclose()

    run(work())


def test_an_old_open_operation_does_not_hold_the_disk(tmp_path: Path) -> None:
    """One call that never ends is written again at the end, so that all before it can go; it is given once."""

    async def work() -> None:
        settings = JournalSettings(segment_bytes=2000, disk_bytes=10_000, linger_s=NEVER_S, pace_s=0.0)
        journal = await opened(tmp_path / "j", settings)
        await journal.append(result("old", b"the oldest"))
        for number in range(150):
            await journal.append(result(f"op{number}", b"x" * 100))
            await journal.put(done(f"op{number}"))
            assert journal.state.counts.segment_bytes < settings.disk_bytes
        assert await replayed(journal) == [Unsettled("old", b"the oldest", 0)]
        new = await opened(tmp_path / "j", settings)
        die(journal)
        assert await new.recover() == Adoption(workers=1, operations=1)
        assert await replayed(new) == [Unsettled("old", b"the oldest", 0)]
        await new.aclose()

    run(work())


@pytest.mark.parametrize(
    "settings",
    [
        JournalSettings(segment_bytes=2000, disk_bytes=6000, linger_s=NEVER_S, pace_s=0.0),
        JournalSettings(open_operations=20, linger_s=NEVER_S, pace_s=0.0),
    ],
)
def test_a_full_journal_lets_calls_end_and_none_begin(tmp_path: Path, settings: JournalSettings) -> None:
    """With the store away for long, intents are refused by name; results and ends are taken, and make room."""

    async def work() -> None:
        journal = await opened(tmp_path / "j", settings)
        waiting: list[str] = []
        while journal.state.refusal is None:
            waiting.append(f"op{len(waiting)}")
            await journal.append(result(waiting[-1], b"x" * 100))
        with pytest.raises(JournalUnavailable) as refused:
            await journal.append(intent("new"))
        assert refused.value.reason == "full"
        await journal.append(result("ends", b"1"))
        assert (len(await replayed(journal)), journal.state.counts.refused) == (len(waiting) + 1, 1)
        for operation in (*waiting, "ends"):
            await journal.put(done(operation))
        assert journal.state.ready
        await journal.append(intent("new"))
        await journal.aclose()

    run(work())


def test_a_full_journal_is_bounded_even_against_results(tmp_path: Path) -> None:
    """Results without intents are refused at twice the bounds; ends are taken always."""

    async def work() -> None:
        journal = await opened(
            tmp_path / "j", JournalSettings(open_operations=10, linger_s=NEVER_S, pace_s=0.0)
        )
        for number in range(20):
            await journal.append(result(f"op{number}"))
        with pytest.raises(JournalUnavailable) as refused:
            await journal.append(result("one more"))
        assert (refused.value.reason, journal.state.counts.open_operations) == ("full", 20)
        await journal.put(done("op0"))
        await journal.append(result("one more"))
        await journal.aclose()

    run(work())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("ill", [{"write"}, {"sync"}, {"write", "truncate"}])
@pytest.mark.parametrize(("code", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "io_error")])
def test_a_disk_that_refuses_is_told_and_comes_back(
    tmp_path: Path, ill: set[str], code: int, reason: str, half: bool
) -> None:
    """Who waits is told, new records are refused and counted; once it writes again all is as before, and whole."""

    async def work() -> None:
        disk = Sick()
        settings = JournalSettings(segment_bytes=2000, linger_s=NEVER_S, pace_s=0.0, probe_s=0.01)
        journal = await opened(tmp_path / "j", settings, disk)
        await journal.append(result("before", b"1"))
        disk.ill, disk.code, disk.half = ill, code, half
        with pytest.raises(JournalUnavailable) as lost:
            await journal.append(result("lost"))
        assert lost.value.reason == reason
        with pytest.raises(JournalUnavailable) as refused:
            await journal.append(intent("refused"))
        assert refused.value.reason == reason
        refusal = journal.state.refusal
        assert refusal is not None
        assert os.strerror(code) in refusal.detail
        assert (journal.state.counts.lost, journal.state.counts.refused) == (1, 1)
        disk.ill = set()

        async def back() -> bool:
            return journal.state.ready

        await until_async(back, "the journal takes records again", unless=OSError)
        await journal.append(result("after", b"2"))
        assert await replayed(journal) == [Unsettled("before", b"1", 0), Unsettled("after", b"2", 0)]
        new = await opened(tmp_path / "j")
        die(journal)
        await new.recover()
        found = {each.operation: each.payload for each in await replayed(new)}
        assert (
            {"before": b"1", "after": b"2"}.items()
            <= found.items()
            <= {"before": b"1", "after": b"2", "lost": b""}.items()
        )
        await new.aclose()

    run(work())


def test_a_backlog_is_bounded(tmp_path: Path) -> None:
    """Payloads that wait for the disk are bounded in sum; one that could never be taken is the caller's error."""

    async def work() -> None:
        settings = JournalSettings(linger_s=NEVER_S, pace_s=0.0, backlog_bytes=2000)
        journal = await opened(tmp_path / "j", settings)
        journal.put(intent("a", b"x" * 1000))
        with pytest.raises(JournalUnavailable) as refused:
            journal.put(intent("b", b"x" * 1000))
        assert refused.value.reason == "backlog"
        with pytest.raises(ValueError, match="more than the journal takes"):
            journal.put(intent("c", b"x" * 2000))
        await journal.append(done("a"))
        await replayed(journal)
        journal.put(intent("b", b"x" * 1000))
        await journal.aclose()

    run(work())


@pytest.mark.parametrize("operation", ["", "a" * 256, "é" * 128, "\ud800"])
def test_an_operation_that_cannot_be_written_is_refused_when_it_is_put(
    tmp_path: Path, operation: str
) -> None:
    """Too long, empty, or no text: what is written together with others must not fail with them."""

    async def work() -> None:
        journal = await opened(tmp_path / "j")
        with pytest.raises(ValueError):  # a text that cannot be encoded has words of its own
            journal.put(intent(operation))
        await journal.append(result("a"))
        await journal.append(result("é" * 127))
        await journal.aclose()

    run(work())


def test_a_disk_that_does_not_answer_stops_no_call_for_long(tmp_path: Path) -> None:
    """After `stall_s` who waits is told and new records are refused, until the disk has answered after all."""

    async def work() -> None:
        answer = asyncio.Event()
        loop = asyncio.get_running_loop()

        class Hung(Disk):
            def sync(self, descriptor: int) -> None:
                asyncio.run_coroutine_threadsafe(answer.wait(), loop).result()
                super().sync(descriptor)

        answer.set()
        settings = JournalSettings(linger_s=NEVER_S, pace_s=0.0, stall_s=0.01)
        journal = await opened(tmp_path / "j", settings, Hung())
        answer.clear()
        with pytest.raises(JournalUnavailable) as told:
            await journal.append(result("a", b"1"))
        with pytest.raises(JournalUnavailable) as refused:
            journal.put(intent("b"))
        assert (told.value.reason, refused.value.reason) == ("stalled", "stalled")
        answer.set()
        assert await replayed(journal) == [Unsettled("a", b"1", 0)]
        assert journal.state.ready
        await journal.aclose()

    run(work())


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_no_journal(tmp_path: Path) -> None:
    """The child is refused, and its life does not keep the parent's lock: a dead parent's work is taken over."""

    async def work() -> None:
        old = await opened(tmp_path / "j")
        await old.append(result("a", b"1"))
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                old.put(intent("b"))
            except JournalUnavailable:
                code = 0
            os.write(ready[1], b"%d" % code)
            os.read(go[0], 1)
            os._exit(code)
        assert os.read(ready[0], 1) == b"0"
        die(old)
        new = await opened(tmp_path / "j")
        try:
            assert await new.recover() == Adoption(workers=1, operations=1)
        finally:
            os.write(go[1], b"x")
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
        await new.aclose()

    run(work())
