"""What answers say of limits, in each dialect."""

import pytest
from llmgw.policy.spending.rooms import allotment
from llmgw.policy.spending.spending import Admitted, Left, Room
from llmgw.policy.spending.values import Budget, Limit, Reservation
from llmgw.types.allotment import Allotment, RateRoom
from llmgw.wire import WIRES
from llmgw.wire.base import WireFormat
from llmgw.wire.rate_headers import duration, rate_headers

FULL = Allotment(
    requests=RateRoom(600, 599, 60.0), tokens=RateRoom(1000, 1, 0.25), budget_left_nano=1_500_000_000
)
NOW_S = 1_767_225_600.5
"""Half a second into 2026."""


def wires(name: str) -> list[WireFormat]:
    """The dialects of a vendor."""
    found = [wire for wire in WIRES if wire.name == name]
    assert found
    return found


@pytest.mark.parametrize("wire", wires("openai"), ids=lambda wire: wire.path)
def test_openai_clients_read_theirs(wire: WireFormat) -> None:
    """Lengths of time, as `6m0s`."""
    assert rate_headers(wire, FULL, NOW_S) == [
        (b"x-ratelimit-limit-requests", b"600"),
        (b"x-ratelimit-remaining-requests", b"599"),
        (b"x-ratelimit-reset-requests", b"1m0s"),
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"1"),
        (b"x-ratelimit-reset-tokens", b"250ms"),
        (b"x-llmgw-budget-left-usd", b"1.5"),
    ]


@pytest.mark.parametrize("wire", wires("anthropic"), ids=lambda wire: wire.path)
def test_anthropic_clients_read_theirs(wire: WireFormat) -> None:
    """Moments of RFC 3339, never too early."""
    assert rate_headers(wire, FULL, NOW_S) == [
        (b"anthropic-ratelimit-requests-limit", b"600"),
        (b"anthropic-ratelimit-requests-remaining", b"599"),
        (b"anthropic-ratelimit-requests-reset", b"2026-01-01T00:01:01Z"),
        (b"anthropic-ratelimit-tokens-limit", b"1000"),
        (b"anthropic-ratelimit-tokens-remaining", b"1"),
        (b"anthropic-ratelimit-tokens-reset", b"2026-01-01T00:00:01Z"),
        (b"x-llmgw-budget-left-usd", b"1.5"),
    ]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.path)
def test_what_is_not_limited_is_not_told(wire: WireFormat) -> None:
    """No limit, no header; what is overdrawn has nothing left."""
    assert rate_headers(wire, Allotment(), NOW_S) == []
    (told,) = rate_headers(wire, Allotment(budget_left_nano=-5), NOW_S)
    assert told == (b"x-llmgw-budget-left-usd", b"0")
    overdrawn = dict(rate_headers(wire, Allotment(tokens=RateRoom(5, -1, 1.0)), NOW_S))
    assert b"0" in overdrawn.values()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0s"),
        (0.02, "20ms"),
        (0.0001, "1ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (8.6399, "8.64s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (90061.25, "25h1m1.25s"),
    ],
)
def test_lengths_of_time_are_written_as_openai_does(seconds: float, written: str) -> None:
    """Rounded up."""
    assert duration(seconds) == written


def test_the_tightest_of_each_kind_is_told() -> None:
    """By the share that is left, for requests and tokens apart; of budgets the least that is left."""
    wide = Limit(scope="tenant", name="acme", requests_per_minute=1000, tokens_per_minute=100)
    narrow = Limit(scope="team", name="search", requests_per_minute=10, tokens_per_minute=1000)
    calls = Limit(scope="key", name="k1", concurrent=3)
    budgets = [
        Left(Budget(scope="team", name=name, window="day", amount_nano=9), left)
        for name, left in (("a", 7), ("b", 5))
    ]
    admitted = Admitted(
        Reservation(operation="op", tenant="acme", at_ms=1),
        (
            Room(wide, 300, 50, None),
            Room(narrow, 5, 400, None),
            Room(calls, None, None, 2),
        ),
        tuple(budgets),
    )
    assert allotment(admitted) == Allotment(
        requests=RateRoom(1000, 300, 60.0), tokens=RateRoom(1000, 400, 60.0), budget_left_nano=5
    )
    assert allotment(Admitted(admitted.reservation, again=True)) == Allotment()
