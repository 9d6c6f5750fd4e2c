"""The breaker: when it opens, how it probes, what closes it."""

import pytest
from llmgw.state.breaker import Breaker
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Time as the test says."""
    return ManualClock()


def opened(clock: ManualClock) -> Breaker:
    """A breaker that five failures have opened."""
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed()
    return breaker


def test_four_failures_leave_it_closed(clock: ManualClock) -> None:
    """Fewer than five failures in a row are no outage."""
    breaker = Breaker(clock)
    for _ in range(4):
        breaker.failed()
    assert breaker.admit() == "closed"


def test_five_failures_in_a_row_open_it(clock: ManualClock) -> None:
    """The fifth failure opens it for one second."""
    breaker = opened(clock)
    assert breaker.admit() == "open"
    assert breaker.retry_after_s == 1.0


def test_a_success_between_starts_the_count_again(clock: ManualClock) -> None:
    """Only failures in a row count."""
    breaker = Breaker(clock)
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    for _ in range(4):
        breaker.failed()
    assert breaker.admit() == "closed"


def test_three_seconds_of_failing_open_it(clock: ManualClock) -> None:
    """With little traffic, time without a success counts instead of failures."""
    breaker = Breaker(clock)
    breaker.failed()
    clock.advance(2.9)
    breaker.failed()
    assert breaker.admit() == "closed"
    clock.advance(0.1)
    breaker.failed()
    assert breaker.admit() == "open"


def test_one_caller_probes_and_the_others_fail_at_once(clock: ManualClock) -> None:
    """After a second exactly one caller may try."""
    breaker = opened(clock)
    clock.advance(1.0)
    assert [breaker.admit() for _ in range(3)] == ["half_open", "open", "open"]


def test_a_probe_that_succeeds_closes_it(clock: ManualClock) -> None:
    """After one answer everybody may call."""
    breaker = opened(clock)
    clock.advance(1.0)
    breaker.admit()
    breaker.succeeded()
    assert [breaker.admit() for _ in range(3)] == ["closed"] * 3
    assert breaker.retry_after_s == 0.0


def test_a_probe_that_fails_opens_it_for_another_second(clock: ManualClock) -> None:
    """The next probe is due a second after the failed one."""
    breaker = opened(clock)
    clock.advance(1.0)
    breaker.admit()
    breaker.failed()
    assert breaker.admit() == "open"
    clock.advance(1.0)
    assert breaker.admit() == "half_open"


def test_late_failures_do_not_put_the_probe_off(clock: ManualClock) -> None:
    """Calls sent before it opened may fail later without extending the pause."""
    breaker = opened(clock)
    clock.advance(0.9)
    breaker.failed()
    clock.advance(0.1)
    assert breaker.admit() == "half_open"
