"""The stream: each batch once, bounded as asked, and read together with the cursor."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from llmgw.calllog import stream as streams
from llmgw.calllog.segments import Place
from llmgw.calllog.stream import Bounds, Stream, TakenOver
from llmgw.state.connection import State
from tests.integration.calllog.stage import ORIGIN, ROOMY
from tests.waiting import ROOMY_S


def run(store_url: str, scene: Callable[[Stream], Awaitable[None]]) -> None:
    """Play a scene with an empty stream."""

    async def play() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await scene(Stream(state, "calls"))

    asyncio.run(play())


async def append(
    stream: Stream, sequence: int, rows: int, bounds: Bounds = ROOMY, sender: str = "w"
) -> tuple[bool, int]:
    """Send a batch of so many short lines, which name their batch."""
    lines = b"\n".join([str(sequence).encode()] * rows)
    added, dropped, _ = await stream.append(sender, sequence, (rows, lines), bounds, ORIGIN)
    return added, dropped


async def kept(stream: Stream) -> list[int]:
    """The batches that are there."""
    return [int(lines.split(b"\n")[0]) for lines in (await stream.live()).lines]


def test_a_batch_that_is_sent_again_is_added_once(store_url: str) -> None:
    """Of each sender, and with the answer of the first time."""

    async def scene(stream: Stream) -> None:
        tight = Bounds(rows=5, size=None, drop_oldest=True)
        assert await append(stream, 1, 3, tight) == (True, 0)
        assert await append(stream, 2, 4, tight) == (True, 3)
        assert await append(stream, 2, 4, tight) == (True, 3)
        assert await append(stream, 1, 1, ROOMY, sender="x") == (True, 0)
        assert (await stream.look())[0][:2] == (5, 8)
        assert await kept(stream) == [2, 1]

    run(store_url, scene)


@pytest.mark.parametrize(
    ("oldest", "answers", "left"),
    [(True, [0, 0, 2, 2], [3, 4]), (False, [0, 0, 2, 2], [1, 2])],
)
def test_a_full_stream_drops_as_asked(
    store_url: str, oldest: bool, answers: list[int], left: list[int]
) -> None:
    """Old batches or the new one, and says how many rows that were."""

    async def scene(stream: Stream) -> None:
        bounds = Bounds(rows=5, size=None, drop_oldest=oldest)
        assert [(await append(stream, each, 2, bounds))[1] for each in (1, 2, 3, 4)] == answers
        assert await kept(stream) == left
        assert (await stream.look())[0].rows == 4

    run(store_url, scene)


def test_a_stream_is_bounded_in_bytes(store_url: str) -> None:
    """A batch that is larger than all that may wait is dropped itself."""

    async def scene(stream: Stream) -> None:
        bounds = Bounds(rows=None, size=10, drop_oldest=True)
        assert await append(stream, 1, 4, bounds) == (True, 0)  # 7 bytes
        assert await append(stream, 2, 2, bounds) == (True, 0)
        assert await append(stream, 3, 1, bounds) == (True, 4)
        assert await append(stream, 4, 20, bounds) == (False, 23)

    run(store_url, scene)


def test_what_is_being_written_is_not_dropped(store_url: str) -> None:
    """Its writer may have read it already, and who comes after a crash must find the same; the newer goes."""

    async def scene(stream: Stream) -> None:
        bounds = Bounds(rows=4, size=None, drop_oldest=True)
        await append(stream, 1, 2, bounds)
        fence, origin, draft = await stream.claim("bb" * 8)
        assert (origin, draft) == (ORIGIN, False)
        (taken,) = await stream.extend(fence)
        await append(stream, 2, 2, bounds)
        assert await append(stream, 3, 2, bounds) == (True, 2)
        assert await append(stream, 4, 3, bounds) == (False, 5)
        assert await kept(stream) == [1]
        assert [each.place for each in await stream.drafted(fence, Place(0, 0))] == [taken.place]

    run(store_url, scene)


def test_only_the_last_who_claimed_may_go_on(store_url: str) -> None:
    """Whoever claims finds the draft; the one before can neither read nor finish."""

    async def scene(stream: Stream) -> None:
        await append(stream, 1, 2)
        old = (await stream.claim(ORIGIN)).fence
        (batch,) = await stream.extend(old)
        fence, _, draft = await stream.claim(ORIGIN)
        assert draft
        for late in (
            stream.extend(old),
            stream.drafted(old, Place(0, 0)),
            stream.finish(old, batch.place, 2, 3),
        ):
            with pytest.raises(TakenOver):
                await late
        await stream.halt(old, "disk")
        await stream.finish(fence, batch.place, 2, 3)
        with pytest.raises(TakenOver):
            await stream.finish(fence, batch.place, 2, 3)
        assert await stream.look() == ((0, 0, 0, ""), False)
        assert await stream.cursor() == ((ORIGIN, batch.place), "")

    run(store_url, scene)


def test_what_is_live_is_read_whole_while_it_is_written(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In many pages, between which segments are written: what is returned is all behind the cursor with it."""
    monkeypatch.setattr(streams, "PAGE_BYTES", 4)

    async def scene(stream: Stream) -> None:
        for each in range(1, 9):
            await append(stream, each, 2)
        fence = (await stream.claim(ORIGIN)).fence

        async def write() -> None:
            while page := await stream.extend(fence):
                rows, size = sum(each.rows for each in page), sum(each.size for each in page)
                await stream.finish(fence, page[-1].place, rows, size)

        reads: list[tuple[Place, list[int]]] = []

        async def read() -> None:
            for _ in range(6):
                live = await stream.live()
                reads.append((live.cursor.place, [int(each.split(b"\n")[0]) for each in live.lines]))

        await asyncio.gather(write(), read())
        ends = sorted({place for place, _ in reads})
        for place, batches in reads:
            assert batches == list(range(9 - len(batches), 9))
            assert ends.index(place) == sorted({len(other) for _, other in reads}, reverse=True).index(
                len(batches)
            )

    run(store_url, scene)


def test_a_stream_of_which_nothing_is_known_is_empty(store_url: str) -> None:
    """Its cursor is before everything."""

    async def scene(stream: Stream) -> None:
        assert await stream.live() == (("", Place(0, 0)), [])
        assert await stream.look() == ((0, 0, 0, ""), False)

    run(store_url, scene)
