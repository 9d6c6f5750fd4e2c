"""W3C Trace Context: what is read, what is ignored, what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry.trace_context import (
    Parent,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    parse_tracestate,
)
from opentelemetry.trace import TraceState

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = Parent(trace_id=int(TRACE, 16), span_id=int(SPAN, 16), sampled=True)

trace_ids = st.integers(min_value=1, max_value=2**128 - 1)
span_ids = st.integers(min_value=1, max_value=2**64 - 1)


@given(trace_ids, span_ids, st.booleans())
def test_what_is_written_reads_back(trace_id: int, span_id: int, sampled: bool) -> None:
    """Every id and flag survives a round trip."""
    header = format_traceparent(trace_id, span_id, sampled=sampled)
    assert Parent(trace_id=trace_id, span_id=span_id, sampled=sampled) == parse_traceparent(header)
    assert len(header) == 55


@given(st.text(max_size=80))
def test_no_text_makes_the_reader_fail(header: str) -> None:
    """Whatever a caller sends is a parent or is ignored."""
    assert isinstance(parse_traceparent(header), Parent | None)


@given(st.integers(0, 54), st.characters(exclude_characters="0123456789abcdef-"))
def test_one_foreign_character_spoils_the_header(position: int, character: str) -> None:
    """Upper case, digits of other scripts and the rest are not hex of this grammar."""
    header = f"00-{TRACE}-{SPAN}-01"
    assert parse_traceparent(header[:position] + character + header[position + 1 :]) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 500}",
    ],
)
def test_a_header_that_breaks_a_rule_is_ignored(header: str) -> None:
    """Bad lengths, zero ids, version ff, version 00 with more behind it."""
    assert parse_traceparent(header) is None


@pytest.mark.parametrize("tail", ["", "-", "-what-the-future-holds"])
def test_a_future_version_is_read_as_far_as_known(tail: str) -> None:
    """The standard promises later versions to be additive."""
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01{tail}") == PARENT


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_only_the_sampled_bit_counts(flags: str, sampled: bool) -> None:
    """Flags are a bit field, not a number."""
    parent = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}")
    assert parent is not None
    assert sampled is parent.sampled


@given(st.data())
def test_drawn_ids_are_valid(data: st.DataObject) -> None:
    """Ids fit their field and are never zero."""
    data.draw(st.none())
    assert 0 < new_trace_id() < 2**128
    assert 0 < new_span_id() < 2**64


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("congo=t61rcWkgMzE", "congo=t61rcWkgMzE"),
        (" rojo=00f067aa0ba902b7 ,\tcongo=t61 ,, ", "rojo=00f067aa0ba902b7,congo=t61"),
        ("fw529a3039@dt=FfAAAAA", "fw529a3039@dt=FfAAAAA"),
        ("a=1,a=2", ""),
        ("Congo=1", ""),
        ("congo", ""),
        ("congo=", ""),
        ("congo=a=b", ""),
        ("congo=\x7f", ""),
        ("congo=ä", ""),
        ("=t61", ""),
        ("@v=t61", ""),
        ("t@=t61", ""),
        ("1=t61", ""),
        ("1@v=t61", "1@v=t61"),
        (f"k={'v' * 256}", f"k={'v' * 256}"),
        (f"k={'v' * 257}", ""),
        (f"{'k' * 256}=v", f"{'k' * 256}=v"),
        (f"{'k' * 257}=v", ""),
        (f"{'t' * 241}@{'v' * 14}=v", f"{'t' * 241}@{'v' * 14}=v"),
        (f"{'t' * 242}@v=v", ""),
        (f"t@{'v' * 15}=v", ""),
        ("a=1,congo", ""),
        ("a=1,Congo=1", ""),
        (",".join(f"k{n}=v" for n in range(33)), ""),
        (",".join(f"k{n}=v" for n in range(32)), ",".join(f"k{n}=v" for n in range(32))),
    ],
)
def test_tracestate_is_passed_on_whole_or_not_at_all(header: str, kept: str) -> None:
    """One bad member spoils the list; empty members and spaces do not."""
    assert kept == parse_tracestate(header)


def test_a_long_tracestate_loses_large_members_first_then_the_last() -> None:
    """The order the standard recommends."""
    large = f"large={'x' * 130}"
    small = [f"k{n:02}={'x' * 96}" for n in range(6)]
    assert parse_tracestate(",".join([large, *small])) == ",".join(small[:5])


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9_\-*/]{0,20}(@[a-z]{1,5})?", fullmatch=True),
            st.from_regex(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,200}[!-+]", fullmatch=True),
        ),
        max_size=40,
    )
)
def test_what_is_passed_on_is_what_the_sdk_understands(members: list[tuple[str, str]]) -> None:
    """The SDK finds nothing to complain of, and the list stays within its bounds."""
    kept = parse_tracestate(",".join(f"{key}={value}" for key, value in members))
    assert len(kept) <= 512
    if kept:
        assert kept == TraceState.from_header([kept]).to_header()
