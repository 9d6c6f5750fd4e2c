"""What comes over a connection, in any pieces, and what never is taken for an answer."""

import asyncio
from itertools import pairwise
from typing import cast
from unittest.mock import create_autospec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.upstream.connection import READ_AHEAD, Answer, Connection, HeadTooLarge, Lost, Malformed

WHOLE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
]


class Line:
    """A connection on a transport that goes nowhere."""

    def __init__(self, *, keep: bool = True) -> None:
        self.freed = 0
        self.lost = 0
        self.transport = create_autospec(asyncio.Transport, instance=True)
        self.transport.is_closing.return_value = False
        self.transport.get_write_buffer_size.return_value = 0
        self.connection = Connection(self._free, self._lose, keep=keep)
        self.connection.connection_made(cast("asyncio.Transport", self.transport))

    def _free(self, _connection: Connection) -> None:
        self.freed += 1

    def _lose(self, _connection: Connection) -> None:
        self.lost += 1

    def answered(self, *pieces: bytes) -> Answer:
        """Ask, and hear these pieces."""
        answer = self.connection.send(b"GET / HTTP/1.1\r\n\r\n", b"")
        for piece in pieces:
            self.connection.data_received(piece)
        return answer


def body_of(line: Line, answer: Answer) -> bytes:
    """All of the body that is here."""
    pieces = []
    while piece := line.connection.take(answer, 3):
        pieces.append(piece)
    return b"".join(pieces)


@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 200)))
def test_any_pieces_of_an_answer_are_that_answer(whole: bytes, cuts: list[int]) -> None:
    """Wherever the bytes are cut, status and body are the same and the connection is free once."""
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    line = Line()
    answer = line.answered(*(whole[start:end] for start, end in pairwise(places)))
    assert (answer.status, answer.complete, answer.failure) == (200, True, None)
    assert body_of(line, answer) == b"hello"
    assert line.freed == 1


@given(st.lists(st.binary(max_size=300), max_size=6), st.sampled_from([b"", *WHOLE]), st.booleans())
def test_no_bytes_break_the_connection(noise: list[bytes], before: bytes, broken: bool) -> None:
    """Whatever comes, nothing is raised, and when the connection is gone the answer is whole or has failed."""
    line = Line()
    answer = line.answered(before[: len(before) // 2], *noise)
    line.connection.connection_lost(ConnectionResetError() if broken else None)
    assert answer.over
    assert line.lost == 1
    assert line.freed <= 1


@given(st.sampled_from(WHOLE), st.integers(0, 200))
def test_an_answer_that_is_cut_is_never_whole(whole: bytes, cut: int) -> None:
    """A connection that ends before the last byte of an answer with a length leaves a failure."""
    line = Line()
    answer = line.answered(whole[: min(cut, len(whole) - 1)])
    line.connection.connection_lost(None)
    assert isinstance(answer.failure, Lost)
    assert not answer.complete


def test_what_follows_an_answer_ends_the_connection() -> None:
    """A second answer in the same bytes, or later, is nobody's: the first one stands, the connection is dropped."""
    line = Line()
    assert line.answered(WHOLE[0] + WHOLE[0]).complete
    assert line.freed == 0
    line.transport.abort.assert_called()
    idle = Line()
    idle.answered(WHOLE[0])
    assert idle.freed == 1
    idle.connection.data_received(WHOLE[0])
    idle.transport.abort.assert_called()


def test_a_piece_that_is_waited_for_is_handed_over() -> None:
    """It comes by the waiter alone; what comes before the reader is back waits behind it, and ends wake it."""

    async def read() -> None:
        line = Line()
        answer = line.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for pieces in (b"he", b"l"), (b"l", b"o"):
            answer.waiter = asyncio.get_running_loop().create_future()
            for piece in pieces:
                line.connection.data_received(piece)
            assert await answer.waiter == pieces[0]
            answer.waiter = None
            assert line.connection.take(answer, READ_AHEAD) == pieces[1]
        answer.waiter = asyncio.get_running_loop().create_future()
        line.connection.data_received(b"!")
        assert await answer.waiter == b""
        assert (answer.complete, line.connection.take(answer, READ_AHEAD)) == (True, b"!")

    asyncio.run(read())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_server_that_ends_the_connection_is_believed(head: bytes) -> None:
    """It is closed and not offered for the next request."""
    line = Line()
    assert line.answered(head).complete
    assert line.freed == 0
    line.transport.close.assert_called_once()


def test_an_answer_before_the_whole_request_was_taken_ends_the_connection() -> None:
    """What is still going out would be read as the next request."""
    line = Line()
    line.transport.get_write_buffer_size.return_value = 1
    assert line.answered(WHOLE[0]).complete
    assert line.freed == 0
    line.transport.abort.assert_called()


def test_a_body_that_nobody_takes_stops_the_reading() -> None:
    """Beyond the read-ahead the socket is left alone, until what is here was taken."""
    line = Line()
    answer = line.answered(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (READ_AHEAD + 1))
    line.transport.pause_reading.assert_called_once()
    line.transport.resume_reading.assert_not_called()
    assert line.connection.take(answer, READ_AHEAD)
    line.transport.resume_reading.assert_called_once()


def test_a_paused_connection_goes_on_with_the_next_answer() -> None:
    """An answer that is whole holds up nobody, taken or not."""
    line = Line()
    size = 2 * READ_AHEAD
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    answer = line.answered(head + b"x" * (size - 1), b"x")
    line.transport.resume_reading.assert_called_once()
    assert line.freed == 1
    again = line.answered(WHOLE[0])
    assert body_of(line, again) == b"hello"
    assert len(body_of(line, answer)) == size


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: a\x00\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(129)) + b"\r\n", HeadTooLarge),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 8190 + b"\r\n\r\n", HeadTooLarge),
    ],
)
def test_heads_that_mean_two_things_or_too_much(reply: bytes, failure: type[Exception]) -> None:
    """Two lengths, a name with a space, a value with a NUL, 129 headers or one of more than 8 KiB are refused."""
    line = Line()
    assert isinstance(line.answered(reply).failure, failure)
    line.transport.abort.assert_called()


def test_a_folded_header_is_one() -> None:
    """Servers of old wrap long values; they are read as the one line they mean."""
    answer = Line().answered(b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 0\r\n\r\n")
    assert answer.complete
    (folded, _) = answer.fields
    assert folded[1].split() == [b"a", b"b"]
