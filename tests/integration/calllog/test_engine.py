"""The engine's process: what ends it, and that its end costs one answer."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from llmgw.calllog.engine.client import EngineLimits
from llmgw.calllog.engine.frames import Sql, Write
from llmgw.calllog.ingest import WriterRefused
from llmgw.calllog.reading import FOREVER_US
from llmgw.types.call_log_errors import CallLogUnavailable
from llmgw.types.errors import DeadlineExceeded, GatewayError
from tests.integration.calllog.asked_log import TUESDAY_US, AskedLog, asked_log, call, everything, ids, run
from tests.waiting import until

ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r"


def _endless(within_s: float, log: AskedLog, statement: str = ENDLESS) -> "asyncio.Task[object]":
    asked = Sql(sources=(), statement=statement, values=[], tenant=None, from_us=0, to_us=FOREVER_US, most=1)
    return asyncio.get_running_loop().create_task(log.engine.ask(asked, within_s))


def _environment(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_engine_that_is_killed_fails_one_request_alone(tmp_path: Path) -> None:
    """Killed in the middle it is a 503 that may be tried again, and the next request has another engine."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([call(1, TUESDAY_US)])
            first = log.engine.pid
            assert first is not None
            at_work = _endless(60, log)
            await asyncio.sleep(0)  # the task begins, and has the engine's turn
            os.kill(first, signal.SIGKILL)
            with pytest.raises(CallLogUnavailable) as gone:
                await at_work
            assert (gone.value.status, gone.value.retry_after_s) == (503, 1)
            assert len((await log.reading.page(everything(), "newest", 10)).rows) == 1
            assert log.engine.pid not in {None, first}

    run(scene())


def test_what_takes_too_long_is_given_up_and_what_waits_is_answered(tmp_path: Path) -> None:
    """The engine gives up by itself at the deadline; what asked behind it is answered by the same engine."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([call(1, TUESDAY_US)])
            engine = log.engine.pid
            at_work = _endless(0.2, log)
            await asyncio.sleep(0)
            behind = await log.reading.page(everything(), "newest", 10)
            with pytest.raises(DeadlineExceeded):
                await at_work
            assert len(behind.rows) == 1
            assert log.engine.pid == engine

    run(scene())


def test_whoever_goes_away_leaves_no_answer_to_the_next(tmp_path: Path) -> None:
    """A request that is cancelled is ended all the same, so the next one is not told its answer."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([call(1, TUESDAY_US), call(2, TUESDAY_US + 1)])
            gone = asyncio.create_task(log.reading.page(everything(), "oldest", 1))
            while not log.engine._waiting:  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0)
            gone.cancel()
            found = await log.reading.page(everything(), "newest", 1)
            assert ids(found.rows) == [call(2, TUESDAY_US + 1).id]

    run(scene())


def test_an_engine_that_idles_ends_and_comes_back(tmp_path: Path) -> None:
    """Nobody asks: there is no process; somebody asks: there is one again."""

    async def scene() -> None:
        async with asked_log(tmp_path, EngineLimits(idle_s=0.3)) as log:
            log.buffered([call(1, TUESDAY_US)])
            await log.engine.ask(Write(dataset="calls", lines=[]), 10)
            pid = log.engine.pid
            assert pid is not None
            await asyncio.to_thread(until, lambda: not _alive(pid), "the engine to end")
            assert log.engine.pid is None
            assert len((await log.reading.page(everything(), "newest", 10)).rows) == 1

    run(scene())


def test_an_engine_ends_with_its_worker(tmp_path: Path) -> None:
    """A worker that is killed in the middle of a long question leaves no process behind."""
    program = f"""
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {str(Path.cwd())!r})
from tests.integration.calllog.asked_log import AskedLog
from tests.integration.calllog.test_engine import Write, _endless

async def scene():
    log = AskedLog(Path({str(tmp_path)!r}))
    await log.engine.ask(Write(dataset="calls", lines=[]), 10)
    print(log.engine.pid, flush=True)
    await _endless(600, log)

asyncio.run(scene())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        engine = int(worker.stdout.readline())
        assert _alive(engine)
        worker.kill()
    until(lambda: not _alive(engine), "the engine to end")


def test_an_engine_has_none_of_the_worker_s_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is what it needs to start."""
    monkeypatch.setenv("LLMGW_ADMIN_KEY", "sk-hidden")

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([call(1, TUESDAY_US)])
            assert b"sk-hidden" not in _environment(log.engine.pid)

    run(scene())


def test_what_no_segment_can_be_made_of_is_refused(tmp_path: Path) -> None:
    """Lines that are no events are refused by name, and the engine goes on."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            with pytest.raises(WriterRefused):
                await log.writer.write("calls", [b'{"ended_us": "never"}\n'])
            assert await log.writer.write("calls", []) == []
            reply = await log.engine.ask(Write(dataset="calls", lines=[b'{"ended_us": 1, "id": "x"}']), 10)
            assert [piece.rows for piece in reply.pieces] == [1]  # type: ignore[union-attr]

    run(scene())


def test_a_query_may_not_take_all_memory(tmp_path: Path) -> None:
    """What DuckDB does not count is bounded by the process's own limit: it ends, or says so, and the next works."""

    async def scene() -> None:
        async with asked_log(tmp_path, EngineLimits(memory_bytes=128 << 20, spill_bytes=1 << 20)) as log:
            await log.keep([call(1, TUESDAY_US)])
            for bomb in (
                "SELECT i FROM range(50000000) t(i) ORDER BY hash(i)",
                "SELECT rpad('x', 2000000000, 'y') || rpad('x', 2000000000, 'y')",
            ):
                with pytest.raises(GatewayError) as refused:
                    await _endless(2, log, bomb)
                assert refused.value.status in {422, 503, 504}, bomb
            assert await log.sql("SELECT count(*) FROM calls") == [[1]]

    run(scene())
