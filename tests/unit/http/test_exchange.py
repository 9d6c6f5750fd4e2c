"""One exchange: whole answers to callers who read slowly or not at all, and bodies that break off."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llmgw.http.exchange import PIECE, Exchange
from llmgw.http.exchanges import Exchanges
from llmgw.http.hangup import hang_up
from llmgw.types.errors import ClientGone, GatewayError, InvalidRequest, RequestTimeout, RequestTooLarge

Message = dict[str, Any]


def answered(body: bytes, take: Callable[[Message], Awaitable[None]], stall_s: float) -> Exchange:
    """Give a whole answer to a server that takes messages in its own way."""

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Any) -> None:
        await take(message)

    async def scene() -> Exchange:
        exchange = Exchange({"headers": []}, receive, send)
        await exchange.respond(200, [], body, stall_s=stall_s)
        return exchange

    return asyncio.run(scene())


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5])
def test_a_whole_answer_goes_out_in_pieces(size: int) -> None:
    """The pieces are the body, none is large, only the last one says so, and the length is told before."""
    sent: list[Message] = []

    async def take(message: Message) -> None:
        sent.append(message)

    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    answered(body, take, stall_s=60)
    start, *pieces = sent
    assert dict(start["headers"])[b"content-length"] == str(size).encode()
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) <= PIECE
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]


def test_a_caller_who_takes_nothing_counts_as_gone() -> None:
    """A piece that nobody takes for too long ends the exchange; those taken before do not count."""
    taken: list[Message] = []

    async def take(message: Message) -> None:
        taken.append(message)
        if len(taken) == 3:
            await asyncio.Event().wait()

    with pytest.raises(ClientGone):
        answered(bytes(9 * PIECE), take, stall_s=0.01)
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([], ClientGone), ([(b"transfer-encoding", b"chunked")], InvalidRequest)],
    ids=["length", "chunks"],
)
def test_a_body_that_breaks_off(headers: list[tuple[bytes, bytes]], expected: type[GatewayError]) -> None:
    """Too few bytes are a caller who left; with chunks it may be a bad one, so the caller is told."""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent")

    exchange = Exchange({"headers": headers}, receive, send)
    with pytest.raises(expected) as failed:
        asyncio.run(exchange.body(100, 1))
    assert type(failed.value) is expected
    assert exchange.gone is (expected is ClientGone)


def test_hanging_up_ends_one_connection() -> None:
    """The connection of that client ends, for both ends, and no other; a client nobody knows is no error."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        callers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(2)]
        ours = [server.accept()[0] for _ in callers]
        names = [caller.getsockname() for caller in callers]
        assert not hang_up(port + 1, names[0])
        assert hang_up(port, names[0])
        assert ours[0].recv(1) == b""
        ours[0].close()
        assert callers[0].recv(1) == b""
        ours[1].sendall(b"x")
        assert callers[1].recv(1) == b"x"
        for each in (*ours, *callers):
            each.close()
        assert not hang_up(port, names[0])


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], None),
        ([(b"tracestate", b"a=1")], "a=1"),
        ([(b"tracestate", b"a=1"), (b"x", b"y"), (b"tracestate", b"b=2")], "a=1,b=2"),
        ([(b"tracestate", b"\xe4"), (b"tracestate", b"")], "\xe4,"),
    ],
)
def test_every_value_of_a_header_is_told_in_its_order(
    headers: list[tuple[bytes, bytes]], told: str | None
) -> None:
    """A header that came several times is one list of values, whatever is in them."""

    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is read and nothing sent")

    assert told == Exchange({"headers": headers}, never, never).every(b"tracestate")


@pytest.mark.parametrize(
    ("pieces", "length"),
    [([b""], 0), ([b"abcd"], 4), ([b"a", b"", b"bc", b"d"], 4), ([b"abcde"], None), ([b"abc", b"de"], None)],
)
def test_a_body_is_the_sum_of_its_pieces(pieces: list[bytes], length: int | None) -> None:
    """In one piece or in several it is whole; over the limit, here 4 bytes, it is refused whatever was declared."""
    last = len(pieces) - 1
    coming = [
        {"type": "http.request", "body": each, "more_body": at < last} for at, each in enumerate(pieces)
    ]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent")

    exchange = Exchange({"headers": []}, receive, send)
    if length is None:
        with pytest.raises(RequestTooLarge):
            asyncio.run(exchange.body(4, 60))
    else:
        assert asyncio.run(exchange.body(4, 60)) == b"".join(pieces)


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ([(b"content-length", b"4")], 2),
        ([(b"content-length", b"4"), (b"transfer-encoding", b"chunked")], 3),
        ([], 3),
    ],
    ids=["declared", "chunks", "unknown"],
)
def test_a_body_of_known_length_is_whole_when_it_is_there(
    headers: list[tuple[bytes, bytes]], asked: int
) -> None:
    """Nothing is asked of the server once the declared length has come; in chunks the end is waited for."""
    coming = [{"type": "http.request", "body": each, "more_body": bool(each)} for each in (b"ab", b"cd", b"")]

    async def receive() -> Message:
        return coming.pop(0)

    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent")

    assert asyncio.run(Exchange({"headers": headers}, receive, send).body(9, 60)) == b"abcd"
    assert len(coming) == 3 - asked


def waiting(leaves: asyncio.Event | None = None, asked: asyncio.Event | None = None) -> Exchange:
    """An exchange whose caller sends nothing, until it leaves; tells when it is asked for something."""

    async def receive() -> Message:
        if asked is not None:
            asked.set()
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent")

    return Exchange({"headers": []}, receive, send)


def test_a_body_that_is_late_is_given_up() -> None:
    """Whoever looks after the exchange ends its wait, and the task that waited goes on uncancelled."""

    async def scene() -> None:
        exchanges, exchange = Exchanges(), waiting()
        exchanges.add(exchange)
        with pytest.raises(RequestTimeout, match=r"within 0\.01 s"):
            await exchange.body(100, 0.01)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        exchanges.discard(exchange)
        assert len(exchanges) == 0

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_a_body_that_another_cancels_is_cancelled() -> None:
    """Only what looks after the exchange makes a timeout of it."""

    async def scene() -> None:
        asked = asyncio.Event()
        reading = asyncio.ensure_future(waiting(asked=asked).body(100, 60))
        await asked.wait()
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_one_timer_listens_for_every_callers_leaving() -> None:
    """Watched exchanges that have run for a while are ended once their callers leave, others not."""

    async def scene() -> None:
        exchanges, leaves = Exchanges(), asyncio.Event()
        left, stays, unwatched = waiting(leaves), waiting(), waiting(leaves)
        leaves.set()

        async def serve(exchange: Exchange) -> None:
            exchanges.add(exchange)
            exchange.watch()
            if exchange is unwatched:
                exchange.unwatch()
            await asyncio.Event().wait()

        serving = [asyncio.ensure_future(serve(each)) for each in (left, stays, unwatched)]
        done, _ = await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
        assert done == {serving[0]}
        assert (left.gone, stays.gone, unwatched.gone) == (True, False, False)
        assert isinstance(left.interruption(), ClientGone)
        for each in (left, stays, unwatched):
            each.unwatch()
            exchanges.discard(each)
        for task in serving:
            task.cancel()
        await asyncio.wait(serving)

    asyncio.run(asyncio.wait_for(scene(), 20))
