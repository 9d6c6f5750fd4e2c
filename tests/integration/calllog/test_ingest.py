"""From the stream to segments: each event once, whoever dies or stands still at which step."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.calllog.files import Directory, FilesUnavailable
from llmgw.calllog.ingest import TRIES, WriterRefused, Written
from llmgw.calllog.segments import Segment
from llmgw.calllog.stream import TakenOver
from llmgw.state.connection import State
from tests.integration.calllog.stage import ORIGIN, ROOMY, Gate, Stage, event, rows_of
from tests.waiting import ROOMY_S

EARLY = [event("a", hours=0.1), event("b", hours=0.2), event("c", hours=1.1), event("b", hours=0.2)]
LATE = [event("d", hours=1.2), event("e", hours=2.5)]
MOST_STEPS = 40


def run(store_url: str, directory: Path, scene: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a scene on an empty store and directory."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.command("FLUSHALL")
            await scene(Stage(state, directory))

    directory.mkdir(exist_ok=True)
    asyncio.run(play())


async def _until(gate: Gate, task: "asyncio.Task[Written]") -> bool:
    """Wait for the task to come to the gate; False where it ended before."""
    reached = asyncio.ensure_future(gate.reached.wait())
    await asyncio.wait([reached, task], return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    return gate.reached.is_set()


async def _drain(stage: Stage) -> None:
    """Another worker writes all there is."""
    other = stage.ingest()
    await other.claim("bb" * 8)
    while (await other.step()).taken:
        pass


def test_a_range_becomes_one_file_for_each_hour(store_url: str, tmp_path: Path) -> None:
    """Rows are in the order of time, an id once, what was left out filled in; the stream is empty afterwards."""

    async def scene(stage: Stage) -> None:
        await stage.add(*EARLY)
        ingest = stage.ingest()
        await ingest.claim("bb" * 8)
        assert await ingest.step() == Written(taken=4, written=3)
        assert await ingest.step() == Written(taken=0, written=0)
        first, second = map(Segment.read, await stage.names())
        assert first is not None
        assert second is not None
        assert (first.partition, second.partition) == ("date=2026-11-27/hour=01", "date=2026-11-27/hour=02")
        assert first.origin == second.origin == ORIGIN
        rows = rows_of(stage.directory / first.name)
        assert [row["id"] for row in rows] == ["a", "b"]
        assert (rows[0]["tags"], rows[0]["error"], rows[0]["input_tokens"]) == ([], "", None)
        assert (await stage.stream.live()).lines == []
        assert (await stage.stream.look())[0].rows == 0
        assert await stage.found() == ["a", "b", "c"]

    run(store_url, tmp_path, scene)


def test_a_consumer_may_die_at_any_step(store_url: str, tmp_path: Path) -> None:
    """Before and after each thing it does: a reader finds each event once then, and when the next one is done."""
    steps = 0

    async def scene(stage: Stage) -> None:
        nonlocal steps
        await stage.add(*EARLY[:3])
        gate = Gate(steps)
        dying = stage.ingest(gate)
        task = asyncio.ensure_future(_claimed_step(dying))
        died = await _until(gate, task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await stage.found() == ["a", "b", "c"]
        await stage.add(*LATE)
        await _drain(stage)
        assert await stage.found() == ["a", "b", "c", "d", "e"]
        steps = steps + 1 if died else MOST_STEPS

    run(store_url, tmp_path / "whole", scene)
    while steps < MOST_STEPS:
        run(store_url, tmp_path / str(steps), scene)
    assert sum(each.name.isdecimal() for each in tmp_path.iterdir()) > 10


def test_a_consumer_may_stand_still_while_another_goes_on(store_url: str, tmp_path: Path) -> None:
    """At any step, until the other has written all: what the first one then still does changes nothing."""
    steps = 0

    async def scene(stage: Stage) -> None:
        nonlocal steps
        await stage.add(*EARLY[:3])
        gate = Gate(steps)
        task = asyncio.ensure_future(_claimed_step(stage.ingest(gate)))
        stood = await _until(gate, task)
        await _drain(stage)
        await stage.add(*LATE)
        gate.open.set()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, TakenOver | Written)
        assert await stage.found() == ["a", "b", "c", "d", "e"]
        await _drain(stage)
        assert await stage.found() == ["a", "b", "c", "d", "e"]
        steps = steps + 1 if stood else MOST_STEPS

    while steps < MOST_STEPS:
        run(store_url, tmp_path / str(steps), scene)
    assert sum(1 for _ in tmp_path.iterdir()) > 10


async def _claimed_step(ingest: object) -> Written:
    await ingest.claim("cc" * 8)  # type: ignore[attr-defined]  # an Ingest
    written: Written = await ingest.step()  # type: ignore[attr-defined]  # an Ingest
    return written


def test_a_directory_that_cannot_be_written_keeps_events_waiting(store_url: str, tmp_path: Path) -> None:
    """They stay in the store, which tells why; when it can be written again, they are."""

    async def scene(stage: Stage) -> None:
        await stage.add(*EARLY)
        stage.directory.write_text("in the way")
        ingest = stage.ingest()
        await ingest.claim("bb" * 8)
        with pytest.raises(FilesUnavailable, match="the directory cannot be used"):
            await ingest.step()
        depth, draft = await stage.stream.look()
        assert (depth.rows, depth.halted, draft) == (4, "disk", True)
        stage.directory.unlink()
        assert await ingest.step() == Written(taken=4, written=3)
        assert (await stage.stream.look())[0].halted == ""

    run(store_url, tmp_path, scene)


def test_events_that_cannot_be_written_are_put_aside(store_url: str, tmp_path: Path) -> None:
    """After some tries they are in a file as they were, counted, and do not keep later ones from being written."""

    async def scene(stage: Stage) -> None:
        await stage.stream.append("else", 1, (1, b'{"ended_us": "soon"}'), ROOMY, ORIGIN)
        ingest = stage.ingest()
        await ingest.claim("bb" * 8)

        async def refuse(dataset: str, lines: list[bytes]) -> object:
            raise WriterRefused("no")

        write, stage.writer.write = stage.writer.write, refuse  # type: ignore[method-assign,assignment]
        for _ in range(TRIES - 1):
            with pytest.raises(WriterRefused):
                await ingest.step()
        assert await ingest.step() == Written(taken=1, written=0, put_aside=1)
        (name,) = await stage.names()
        assert name.startswith("refused/calls/")
        assert (stage.directory / name).read_bytes() == b'{"ended_us": "soon"}\n'
        stage.writer.write = write  # type: ignore[method-assign]
        await stage.add(*LATE)
        assert (await ingest.step()).written == 2

    run(store_url, tmp_path, scene)


def test_what_others_keep_in_the_directory_is_left_alone(store_url: str, tmp_path: Path) -> None:
    """A torn file of another name is no segment, and stays."""

    async def scene(stage: Stage) -> None:
        await Directory(stage.directory).put("calls/date=2026-11-27/hour=01/notes.parquet", b"PAR1 torn")
        await stage.add(*EARLY)
        await _drain(stage)
        assert await stage.found() == ["a", "b", "c"]
        assert "calls/date=2026-11-27/hour=01/notes.parquet" in await stage.names()

    run(store_url, tmp_path, scene)
