"""Breaker and places under attempts that come, end and fail in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from llmgw.routing.health import Health, Lease
from llmgw.types.errors import ClientGone, GatewayError, ProviderFailed, ProviderRateLimited, ProviderTimeout
from tests.unit.routing.targets import Time, target

T = target(max_concurrency=4)
OUTCOMES = [
    None,
    ProviderFailed("no"),
    ProviderRateLimited("slower", retry_after_s=1),
    ProviderTimeout("late"),
    ClientGone("bye"),
]


class HealthMachine(RuleBasedStateMachine):
    """Attempts come, end and fail in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.health = Health(self.time)
        self.leases: list[Lease] = []
        self.probes = 0

    @rule()
    def begin(self) -> None:
        """Ask for a place: it is given exactly if the target may be tried and one is free."""
        before = self.health.snapshot([T])[0]
        rest_s = self.health.rest_s(T)
        lease = self.health.try_acquire(T)
        assert (lease is not None) == (rest_s == 0 and before.in_flight < before.limit)
        if lease is not None:
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(
        which=st.integers(0, 100),
        outcome=st.sampled_from(OUTCOMES),
        twice=st.booleans(),
    )
    def end(self, which: int, outcome: GatewayError | None, twice: bool) -> None:
        """End an attempt."""
        lease = self.leases.pop(which % len(self.leases))
        lease.settle(outcome)
        if twice:
            lease.settle(None)

    @precondition(lambda self: self.leases)
    @rule(which=st.integers(0, 100))
    def answer(self, which: int) -> None:
        """An attempt is answered and goes on."""
        self.leases[which % len(self.leases)].answered()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.time.now += seconds

    @invariant()
    def places_are_counted(self) -> None:
        """Every place taken is held by somebody, the limit is within its bounds, and at most one probe is out."""
        seen = self.health.snapshot([T])[0]
        assert seen.in_flight == len(self.leases)
        assert 1 <= seen.limit <= seen.max_concurrency
        assert seen.in_flight <= seen.max_concurrency
        probes = sum(lease._probe for lease in self.leases)
        assert probes <= 1
        assert (seen.state == "half_open") == (probes == 1)

    def teardown(self) -> None:
        """At the end everything is given back."""
        for lease in self.leases:
            lease.settle()
        assert self.health.snapshot([T])[0].in_flight == 0


TestHealthMachine = HealthMachine.TestCase
TestHealthMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
