"""What a ledger row says of its call: every attempt that cost money, in words that later versions can read."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.detail import (
    ATTEMPTS_MAX,
    TEXT_MAX,
    LedgerAttempt,
    LedgerDetail,
    LedgerUsage,
    detail_of,
    read_detail,
    unverified_detail,
)
from llmgw.types.call import Attempt, Call
from llmgw.types.event import Usage
from llmgw.types.json import encode
from llmgw.types.money import Charge, Line

NOON_NS = 1_795_780_800 * 10**9
_NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
_COUNTS = st.none() | st.integers(min_value=0, max_value=10**12)
_USAGES = st.builds(
    LedgerUsage,
    **dict.fromkeys(
        ("input", "output", "cached_read", "cache_write", "reasoning", "audio_input", "audio_output"), _COUNTS
    ),
)
_ATTEMPTS = st.builds(
    LedgerAttempt,
    target=_NAMES,
    provider=_NAMES,
    model=_NAMES,
    at=st.integers(min_value=0, max_value=2**40),
    answered=_NAMES,
    nano=st.none() | st.integers(min_value=0, max_value=10**18),
    prices=_NAMES,
    priced=_NAMES,
    tier=_NAMES,
    lines=st.lists(
        st.tuples(_NAMES, st.integers(0, 10**12), st.integers(0, 10**22).map(str)), max_size=3
    ).map(tuple),
    usage=st.none() | _USAGES,
    estimated=st.booleans(),
)
_DETAILS = st.builds(
    LedgerDetail,
    v=st.just(1),
    call=_NAMES,
    target=_NAMES,
    model=_NAMES,
    answered=_NAMES,
    attempts=st.lists(_ATTEMPTS, max_size=3).map(tuple),
    unverified=st.booleans(),
)


def call(*attempts: Attempt, **facts: Any) -> Call:
    """A call that began at noon, at 0 of the monotonic clock."""
    return Call(
        id="c1",
        request_id="r1",
        endpoint="chat",
        trace_id=1,
        span_id=1,
        chat_span_id=1,
        started_ns=0,
        started_unix_ns=NOON_NS,
        attempts=list(attempts),
        **facts,
    )


def attempt(target: str = "main", nano: int | None = 12, **facts: Any) -> Attempt:
    """A try at a target, with 3 tokens in and 2 out by default."""
    facts.setdefault("usage", Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1))
    charge = None
    if nano is not None:
        lines = (Line("input", 3, 2 * 10**19), Line("output", 2, 6 * 10**20))
        charge = Charge(nano=nano, lines=lines, source="genai-prices", version="0.2.3", model="gpt-5")
    return Attempt(
        target=target,
        provider="openai",
        kind="openai",
        model="gpt-5",
        started_ns=facts.pop("started_ns", 0),
        span_id=1,
        charge=charge,
        **facts,
    )


def row_of(whole: Call) -> bytes:
    """The row of all attempts of a call."""
    return detail_of(whole, whole.attempts)


def told(row: bytes) -> LedgerDetail:
    """What a row says, which is something."""
    found = read_detail(row)
    assert found is not None
    return found


def test_a_row_names_target_price_and_usage() -> None:
    """One answered attempt: all that is needed to calculate its cost again."""
    found = told(row_of(call(attempt(), answered_model="gpt-5-2026-01-01")))
    assert (found.call, found.target, found.model) == ("c1", "main", "gpt-5")
    assert found.answered == "gpt-5-2026-01-01"
    (only,) = found.attempts
    assert only == LedgerAttempt(
        target="main",
        provider="openai",
        model="gpt-5",
        at=NOON_NS // 10**9,
        answered="gpt-5-2026-01-01",
        nano=12,
        prices="genai-prices@0.2.3",
        lines=(("input", 3, "20000000000000000000"), ("output", 2, "600000000000000000000")),
        usage=LedgerUsage(input=3, output=2, reasoning=1),
    )


def test_each_attempt_that_cost_money_is_told_apart() -> None:
    """Attempts at several targets, of which one cost nothing: two entries; a row may be of some of them."""
    broken = attempt("first", nano=7, started_ns=3 * 10**9)
    refused = attempt("second", nano=None, usage=None)
    whole = call(broken, refused, attempt("third", nano=9), answered_model="m")
    found = told(row_of(whole))
    assert [(each.target, each.nano) for each in found.attempts] == [("first", 7), ("third", 9)]
    assert [each.answered for each in found.attempts] == ["", "m"]
    assert found.attempts[0].at == NOON_NS // 10**9 + 3
    assert found.nano == whole.cost_nano == 16
    first = told(detail_of(whole, whole.attempts[:2]))
    assert [each.target for each in first.attempts] == ["first"]
    assert first.target == "second"


def test_use_without_a_price_is_told() -> None:
    """An attempt whose price is not known has its tokens in the row, and no cost."""
    (only,) = told(row_of(call(attempt(nano=None)))).attempts
    assert only.nano is None
    assert only.usage == LedgerUsage(input=3, output=2, reasoning=1)


def test_counted_tokens_are_marked() -> None:
    """What is charged without the provider's word is an estimate."""
    assert told(row_of(call(attempt(estimated=True)))).estimated
    assert not told(row_of(call(attempt()))).estimated


def test_rows_stay_small() -> None:
    """A usual row is far under 2 KiB; a provider's endless names and a call's endless attempts are cut."""
    assert len(row_of(call(attempt(), attempt(), answered_model="gpt-5"))) < 1024
    long = attempt("t" * 10_000)
    many = told(row_of(call(*[long] * 500, answered_model="x" * 100_000)))
    assert len(many.attempts) == ATTEMPTS_MAX
    assert len(many.answered) == len(many.target) == TEXT_MAX


def test_a_call_whose_worker_died_is_marked() -> None:
    """Nobody knows what it used, and the row says so."""
    found = told(unverified_detail("c1"))
    assert found.unverified
    assert found.call == "c1"
    assert not told(row_of(call(attempt()))).unverified


def test_a_call_without_attempts_has_a_row() -> None:
    """A call that reached no target is told of by its id alone."""
    assert row_of(call()) == b'{"v":1,"call":"c1"}'


@given(_DETAILS)
def test_what_is_written_is_read(detail: LedgerDetail) -> None:
    """Any detail is read as it was written."""
    assert read_detail(encode(detail)) == detail


@given(_DETAILS, st.dictionaries(st.text("nwxyz_", min_size=4, max_size=9), st.none() | st.integers(-9, 9)))
def test_members_that_are_not_known_are_passed_over(detail: LedgerDetail, later: dict[str, Any]) -> None:
    """A row of a later version that only added members is read."""
    document = {**later, **msgspec.to_builtins(detail)}
    document["attempts"] = [{**later, **each} for each in document.get("attempts", ())]
    assert read_detail(encode(document)) == detail


@given(st.binary(max_size=50))
def test_garbage_is_no_detail(stored: bytes) -> None:
    """Bytes that are no detail are none, and no error."""
    assert read_detail(stored) is None


def test_other_versions_are_not_guessed_at() -> None:
    """What another version means by its words is not known here."""
    assert read_detail(b'{"v":2,"call":"c1"}') is None
    assert read_detail(b"") is None
