"""Who called which version, and how its calls went: counted in memory, added up in the store every few seconds.

Nothing is counted twice: a batch has a number, and the store adds each number once. A worker that is killed loses
what it counted since the last batch.
"""

from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from llmgw.types.call import Caller
from llmgw.types.clock import Clock
from llmgw.types.prompt import Arm, PromptFacts

PENDING_MAX: Final = 20_000
"""Sums that wait for the store; what would be one more is not counted."""


class Outcome(NamedTuple):
    """How one call with a prompt went."""

    failed: bool
    input_tokens: int = 0
    output_tokens: int = 0
    duration_ms: int = 0


class Sums(Struct):
    """Calls added up; `last_ms` is when the last one ended, in unix milliseconds."""

    calls: int = 0
    failed: int = 0
    invalid_outputs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    duration_ms: int = 0
    last_ms: int = 0

    def add(self, other: "Sums") -> None:
        """Add what other calls came to."""
        self.calls += other.calls
        self.failed += other.failed
        self.invalid_outputs += other.invalid_outputs
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.duration_ms += other.duration_ms
        self.last_ms = max(self.last_ms, other.last_ms)


class CallerOf(NamedTuple):
    """Whose calls of which version are added up."""

    tenant: str
    name: str
    version: int
    key_id: str
    key_name: str


class ArmOf(NamedTuple):
    """The side of a rollout whose calls are added up."""

    tenant: str
    rollout: str
    arm: Arm


Counted: TypeAlias = CallerOf | ArmOf


class Usage:
    """What this worker has counted and the store has not heard of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[Counted, Sums] = {}
        self.dropped = 0
        """Calls that were not counted, as too many different ones waited for the store."""

    def count(self, facts: PromptFacts, caller: Caller, outcome: Outcome, rollout: str | None) -> None:
        """Count one call; `rollout` is the one that chose its arm."""
        sums = Sums(
            calls=1,
            failed=int(outcome.failed),
            invalid_outputs=int(facts.output == "invalid"),
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
            duration_ms=outcome.duration_ms,
            last_ms=self._clock.unix_ns() // 1_000_000,
        )
        self._add(CallerOf(caller.tenant, facts.name, facts.version, caller.key_id, caller.name), sums)
        if rollout is not None and facts.arm is not None:
            self._add(ArmOf(caller.tenant, rollout, facts.arm), sums)

    def take(self, most: int) -> dict[Counted, Sums]:
        """Take what waits, as much of it as is asked for."""
        taken = dict(islice(self._pending.items(), most))
        for each in taken:
            del self._pending[each]
        return taken

    def _add(self, what: Counted, sums: Sums) -> None:
        there = self._pending.get(what)
        if there is None:
            if len(self._pending) >= PENDING_MAX:
                self.dropped += 1
                return
            there = self._pending[what] = Sums()
        there.add(sums)
