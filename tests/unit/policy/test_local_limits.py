"""Limits that a worker keeps by itself while the store is away."""

import pytest
from llmgw.policy.spending import local
from llmgw.policy.spending.local import LocalLimits
from llmgw.policy.spending.values import Limit, Reservation
from llmgw.types.limit_errors import ConcurrencyExceeded, NeverFits, RateLimited
from tests.manual_clock import ManualClock


def asked(*limits: Limit, tokens: int = 0) -> Reservation:
    """A call held to some limits."""
    return Reservation(operation="op", tenant="acme", at_ms=0, limits=limits, tokens=tokens)


def key(name: str = "k", **most: int) -> Limit:
    """A limit of a key."""
    return Limit(scope="key", name=name, **most)


def test_a_worker_takes_its_share_of_requests_and_no_more() -> None:
    """Ten a minute are five for each of two workers; the sixth is told when the first leaves the window."""
    clock = ManualClock()
    limits = LocalLimits(clock, workers=2)
    call = asked(key(requests_per_minute=10))
    for _ in range(5):
        limits.admit(call)
        clock.advance(1)
    with pytest.raises(RateLimited) as refused:
        limits.admit(call)
    assert refused.value.limit == "key:k:requests"
    assert refused.value.retry_after_s == 55
    clock.advance(55)
    limits.admit(call)


def test_tokens_are_shared_too_and_what_is_too_large_is_told_so() -> None:
    """A call of more than the share is never let through; one that only has to wait is told how long."""
    clock = ManualClock()
    limits = LocalLimits(clock, workers=2)
    limit = key(tokens_per_minute=1000)
    limits.admit(asked(limit, tokens=400))
    with pytest.raises(RateLimited) as waits:
        limits.admit(asked(limit, tokens=200))
    assert (waits.value.left, waits.value.retry_after_s) == (100, 60)
    with pytest.raises(NeverFits):
        limits.admit(asked(limit, tokens=501))
    limits.admit(asked(limit, tokens=100))


def test_places_are_given_back() -> None:
    """Three at once for two workers is one for each; a share is never less than one."""
    limits = LocalLimits(ManualClock(), workers=2)
    call = asked(key(concurrent=3))
    limits.admit(call)
    with pytest.raises(ConcurrencyExceeded):
        limits.admit(call)
    limits.leave(call)
    limits.admit(call)
    alone = LocalLimits(ManualClock(), workers=8)
    alone.admit(asked(key(concurrent=1)))


def test_nothing_is_nothing_for_every_worker() -> None:
    """A limit of zero has no share of one."""
    limits = LocalLimits(ManualClock(), workers=8)
    with pytest.raises(RateLimited):
        limits.admit(asked(key(requests_per_minute=0)))


def test_a_refused_call_takes_nothing_of_any_limit() -> None:
    """The first limit has room, the second has none, and the first is as it was."""
    limits = LocalLimits(ManualClock(), workers=1)
    wide, narrow = key("wide", requests_per_minute=2), key("narrow", requests_per_minute=1)
    limits.admit(asked(narrow))
    for _ in range(3):
        with pytest.raises(RateLimited, match="narrow"):
            limits.admit(asked(wide, narrow))
    limits.admit(asked(wide))
    limits.admit(asked(wide))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits without a call in the last minute are forgotten when there are too many; others are not."""
    monkeypatch.setattr(local, "KEPT_MAX", 10)
    clock = ManualClock()
    limits = LocalLimits(clock, workers=1)
    busy = asked(key("busy", concurrent=1))
    limits.admit(busy)
    for number in range(30):
        call = asked(key(f"k{number}", requests_per_minute=1))
        limits.admit(call)
        limits.leave(call)
        clock.advance(10)
    assert len(limits._taken) <= 10
    with pytest.raises(ConcurrencyExceeded):
        limits.admit(busy)
