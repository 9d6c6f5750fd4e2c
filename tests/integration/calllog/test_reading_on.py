"""What is live is read on from where a worker was: the same as if all of it had been read."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

import pytest
from llmgw.calllog import stream as streams
from llmgw.calllog.stream import Bounds, Live, Stream
from llmgw.state.connection import State
from tests.integration.calllog.stage import ROOMY
from tests.integration.calllog.test_stream import append
from tests.waiting import ROOMY_S

KEY: Final = "llmgw:{calllog:calls}:stream"


class Reader:
    """A worker that has read before, and one that has not."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.stream = Stream(state, "calls")

    async def read(self) -> Live:
        """What the one reads, which is what the other does."""
        found = await self.stream.live()
        assert found == await Stream(self.state, "calls").live()
        return found

    async def write(self) -> None:
        """Bring all there is to segments."""
        fence = (await self.stream.claim("00000000000000aa")).fence
        while page := await self.stream.extend(fence):
            rows, size = sum(each.rows for each in page), sum(each.size for each in page)
            await self.stream.finish(fence, page[-1].place, rows, size)


def play(store_url: str, scene: Callable[[Reader], Awaitable[None]]) -> None:
    """Play a scene with an empty stream."""

    async def played() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await scene(Reader(state))

    asyncio.run(played())


def test_what_was_read_is_not_read_again(store_url: str) -> None:
    """It is the very same; what came since is behind it, and what was written to segments is not there."""

    async def scene(reader: Reader) -> None:
        assert (await reader.read()).lines == []
        for each in (1, 2):
            await append(reader.stream, each, 2)
        first = await reader.read()
        await append(reader.stream, 3, 2)
        second = await reader.read()
        assert [old is new for old, new in zip(first.lines, second.lines, strict=False)] == [True, True]
        assert second.lines[2:] == [b"3\n3"]
        await reader.write()
        await append(reader.stream, 4, 1)
        assert (await reader.read()).lines == [b"4"]
        await reader.write()
        assert (await reader.read()).lines == []

    play(store_url, scene)


def test_what_was_dropped_is_not_there(store_url: str) -> None:
    """Old batches that made room, behind a draft, too."""

    async def scene(reader: Reader) -> None:
        tight = Bounds(rows=4, size=None, drop_oldest=True)
        for each in (1, 2):
            await append(reader.stream, each, 1)
        await reader.stream.extend((await reader.stream.claim("00000000000000aa")).fence)
        for each in (3, 4):
            await append(reader.stream, each, 1)
        assert (await reader.read()).lines == [b"1", b"2", b"3", b"4"]
        await append(reader.stream, 5, 1, tight)
        assert (await reader.read()).lines == [b"1", b"2", b"4", b"5"]
        await reader.state.command("XDEL", KEY, await _last(reader.state))
        assert (await reader.read()).lines == [b"1", b"2", b"4"]

    play(store_url, scene)


def test_a_store_that_lost_its_end_is_read_whole(store_url: str) -> None:
    """After a failover there may be as many batches as before, at earlier places, and they are others."""

    async def scene(reader: Reader) -> None:
        await _put(reader.state, "5-1", "1")
        for each in (2, 3):
            await append(reader.stream, each, 1)
        assert (await reader.read()).lines == [b"1", b"2", b"3"]
        await reader.state.command("DEL", KEY)
        for place, line in (("5-1", "1"), ("5-2", "a"), ("5-3", "b")):
            await _put(reader.state, place, line)
        assert (await reader.read()).lines == [b"1", b"a", b"b"]
        await reader.state.command("DEL", KEY, KEY.replace(":stream", ":meta"))
        await append(reader.stream, 4, 1)
        assert len((await reader.read()).lines) == 1

    play(store_url, scene)


def test_much_that_is_new_is_read_whole(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, as if nothing was known; and where much waits nothing is kept of it."""
    monkeypatch.setattr(streams, "PAGE_BYTES", 4)
    monkeypatch.setattr(streams, "MOST_KNOWN", 20)

    async def scene(reader: Reader) -> None:
        for number in range(1, 16):
            await append(reader.stream, number, 1, ROOMY)
            if number % 5 in {1, 0}:
                assert len((await reader.read()).lines) == number

    play(store_url, scene)


async def _put(state: State, place: str, line: str) -> None:
    """Have a batch at a place of the test's choice."""
    await state.command("XADD", KEY, place, "n", 1, "b", len(line), "d", line)


async def _last(state: State) -> bytes:
    """The place of the last batch."""
    ((place, _),) = await state.command("XREVRANGE", KEY, "+", "-", "COUNT", 1)
    return bytes(place)
