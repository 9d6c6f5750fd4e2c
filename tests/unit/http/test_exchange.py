"""One exchange: whole answers to callers who read slowly or not at all, and bodies that break off."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llmgw.http.exchange import PIECE, Exchange
from llmgw.http.hangup import hang_up
from llmgw.types.errors import ClientGone, GatewayError, InvalidRequest

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
