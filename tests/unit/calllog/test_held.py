"""What is sent to an engine: what it does not have."""

import pytest
from llmgw.calllog.engine import held
from llmgw.calllog.engine.frames import Find, Operation, Source, Sql, Write
from llmgw.calllog.engine.held import Held


def _find(*lines: bytes) -> Find:
    return Find(source=Source(dataset="calls", paths=("p",), lines=lines), id="x", tenant=None)


def _sent(operation: Operation) -> Source:
    assert isinstance(operation, Find)
    return operation.source


def test_lines_are_sent_once_and_then_go_by_their_numbers() -> None:
    """What is not among them any more is not held either, and is sent anew when it comes again."""
    known = Held()
    first = _sent(known.rest_of(_find(b"a", b"b")))
    assert (first.lines, first.held, first.paths) == ((b"a", b"b"), (), ("p",))
    a, b = first.numbers
    second = _sent(known.rest_of(_find(b"b", b"c")))
    assert (second.lines, second.held) == ((b"c",), (b,))
    third = _sent(known.rest_of(_find(b"a", b"c")))
    assert (third.lines, third.held) == ((b"a",), second.numbers)
    assert len({a, b, *second.numbers, *third.numbers}) == 4
    known.clear()
    assert _sent(known.rest_of(_find(b"a", b"c"))).lines == (b"a", b"c")


def test_the_same_lines_twice_are_there_once() -> None:
    """Each row is in an answer once."""
    sent = _sent(Held().rest_of(_find(b"a", b"a")))
    assert (sent.lines, len(sent.numbers)) == ((b"a",), 1)


def test_datasets_are_told_apart() -> None:
    """What one question reads of two is sent of each; what writes reads nothing."""
    known = Held()
    sources = tuple(Source(dataset=name, lines=(b"a",)) for name in ("calls", "feedback"))
    asked = Sql(sources=sources, statement="", values=[], tenant=None, from_us=0, to_us=1, most=1)
    first, again = known.rest_of(asked), known.rest_of(asked)
    assert isinstance(first, Sql)
    assert isinstance(again, Sql)
    assert [each.lines for each in first.sources] == [(b"a",), (b"a",)]
    assert [each.held for each in again.sources] == [each.numbers for each in first.sources]
    write = Write(dataset="calls", lines=[b"a"])
    assert known.rest_of(write) is write


def test_more_than_a_worker_remembers_is_sent_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's memory is bounded, whatever waits."""
    monkeypatch.setattr(held, "MOST", 3)
    known = Held()
    for _ in range(2):
        assert _sent(known.rest_of(_find(b"ab", b"cd"))).lines == (b"ab", b"cd")
    assert _sent(known.rest_of(_find(b"ab"))).lines == (b"ab",)
    assert _sent(known.rest_of(_find(b"ab"))).lines == ()
