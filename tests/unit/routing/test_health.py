"""How targets rest, come back, and share their places."""

import asyncio

import pytest
from llmgw.routing.budget import RetryBudget
from llmgw.routing.health import FAILURES, MAX_TARGETS, Health
from llmgw.types.errors import (
    ClientGone,
    DeadlineExceeded,
    GatewayError,
    Overloaded,
    ProviderError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderTooLarge,
)
from tests.unit.routing.targets import Time, target

T = target(max_concurrency=4)


def ask(health: Health, outcome: BaseException | None = None) -> bool:
    """Make one attempt with this outcome; False where it is not admitted."""
    lease = health.try_acquire(T)
    if lease is None:
        return False
    lease.settle(outcome)
    return True


def opened() -> tuple[Health, Time]:
    """A health whose target has just come to rest."""
    time = Time()
    health = Health(time)
    for _ in range(5):
        assert ask(health, ProviderFailed("no"))
    return health, time


@pytest.mark.parametrize("kind", FAILURES)
def test_five_failures_in_a_row_open(kind: type[GatewayError]) -> None:
    """Each kind of failure counts; the fifth in a row brings five seconds of rest."""
    health = Health(Time())
    for count in range(5):
        assert health.rest_s(T) == 0, count
        assert ask(health, kind("no"))
    assert health.rest_s(T) == 5.0
    assert not ask(health)


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        ProviderRefused("your fault"),
        ProviderRateLimited("slower"),
        ProviderTooLarge("too much"),
        ClientGone("bye"),
        DeadlineExceeded("late"),
        Overloaded("ours"),
        asyncio.CancelledError(),
        ValueError(),
    ],
)
def test_what_does_not_speak_against_a_target(outcome: BaseException | None) -> None:
    """Callers' faults, callers' leaving, 429 and our own troubles open nothing."""
    health = Health(Time())
    for _ in range(50):
        assert ask(health, outcome)
    assert health.rest_s(T) == 0


def test_every_provider_error_is_judged() -> None:
    """Each error of the provider's branch is either a failure or named here as none."""
    neutral = {ProviderRefused, ProviderRateLimited, ProviderTooLarge}
    assert set(ProviderError.__subclasses__()) == neutral | set(FAILURES)


def test_a_success_ends_the_row() -> None:
    """Four failures, a success and four failures open nothing while most outcomes are good."""
    health = Health(Time())
    for _ in range(10):
        ask(health)
    for _ in range(2):
        for _ in range(4):
            ask(health, ProviderFailed("no"))
        ask(health)
    assert health.rest_s(T) == 0


def test_half_of_ten_failing_opens() -> None:
    """Five of ten outcomes within ten seconds open, though never two failed in a row."""
    health = Health(Time())
    for _ in range(5):
        assert health.rest_s(T) == 0
        ask(health)
        ask(health, ProviderFailed("no"))
    assert health.rest_s(T) == 5.0


def test_old_outcomes_are_forgotten() -> None:
    """What is more than ten seconds ago no longer weighs."""
    time = Time()
    health = Health(time)
    for _ in range(20):
        ask(health)
        ask(health, ProviderFailed("no"))
        time.now += 2.5
    assert health.rest_s(T) == 0


def test_one_probe_asks_after_a_resting_target() -> None:
    """After five seconds one attempt is admitted, no second beside it, and its success opens the door."""
    health, time = opened()
    time.now += 4.9
    assert not ask(health)
    time.now += 0.1
    assert health.rest_s(T) == 0
    probe = health.try_acquire(T)
    assert probe is not None
    time.now += 60
    assert health.rest_s(T) > 0
    assert health.try_acquire(T) is None
    assert health.snapshot()[0].state == "half_open"
    probe.settle()
    assert health.rest_s(T) == 0
    assert health.snapshot()[0].state == "closed"
    assert all(ask(health) for _ in range(20))


def test_a_failed_probe_means_five_more_seconds() -> None:
    """Probes come one in five seconds."""
    health, time = opened()
    for _ in range(3):
        time.now += 5
        assert ask(health, ProviderFailed("no"))
        assert health.rest_s(T) == 5.0
        assert not ask(health)


def test_a_probe_without_a_verdict() -> None:
    """A probe whose caller left says nothing: the target rests on until the next is due."""
    health, time = opened()
    time.now += 5
    assert ask(health, ClientGone("bye"))
    assert health.snapshot()[0].state == "open"
    assert health.rest_s(T) == 5.0
    time.now += 5
    assert ask(health)
    assert health.rest_s(T) == 0


def test_a_probe_that_is_answered_closes_before_its_end() -> None:
    """A stream that has begun lets the others in; its later failure is an ordinary one."""
    health, time = opened()
    time.now += 5
    probe = health.try_acquire(T)
    assert probe is not None
    probe.answered()
    assert health.snapshot()[0].state == "closed"
    probe.settle(ProviderFailed("cut"))
    assert health.snapshot()[0].consecutive_failures == 1
    assert ask(health)


def test_a_rate_limited_probe_shows_life() -> None:
    """429 ends the rest of the breaker and begins that of the Retry-After."""
    health, time = opened()
    time.now += 5
    assert ask(health, ProviderRateLimited("slower", retry_after_s=2))
    assert health.snapshot()[0].state == "closed"
    assert health.rest_s(T) == 2.0


def test_outcomes_from_before_the_rest_change_nothing() -> None:
    """Attempts begun before a breaker opened neither close it nor prolong its rest."""
    time = Time()
    health = Health(time)
    old = [health.try_acquire(T), health.try_acquire(T)]
    for _ in range(5):
        ask(health, ProviderFailed("no"))
    time.now += 3
    for lease, outcome in zip(old, (None, ProviderFailed("no")), strict=True):
        assert lease is not None
        lease.settle(outcome)
    assert health.rest_s(T) == 2.0


@pytest.mark.parametrize(
    ("told", "rests"),
    [(2.0, 2.0), (999_999.0, 60.0), (None, 0.0), (-3.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0)],
)
def test_retry_after_rests_a_target(told: float | None, rests: float) -> None:
    """Retry-After of a 429 is honoured up to a minute; nonsense is not."""
    time = Time()
    health = Health(time)
    ask(health, ProviderRateLimited("slower", retry_after_s=told))
    assert health.rest_s(T) == rests
    assert ask(health) == (rests == 0)
    time.now += rests
    assert ask(health)


def test_places_are_as_many_as_configured() -> None:
    """The limit of attempts at a time holds, and each place returns once however often it is settled."""
    health = Health(Time())
    leases = [health.try_acquire(T) for _ in range(5)]
    assert [lease is not None for lease in leases] == [True, True, True, True, False]
    assert leases[0] is not None
    leases[0].settle()
    leases[0].settle(ProviderFailed("no"))
    assert health.snapshot()[0].in_flight == 3
    assert health.snapshot()[0].consecutive_failures == 0


def test_a_lease_as_a_block() -> None:
    """Leaving the block settles: with its exception, or as a success."""
    health = Health(Time())
    lease = health.try_acquire(T)
    assert lease is not None
    with pytest.raises(ProviderFailed), lease:
        raise ProviderFailed("no")
    assert health.snapshot()[0].in_flight == 0
    assert health.snapshot()[0].last_error == "provider_error"


def test_fewer_places_for_a_target_that_is_overrun() -> None:
    """429, overload and timeouts take a tenth, at most once a second and never the last; successes give it back."""
    time = Time()
    health = Health(time)
    wide = target(max_concurrency=100)

    def limit_after(outcome: BaseException | None, times: int = 1) -> int:
        for _ in range(times):
            lease = health.try_acquire(wide)
            assert lease is not None
            lease.settle(outcome)
        return health.snapshot()[0].limit

    assert limit_after(ProviderRateLimited("slower"), times=20) == 90
    time.now += 1
    assert limit_after(ProviderTimeout("late")) == 81
    time.now += 1
    assert limit_after(ProviderOverloaded("full")) == 72
    assert limit_after(None, times=71) == 72
    assert limit_after(None) == 73
    assert limit_after(None, times=73) == 74
    for _ in range(100):
        time.now += 1
        assert limit_after(ProviderRateLimited("slower")) >= 1
    assert limit_after(None) == 2
    assert limit_after(None, times=100 * 100) == 100


def test_a_changed_limit_is_taken_over() -> None:
    """A reload that changes max_concurrency moves the limit; what has been learnt is kept."""
    time = Time()
    health = Health(time)

    def limit(ceiling: int, outcome: BaseException | None = None) -> int:
        lease = health.try_acquire(target(max_concurrency=ceiling))
        assert lease is not None
        lease.settle(outcome)
        return health.snapshot()[0].limit

    assert limit(10) == 10
    assert limit(20) == 20
    assert limit(20, ProviderRateLimited("slower")) == 18
    assert limit(30) == 18
    assert limit(5) == 5


def test_targets_callers_invent_do_not_pile_up() -> None:
    """Beyond the bound, targets of which nothing is remarkable are forgotten; the others are not."""
    health, _ = opened()
    for number in range(MAX_TARGETS + 100):
        lease = health.try_acquire(target(f"acme/m{number}"))
        assert lease is not None
        lease.settle()
    assert len(health.snapshot()) == MAX_TARGETS
    assert health.rest_s(T) == 5.0


def test_the_snapshot_tells_all() -> None:
    """Configured targets come first in their order, called or not, then the others; errors by code and age."""
    time = Time()
    health = Health(time)
    ask(health, ProviderRateLimited("slower", retry_after_s=9))
    time.now += 4
    other = target("zeta/m", max_concurrency=7)
    first, second = health.snapshot([other])
    assert (first.target, first.state, first.limit, first.last_error) == ("zeta/m", "closed", 7, None)
    assert (second.target, second.rest_s, second.last_error, second.last_error_ago_s) == (
        T.name,
        5.0,
        "rate_limited",
        4.0,
    )


def test_retries_are_a_fifth_of_the_calls_and_three_where_there_are_few() -> None:
    """The budget follows the active calls."""
    budget = RetryBudget()
    assert [budget.try_retry() for _ in range(4)] == [True, True, True, False]
    for _ in range(24):
        budget.begin_call()
    assert [budget.try_retry() for _ in range(2)] == [True, False]
    budget.end_retry()
    assert budget.try_retry()
    for _ in range(24):
        budget.end_call()
    assert not budget.try_retry()
    for _ in range(4):
        budget.end_retry()
    assert (budget.calls, budget.retries) == (0, 0)
