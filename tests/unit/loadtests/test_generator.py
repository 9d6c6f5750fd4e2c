"""The load generator tells a whole answer from anything else, however its bytes arrive."""

import asyncio

import pytest
from loadtests.generator import Lane, Shot
from loadtests.upstream import STREAM_END, completion, stream, usage_event
from loadtests.upstream_wire import MARKER

CHAT = Shot(payload=b"", marker=MARKER, markers=1, ending=b"}")
STREAM = Shot(payload=b"", marker=MARKER, markers=3, ending=b"data: [DONE]\n\n")


class Wire(asyncio.Transport):
    """A transport that takes everything and remembers whether it was dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        """Say whether it was dropped."""
        return self.dropped

    def abort(self) -> None:
        """Drop it."""
        self.dropped = True


def verdicts(shot: Shot, pieces: list[bytes], *, lost: bool = False) -> list[str | None]:
    """Send once, receive the pieces, lose the connection if asked to; None stands for a whole answer."""
    heard: list[str | None] = []
    lane = Lane(shot, lambda _lane, error: heard.append(error))
    lane.connection_made(Wire())
    lane.fire(0.0)
    for piece in pieces:
        lane.data_received(piece)
    if lost:
        lane.connection_lost(None)
    return heard


def streamed(chunks: int) -> bytes:
    """A stream as the static upstream writes it."""
    baked = stream(chunks, 0)
    return baked.head + b"".join(baked.pieces) + baked.tail + usage_event(210, chunks) + STREAM_END


@pytest.mark.parametrize(("shot", "answer"), [(CHAT, completion(210)), (STREAM, streamed(3))])
def test_an_answer_is_whole_at_every_split(shot: Shot, answer: bytes) -> None:
    """Cut in two anywhere, or into single bytes, an answer gets one verdict, and it is good."""
    for cut in range(1, len(answer)):
        assert verdicts(shot, [answer[:cut], answer[cut:]]) == [None]
    assert verdicts(shot, [answer[at : at + 1] for at in range(len(answer))]) == [None]


def test_a_stream_without_its_end_marker_is_an_error() -> None:
    """A stream that ends in good order but without [DONE] is not whole."""
    cut = streamed(3).replace(b"e\r\ndata: [DONE]\n\n\r\n", b"")
    assert verdicts(STREAM, [cut]) == ["not the whole answer"]


def test_a_stream_that_lacks_a_chunk_is_an_error() -> None:
    """Every piece of content is counted."""
    assert verdicts(STREAM, [streamed(2)]) == ["not the whole answer"]


def test_a_cut_connection_is_an_error() -> None:
    """Half an answer is none."""
    assert verdicts(CHAT, [completion(210)[:-5]], lost=True) == ["connection lost"]


def test_an_error_status_is_an_error() -> None:
    """Only 200 counts."""
    answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"
    assert verdicts(CHAT, [answer]) == ["status 503"]


def test_more_bytes_than_promised_are_an_error() -> None:
    """A body that runs over its length is not what was asked for."""
    assert verdicts(CHAT, [completion(210) + b"x"]) == ["garbled answer"]
