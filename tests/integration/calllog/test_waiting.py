"""What is in no segment yet stays with the engine from one question to the next, and is what it is now."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from llmgw.types.call_log_errors import CallLogUnavailable
from llmgw.types.errors import GatewayError
from tests.integration.calllog.asked_log import (
    HOUR_US,
    TUESDAY_US,
    AskedLog,
    asked_log,
    call,
    everything,
    ids,
)

EVENTS = [call(number, TUESDAY_US + number * HOUR_US, tags=(f'say "{number}"\n{{',)) for number in range(6)]


async def seen(log: AskedLog) -> list[str]:
    """The ids of all calls, oldest first, as a page, a statement and single looks have them."""
    paged = ids((await log.reading.page(everything(), "oldest", 99)).rows)
    asked = [str(row[0]) for row in await log.sql("SELECT id FROM calls ORDER BY ended_us")]
    single = [each.id for each in EVENTS if (await log.reading.find(each.id, None)).rows]
    assert paged == asked == single
    return paged


def play(home: Path, scene: Callable[[AskedLog], Awaitable[None]]) -> None:
    """Have a scene played with a log of its own."""

    async def played() -> None:
        async with asked_log(home) as log:
            await scene(log)

    asyncio.run(played())


def test_what_came_and_what_went_between_questions_is_seen(tmp_path: Path) -> None:
    """Added, brought to a segment, dropped: each row once, and none that is not there any more."""

    async def scene(log: AskedLog) -> None:
        log.buffered(EVENTS[:2])
        assert await seen(log) == [each.id for each in EVENTS[:2]]
        # Several events in one batch, one of them with what looks like another line in its text.
        log.buffer.lines.append(b"\n".join(msgspec.json.encode(each) for each in EVENTS[2:5]) + b"\n")
        assert await seen(log) == [each.id for each in EVENTS[:5]]
        await log.keep(EVENTS[:2])
        del log.buffer.lines[:2]
        assert await seen(log) == [each.id for each in EVENTS[:5]]
        log.buffered(EVENTS[5:])
        del log.buffer.lines[0]
        assert await seen(log) == [each.id for each in (*EVENTS[:2], EVENTS[5])]
        log.buffer.lines.clear()
        assert await seen(log) == [each.id for each in EVENTS[:2]]

    play(tmp_path, scene)


def test_an_engine_that_is_started_anew_is_told_all_of_it(tmp_path: Path) -> None:
    """What the one before had died with it."""

    async def scene(log: AskedLog) -> None:
        log.buffered(EVENTS)
        assert len(await seen(log)) == 6
        assert log.engine.pid is not None
        os.kill(log.engine.pid, signal.SIGKILL)
        try:
            await seen(log)
        except CallLogUnavailable:
            assert len(await seen(log)) == 6

    play(tmp_path, scene)


def test_an_engine_that_kept_nothing_is_told_all_of_it_again(tmp_path: Path) -> None:
    """A line that is none has the question fail, and nothing is kept then; the next answer is whole."""

    async def scene(log: AskedLog) -> None:
        log.buffered(EVENTS[:3])
        assert len(await seen(log)) == 3
        log.buffer.lines.append(b'{"ended_us": "never"}')
        with pytest.raises(GatewayError):
            await seen(log)
        log.buffer.lines.pop()
        log.buffered(EVENTS[3:])
        assert len(await seen(log)) == 6

    play(tmp_path, scene)
