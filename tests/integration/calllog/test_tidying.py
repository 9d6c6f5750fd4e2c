"""What becomes of segments: joined, deleted, and read the same all the while."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.calllog.datasets import CALLS
from llmgw.calllog.files import Bucket, Directory, Entry, Files
from llmgw.calllog.ingest import Ingest
from llmgw.calllog.segments import Cursor, Place, Segment
from llmgw.calllog.stream import Stream, TakenOver
from llmgw.calllog.tidying import GRACE_MS, LARGE, SETTLED_MS, Tidied, Tidying, joinable, too_old
from llmgw.state.connection import State
from obstore.store import LocalStore
from tests.integration.calllog.stage import HOUR_US, ORIGIN, START_US, Gate, Stage, event, rows_of
from tests.waiting import ROOMY_S

OVER_MS = START_US // 1000 + HOUR_US // 1000 + SETTLED_MS
"""When the first hour is over, and settled."""


def run(store_url: str, directory: Path, scene: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a scene on an empty store and directory."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.command("FLUSHALL")
            await scene(Stage(state, directory))

    directory.mkdir(exist_ok=True)
    asyncio.run(play())


async def written(stage: Stage) -> Ingest:
    """Four segments of the first hour and one of the second, whose writer holds the claim."""
    ingest = stage.ingest()
    await ingest.claim(ORIGIN)
    for number, name in enumerate("abcd"):
        await stage.add(event(name, hours=0.1 * (4 - number)))
        await ingest.step()
    await stage.add(event("e", hours=1.5), event("a", hours=0.4))
    await ingest.step()
    return ingest


def tidying(
    stage: Stage, gate: Gate | None = None, files: Files | None = None, keep_days: int = 30
) -> Tidying:
    """One that looks after the stage's segments."""
    files, stream = files or stage.files, stage.stream
    if gate is not None:
        files, stream = gate.around(files, "put"), Stream(gate.around(stage.state, "script"), CALLS.name)
    return Tidying(CALLS, stream, files, stage.writer, keep_days)


@pytest.mark.parametrize("bucket", [False, True])
def test_an_hour_that_is_over_becomes_one_segment(store_url: str, tmp_path: Path, bucket: bool) -> None:
    """In the order of time, an id once; what it was made of goes later, and a reader never sees it twice."""

    async def scene(stage: Stage) -> None:
        stage.directory.mkdir()
        if bucket:
            stage.files = Bucket(LocalStore(stage.directory))
        fence = (await written(stage)).fence
        tidier = tidying(stage)
        assert await tidier.step(fence, OVER_MS - 1) == Tidied()
        # Twice in the stream, in two segments: only an hour as a whole has an id once.
        assert await stage.found() == ["a", "a", "b", "c", "d", "e"]
        assert (await tidier.step(fence, OVER_MS)).made == 1
        assert await stage.found() == ["a", "b", "c", "d", "e"]
        assert len(await stage.names()) == 7
        joined = max((Segment.read(each) for each in await stage.names()), key=_reach)
        assert joined is not None
        assert [row["id"] for row in rows_of(stage.directory / joined.name)] == ["d", "c", "b", "a"]
        later = (await stage.files.entries(""))[0].modified_ms + GRACE_MS + 60_000
        assert (await tidier.step(fence, later)).covered == 5
        assert await stage.found() == ["a", "b", "c", "d", "e"]
        assert len(await stage.names()) == 2

    run(store_url, tmp_path, scene)


def _reach(segment: Segment | None) -> int:
    return 0 if segment is None else segment.last.ms - segment.first.ms


def test_who_joins_may_die_or_stand_still_at_any_step(store_url: str, tmp_path: Path) -> None:
    """Whoever comes after makes the same segment, and no two ever have a part in common."""
    steps = 0

    async def scene(stage: Stage) -> None:
        nonlocal steps
        ingest = await written(stage)
        gate = Gate(steps)
        task = asyncio.ensure_future(tidying(stage, gate).step(ingest.fence, OVER_MS))
        reached = asyncio.ensure_future(gate.reached.wait())
        await asyncio.wait([reached, task], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        stood = gate.reached.is_set()
        await stage.add(event("f", hours=0.2))
        await ingest.claim(ORIGIN)
        await ingest.step()
        other = tidying(stage)
        await other.step(ingest.fence, OVER_MS)
        await other.step(ingest.fence, OVER_MS)
        gate.open.set()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, Tidied | TakenOver)
        assert await stage.found() == ["a", "b", "c", "d", "e", "f"]
        steps = steps + 1 if stood else 100

    while steps < 100:
        run(store_url, tmp_path / str(steps), scene)
    assert sum(1 for _ in tmp_path.iterdir()) > 4


def test_days_that_are_too_old_go(store_url: str, tmp_path: Path) -> None:
    """With their folders; files of others stay, wherever they are."""

    async def scene(stage: Stage) -> None:
        ingest = await written(stage)
        other = "calls/date=2026-11-27/hour=01/notes.txt"
        await Directory(stage.directory).put(other, b"mine")
        tidier = tidying(stage, keep_days=3)
        assert (await tidier.step(ingest.fence, START_US // 1000 + 72 * 3_600_000)).expired == 0
        assert (await tidier.step(ingest.fence, START_US // 1000 + 96 * 3_600_000)).expired >= 6
        assert await stage.names() == [other]
        assert not (stage.directory / "calls/date=2026-11-27/hour=02").exists()

    run(store_url, tmp_path, scene)


def test_a_damaged_segment_keeps_its_hour_as_it_is(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left for people to look at, and said once."""

    async def scene(stage: Stage) -> None:
        import duckdb
        from llmgw.calllog.ingest import WriterRefused

        ingest = await written(stage)
        names = await stage.names()
        await stage.files.put(names[0], b"torn")
        compact = stage.writer.compact

        async def refusing(dataset: str, sources: list[str], target: str) -> int:
            try:
                return await compact(dataset, sources, target)
            except duckdb.Error as error:
                raise WriterRefused(type(error).__name__) from error

        stage.writer.compact = refusing  # type: ignore[method-assign]
        tidier = tidying(stage)
        assert [await tidier.step(ingest.fence, OVER_MS) for _ in range(3)] == [Tidied()] * 3
        assert await stage.names() == names

    run(store_url, tmp_path, scene)
    assert [each.message.count("cannot be joined") for each in caplog.records] == [1]


def test_groups_are_bounded_and_ours() -> None:
    """No group is larger than a large segment, none has what is still being written, nor what others wrote."""
    cursor = Cursor(ORIGIN, Place(90, 0))

    def entry(number: int, size: int, origin: str = ORIGIN) -> Entry:
        segment = Segment("calls", "date=2026-11-27/hour=01", origin, Place(number, 0), Place(number, 5))
        return Entry(segment.name, size, 0)

    sizes = [LARGE // 2, LARGE // 2, 1, LARGE, 5, 6]
    entries = [entry(number, size) for number, size in enumerate(sizes)]
    entries += [entry(90, 1), entry(91, 1), entry(50, 1, origin="00000000000000bb")]
    groups = joinable(entries, cursor, OVER_MS)
    assert [[each.first.ms for each in group] for group in groups] == [[0, 1], [4, 5]]


def test_a_file_that_was_being_written_goes_after_an_hour() -> None:
    """Its writer is dead by then."""
    names = ["calls/date=2026-11-27/hour=01/.draft-aa", "calls/x.parquet"]
    entries = [Entry(name, 1, 0) for name in names]
    assert list(too_old(entries, "calls", 3_600_000, 3)) == []
    assert list(too_old(entries, "calls", 3_600_001, 3)) == names[:1]
