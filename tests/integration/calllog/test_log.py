"""One worker's log, from finished calls to rows, with the engine's own process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from llmgw.calllog import outlet as outlets
from llmgw.calllog import upkeep as upkeeps
from llmgw.calllog.datasets import CALLS, CONTENT, FEEDBACK, ContentEvent
from llmgw.calllog.engine.client import Engine
from llmgw.calllog.files import Directory
from llmgw.calllog.log import CallLog, Means
from llmgw.calllog.segments import Segment
from llmgw.calllog.settings import CallLogSettings
from llmgw.calllog.writer import EngineWriter
from llmgw.state.connection import State
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call, Caller
from llmgw.types.clock import SystemClock
from llmgw.types.feedback import FeedbackEvent
from tests.integration.calllog.stage import START_US, rows_of
from tests.manual_clock import ManualClock
from tests.traced_calls import Fixed, begun, finished
from tests.valkey_servers import Server, running
from tests.waiting import ROOMY_S, until_async

SOON = CallLogSettings(segment_s=0.0)


def call(name: str, tenant: str = "acme") -> Call:
    """A finished one; little is kept of the tenant `quiet`."""
    tracing = Tracing("", sample=0.0, slow_ms=0.0, version="1", clock=Fixed(), resource={})
    made = finished(begun(tracing))
    made.id, made.caller = name, Caller(key_id="k", name="app", role="caller", tenant=tenant)
    made.capture = "none" if tenant == "quiet" else "metadata"
    return made


class Worker:
    """A log of one worker in a directory that others may share."""

    def __init__(
        self, state: State, directory: Path, settings: CallLogSettings = SOON, clock: Any = None
    ) -> None:
        self.directory = directory / "calls"
        engine = Engine(directory / "engine", (self.directory, directory / "passing"))
        self._writer = EngineWriter(engine, directory / "passing")
        means = Means(state, Directory(self.directory), self._writer, clock or SystemClock())
        self.log = CallLog(means, settings)

    async def aclose(self) -> None:
        """End it, and its engine."""
        await self.log.aclose()
        await self._writer.aclose()

    async def rows(self, dataset: str) -> list[dict[str, Any]]:
        """All that is in segments."""
        entries = await Directory(self.directory).entries(dataset)
        return [
            row for each in entries if Segment.read(each.name) for row in rows_of(self.directory / each.name)
        ]


def run(url: str, scene: Callable[[State], Awaitable[None]]) -> None:
    """Play a scene on a store."""

    async def play() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            await scene(state)

    asyncio.run(play())


def test_calls_words_and_feedback_become_rows(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those made for a call as well, of two workers of which one writes; and each worker knows what it did."""
    monkeypatch.setattr(upkeeps, "LOOK_S", 0.01)
    monkeypatch.setattr(upkeeps, "HOLD_S", 0.01)

    async def scene(state: State) -> None:
        async with aclosing(Worker(state, tmp_path)) as one, aclosing(Worker(state, tmp_path)) as other:
            for each in (one, other):
                each.log.start()
            outer = call("call_1")
            outer.inner = [call("call_1.1")]
            one.log.record(outer)
            other.log.record(call("call_2", tenant="quiet"))
            content = ContentEvent(id="call_1", tenant="acme", ended_us=START_US, sealed=b"\x00\xff")
            other.log.append(CONTENT, content)
            one.log.append(
                FEEDBACK,
                FeedbackEvent(
                    ended_us=START_US, id="f", tenant="acme", key_id="k", call="call_1", name="helpful",
                    kind="number", source="user", score=0.5,
                ),
            )  # fmt: skip

            async def done() -> bool:
                states = [
                    each.log.state(data) for each in (one, other) for data in (CALLS, CONTENT, FEEDBACK)
                ]
                return sum(each.written for each in states) == 5

            await until_async(done, "all rows in segments", unless=OSError)
            calls = {row["id"]: row for row in await one.rows("calls")}
            assert (calls["call_1.1"]["parent"], calls["call_1"]["tenant"]) == ("call_1", "acme")
            (quiet,) = (row for row in calls.values() if row["capture"] == "none")
            assert (quiet["key_id"], quiet["tenant"], quiet["id"][:5]) == ("", "quiet", "none_")
            assert [row["sealed"] for row in await one.rows("content")] == [b"\x00\xff"]
            assert [row["score"] for row in await one.rows("feedback")] == [0.5]
            states = [each.log.state() for each in (one, other)]
            assert sorted(each.stored for each in states) == [1, 2]
            assert [each.lost for each in states] == [{}, {}]
            assert (await one.log.live(CALLS)).lines == []

    run(store_url, scene)


def test_what_waits_is_sent_when_a_worker_stops(store_url: str, tmp_path: Path) -> None:
    """It is in the stream then, for another worker to write."""

    async def scene(state: State) -> None:
        settings = CallLogSettings(segment_s=3600.0)
        async with aclosing(Worker(state, tmp_path, settings)) as worker:
            worker.log.start()
            worker.log.record(call("call_1"))
        assert len((await worker.log.live(CALLS)).lines) == 1
        assert worker.log.state().stored == 1

    run(store_url, scene)


def test_a_store_that_is_away_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is more than may wait is lost, counted and said once; the rest arrives when the store is back."""
    monkeypatch.setattr(outlets, "QUEUE_ROWS", 5)
    monkeypatch.setattr(outlets, "_AGAIN_S", 0.01)
    monkeypatch.setattr(outlets, "_AGAIN_MOST_S", 0.01)
    server = Server(tmp_path / "store")

    async def scene(state: State) -> None:
        settings = CallLogSettings(segment_s=3600.0)
        async with aclosing(Worker(state, tmp_path, settings, ManualClock())) as worker:
            worker.log.start()
            worker.log.record(call("first"))

            async def sent() -> bool:
                return worker.log.state().stored == 1

            await until_async(sent, "the first one stored", unless=OSError)
            server.kill()
            with caplog.at_level(logging.ERROR):
                for number in range(12):
                    worker.log.record(call(f"late_{number}"))
            lost = sum(worker.log.state().lost.values())
            assert lost == 7
            server.start()

            async def back() -> bool:
                return worker.log.state().stored == 6

            await until_async(back, "what waited stored", unless=OSError)
            ids = b"".join((await worker.log.live(CALLS)).lines)
            assert b"late_11" in ids
            assert b"late_0" not in ids

    with running(server):
        run(server.url, scene)
    assert [each.message.count("are lost") for each in caplog.records].count(1) == 1


def test_a_full_log_says_so(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped events are counted by why: they come faster than they are written, or one is too large."""
    monkeypatch.setattr(outlets, "BATCH_ROWS", 1)
    monkeypatch.setattr(outlets, "MAX_EVENT_BYTES", 2000)

    async def scene(state: State) -> None:
        settings = CallLogSettings(segment_s=3600.0, buffer_events=3)
        async with aclosing(Worker(state, tmp_path, settings)) as worker:
            for number in range(5):
                worker.log.record(call(f"call_{number}"))
            worker.log.append(CONTENT, ContentEvent(id="x", tenant="a", ended_us=1, sealed=b"x" * 2000))
        assert worker.log.state().lost == {"full": 2}
        assert worker.log.state(CONTENT).lost == {"size": 1}

    run(store_url, scene)


def test_nothing_that_is_handed_in_raises(tmp_path: Path) -> None:
    """An event that cannot be written down is counted, and the next one is taken."""

    async def scene(state: State) -> None:
        async with aclosing(Worker(state, tmp_path)) as worker:
            broken = call("broken")
            broken.usage = 7  # type: ignore[assignment]  # what no call has
            worker.log.record(broken)
            worker.log.append(CONTENT, ContentEvent(id="\ud800", tenant="a", ended_us=1, sealed=b""))
            assert worker.log.state().lost == {"invalid": 1}
            assert worker.log.state(CONTENT).lost == {"invalid": 1}

    run("redis://127.0.0.1:1/0", scene)


def test_a_fault_of_its_own_does_not_end_the_log(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while segments are written, the next try comes."""
    monkeypatch.setattr(upkeeps, "LOOK_S", 0.01)
    monkeypatch.setattr(upkeeps, "HOLD_S", 0.01)

    async def scene(state: State) -> None:
        async with aclosing(Worker(state, tmp_path)) as worker:
            put, failed = Directory.put, asyncio.Event()

            async def fail(self: Directory, name: str, data: bytes | Path) -> None:
                failed.set()
                raise ZeroDivisionError

            monkeypatch.setattr(Directory, "put", fail)
            worker.log.start()
            worker.log.record(call("call_1"))
            await failed.wait()
            monkeypatch.setattr(Directory, "put", put)

            async def written() -> bool:
                return worker.log.state().written == 1

            await until_async(written, "the row written all the same", unless=OSError)

    run(store_url, scene)
