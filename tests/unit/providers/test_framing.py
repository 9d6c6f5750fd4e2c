"""Bytes become frames by the rules of server-sent events, within limits."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.providers.base import Frame
from llmgw.providers.framing import MAX_EVENT_BYTES, SseFramer, WholeFramer, framer
from llmgw.types.errors import ProviderTooLarge


def framed(body: bytes) -> list[Frame]:
    """The frames of a stream, and those its end completes."""
    framing = SseFramer()
    return framing.feed(body) + framing.close()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\n", [Frame(b"a")]),
        (b"data:a\n\ndata:  b\n\n", [Frame(b"a"), Frame(b" b")]),
        (b"data: a\ndata: b\n\n", [Frame(b"a\nb")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Frame(b"a", "error"), Frame(b"b")]),
        (b": note\n\ndata: a\n\n:x\nid: 3\nretry: 1\nnobody: knows\n\n", [Frame(b"a")]),
        (b"data\n\ndata:\n\ndata: \n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [Frame(b"a")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Frame(b"a"), Frame(b"b"), Frame(b"c")]),
        ("data: \u2028\u0085\x0b\x0c\n\n".encode(), [Frame("\u2028\u0085\x0b\x0c".encode())]),
        (b"\n\n\ndata: a\n\n\n\n", [Frame(b"a")]),
        (b"event: only\n\ndata: a\n\n", [Frame(b"a")]),
        (b"event: a\nevent\ndata: a\n\n", [Frame(b"a")]),
    ],
)
def test_events_are_cut(body: bytes, expected: list[Frame]) -> None:
    """Line ends, comments, several data lines, event names and a byte-order mark are read by the standard."""
    assert expected == framed(body)


LINES = (
    "", "", "", "data: a", "data: b", "data:c", "data: ", "data", "event: x", "event: y ", "event:", "event",
    "event: x\rdata: a", ": note", "id: 1", "event: x\ndata: a\n", "data: \u2028\n", "\ufeffdata: d",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 120), max_size=4),
)
def test_any_split_gives_the_same_events(lines: list[str], ending: str, cuts: list[int]) -> None:
    """However the bytes come, the events are those of bytes that come one by one."""
    body = ending.join(lines).encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    one_by_one, in_pieces = SseFramer(), SseFramer()
    expected = [frame for byte in body for frame in one_by_one.feed(bytes([byte]))] + one_by_one.close()
    pieces = [body[start:end] for start, end in pairwise(places)]
    assert [frame for piece in pieces for frame in in_pieces.feed(piece)] + in_pieces.close() == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b'data: {"a":1}', [Frame(b'{"a":1}')]),
        (b'data: {"a":1}\n', [Frame(b'{"a":1}')]),
        (b"data: [DONE]", [Frame(b"[DONE]")]),
        (b'data: {"a":', []),
        (b'data: {"a":\n', []),
        (b"dat", []),
        (b"", []),
    ],
)
def test_an_event_without_a_blank_line_counts_if_complete(rest: bytes, expected: list[Frame]) -> None:
    """At the end of the bytes the last event is kept if it is one JSON value or the end marker."""
    framing = SseFramer()
    assert [Frame(b"1")] == framing.feed(b"data: 1\n\n" + rest)
    assert expected == framing.close()


@pytest.mark.parametrize(
    "body",
    [
        b"data: " + b"x" * MAX_EVENT_BYTES,
        b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n",
        b": " + b"x" * MAX_EVENT_BYTES + b"\n",
        b"data: 12345678\n" * (MAX_EVENT_BYTES // 14 + 1),
    ],
)
@pytest.mark.parametrize("size", [65_536, 10_000_000])
def test_endless_events_are_refused(body: bytes, size: int) -> None:
    """Neither a line nor an event may be longer than the limit, however its bytes come."""
    framing = SseFramer()
    framing.feed(b"data: 1\n\n")
    with pytest.raises(ProviderTooLarge):
        [framing.feed(body[start : start + size]) for start in range(0, len(body), size)]


def test_lines_without_a_value_count_too() -> None:
    """A bare `data` is an empty line of data, wherever the bytes were cut, and many of them are refused."""
    framing = SseFramer()
    assert framing.feed(b"\ndata\n") == []
    assert framing.feed(b"data: x\n\n") == [Frame(b"\nx")]
    with pytest.raises(ProviderTooLarge):
        framing.feed(b"data\n" * (MAX_EVENT_BYTES // 4 + 1))


def test_many_events_are_no_long_event() -> None:
    """The limit is for one event, not for the stream."""
    body = b"data: 1234567890\n\n" * (MAX_EVENT_BYTES // 10)
    assert len(framed(body)) == MAX_EVENT_BYTES // 10


def test_a_whole_body_is_one_frame() -> None:
    """A body is collected up to its limit, and an empty one is a frame too."""
    assert [Frame(b"abc")] == _whole(WholeFramer(3), b"a", b"bc")
    assert [Frame(b"")] == _whole(WholeFramer(3))
    with pytest.raises(ProviderTooLarge):
        _whole(WholeFramer(3), b"ab", b"cd")


def test_the_framing_names_the_framer() -> None:
    """Each framing has its framer."""
    assert isinstance(framer("sse"), SseFramer)
    assert isinstance(framer("whole"), WholeFramer)


def _whole(framing: WholeFramer, *chunks: bytes) -> list[Frame]:
    for chunk in chunks:
        assert framing.feed(chunk) == []
    return framing.close()
