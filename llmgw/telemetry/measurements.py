"""What is counted and measured of finished calls and operations, in one place."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias, TypeGuard

from opentelemetry.sdk.metrics.export import Metric

from llmgw.telemetry import definitions, semconv
from llmgw.telemetry.aggregates import OTHER, Counter, Definition, Gauge, Histogram
from llmgw.telemetry.call_attributes import first_chunk_s, operation_of
from llmgw.telemetry.context_attributes import overhead_ns, size_class
from llmgw.types.call import Call, ContextFacts
from llmgw.types.context_errors import (
    ContextErased,
    ContextExpired,
    ContextFenced,
    ContextLocked,
    ContextNotFound,
    ContextQuarantined,
    IdempotencyInFlight,
    IntegrityFailed,
    RevisionMismatch,
)
from llmgw.types.operation import ContextOperation
from llmgw.types.prompt import PromptFacts

Retrieval: TypeAlias = Literal["hit", "miss", "expired", "integrity_fail"]

_NOT_RETRIEVED: Final[Mapping[str, Retrieval]] = {
    ContextNotFound.code: "miss",
    ContextErased.code: "expired",
    ContextExpired.code: "expired",
    ContextQuarantined.code: "integrity_fail",
    IntegrityFailed.code: "integrity_fail",
}
_CONFLICTS: Final[Mapping[str, str]] = {
    ContextFenced.code: "fenced",
    ContextLocked.code: "locked",
    IdempotencyInFlight.code: "locked",
    RevisionMismatch.code: "mismatch",
}
_CALL: Final = "call"
_MAX_COUNT: Final = (1 << 63) - 1


class Measurements:
    """Adds up what finished calls and operations say of themselves.

    `start` is the unix nanosecond from which it counts. Calls come from one thread, readers may be in another.
    """

    def __init__(self, start: int) -> None:
        self._lock = threading.Lock()
        self._models: frozenset[str] = frozenset()
        self._all: list[Counter | Gauge | Histogram] = []

        def counter(definition: Definition) -> Counter:
            made = Counter(definition, start)
            self._all.append(made)
            return made

        def histogram(definition: Definition) -> Histogram:
            made = Histogram(definition, start)
            self._all.append(made)
            return made

        self._duration = histogram(definitions.OPERATION_DURATION)
        self._usage = histogram(definitions.TOKEN_USAGE)
        self._first_chunk = histogram(definitions.TIME_TO_FIRST_CHUNK)
        self._cost = counter(definitions.COST)
        self._overhead = histogram(definitions.OVERHEAD)
        self._context_overhead = histogram(definitions.CONTEXT_OVERHEAD)
        self._size = histogram(definitions.CONTEXT_SIZE)
        self._score = histogram(definitions.PRESERVATION_SCORE)
        self._losses = counter(definitions.LOSSES)
        self._violations = counter(definitions.VIOLATIONS)
        self._conflicts = counter(definitions.CONFLICTS)
        self._retrieval = counter(definitions.RETRIEVAL)
        self._integrity_failures = counter(definitions.INTEGRITY_FAILURES)
        self._erasures = counter(definitions.ERASURES)
        self._compactions = counter(definitions.COMPACTIONS)
        self._shortfall = histogram(definitions.UPSTREAM_SHORTFALL)
        self._operations = histogram(definitions.CONTEXT_OPERATION_DURATION)
        self._dropped = counter(definitions.TELEMETRY_DROPPED)
        self._prompt_calls = counter(definitions.PROMPT_CALLS)
        self._refusals = counter(definitions.ADMISSION_REFUSALS)

    def watch(self, definition: Definition, value: Callable[[], float]) -> None:
        """Report what a gauge shows; asked from the reporting thread."""
        self._all.append(Gauge(definition, value))

    def know(self, models: Iterable[str]) -> None:
        """Say which models go by their names; callers may ask for any, and those are `other`."""
        self._models = frozenset(models)

    def call(self, call: Call) -> None:
        """Take in a finished call, with those made for it."""
        with self._lock:
            for inner in call.inner:
                self._of_provider(inner)
            if call.attempts:
                self._of_provider(call)
                self._overhead.record((call.endpoint,), call.overhead_ns / 1e9)
            if call.admission is not None and call.admission.limit:
                self._refusals.add((call.error or "", call.admission.limit.partition(":")[0]))
            if call.prompt is not None:
                self._of_prompt(call, call.prompt)
            if call.context is not None:
                self._of_context(call, call.context)

    def operation(self, operation: ContextOperation) -> None:
        """Take in a finished operation."""
        error = operation.error or ""
        with self._lock:
            self._operations.record((operation.name, error), operation.total_ns / 1e9)
            if error in _CONFLICTS:
                self._conflicts.add((_CONFLICTS[error],))
            if "fail" in (operation.checks.get("c1"), operation.checks.get("c8")):
                self._integrity_failures.add((operation.name,))
            if operation.name == "erase" and not error:
                self._erasures.add((), operation.contexts)

    def dropped(self, kind: str, so_far: int) -> None:
        """Take in how many things of a kind telemetry has failed to deliver since the start."""
        with self._lock:
            more = so_far - self._dropped.total((kind,))
            if more > 0:
                self._dropped.add((kind,), more)

    def metrics(self, now: int) -> list[Metric]:
        """Everything as it stands at the unix nanosecond `now`; what never happened is left out."""
        found: list[Metric] = []
        for instrument in self._all:
            # One at a time, so that no call ever waits long.
            with self._lock:
                metric = instrument.metric(now)
            if metric is not None:
                found.append(metric)
        return found

    def _of_provider(self, call: Call) -> None:
        if not call.attempts:
            return
        first, last = call.attempts[0], call.attempts[-1]
        operation, provider = operation_of(call), semconv.provider_name(last.kind)
        model = last.model if last.model in self._models else OTHER
        ended = last.ended_ns or call.ended_ns or last.started_ns
        self._duration.record(
            (operation, provider, model, last.error or ""), max(0, ended - first.started_ns) / 1e9
        )
        if call.usage is not None:
            if _is_count(call.usage.input_tokens):
                self._usage.record((operation, provider, model, "input"), call.usage.input_tokens)
            if _is_count(call.usage.output_tokens):
                self._usage.record((operation, provider, model, "output"), call.usage.output_tokens)
        for attempt in call.attempts:
            if attempt.charge is not None:
                asked = attempt.model if attempt.model in self._models else OTHER
                of = (operation, semconv.provider_name(attempt.kind), asked, attempt.charge.source)
                self._cost.add(of, attempt.charge.nano)
        first_chunk = first_chunk_s(call)
        if first_chunk is not None:
            self._first_chunk.record((operation, provider, model), first_chunk)

    def _of_prompt(self, call: Call, facts: PromptFacts) -> None:
        outcome = "ok" if call.error is None else "failed" if call.failed else "refused"
        if facts.output == "invalid":
            outcome = "invalid_output"
        self._prompt_calls.add((facts.name, str(facts.version), facts.arm or "", outcome))

    def _of_context(self, call: Call, facts: ContextFacts) -> None:
        result = _retrieval(call, facts)
        if result is not None:
            self._retrieval.add((result,))
        if facts.conflict != "none":
            self._conflicts.add((facts.conflict,))
        if facts.checks.get("c1") == "fail" or call.error == IntegrityFailed.code:
            self._integrity_failures.add((_CALL,))
        if facts.summary:
            self._compactions.add((facts.summary,))
        for violation in facts.violations:
            self._violations.add((violation.rule, violation.level or ""))
        if not facts.etag or facts.replayed:
            return
        begin, commit = overhead_ns(facts)
        size = size_class(facts.turns)
        self._context_overhead.record(("begin", size, facts.cache), begin / 1e9)
        if facts.commit_ended_ns:
            self._context_overhead.record(("commit", size, facts.cache), commit / 1e9)
        if facts.final:
            self._of_report(call, facts)

    def _of_report(self, call: Call, facts: ContextFacts) -> None:
        """Measure what an answer that came to its end says of its context."""
        to = call.attempts[-1].kind if call.attempts else ""
        self._size.record(("turns",), facts.turns)
        self._size.record(("bytes",), facts.bytes)
        self._size.record(("tokens",), facts.tokens)
        self._score.record((facts.verdict,), facts.score)
        for loss in facts.losses:
            self._losses.add((loss.code, loss.severity, facts.kind_before, to))
        reported = call.usage.input_tokens if call.usage is not None else None
        if _is_count(reported) and facts.tokens and facts.checks.get("c6") != "skip":
            self._shortfall.record((to,), max(0.0, 1.0 - reported / facts.tokens))


def _is_count(tokens: int | None) -> TypeGuard[int]:
    """Whether a provider's number can be added up."""
    return tokens is not None and 0 <= tokens <= _MAX_COUNT


def _retrieval(call: Call, facts: ContextFacts) -> Retrieval | None:
    """How a call fared that wanted what was said before; None where nothing was, or where it never came to that."""
    refused = _NOT_RETRIEVED.get(call.error or "")
    if refused is not None and not facts.final:
        return refused
    return "hit" if facts.replayed or facts.turns_before else None
