"""What is counted and measured of finished calls and operations, in one place."""

import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from opentelemetry.sdk.metrics.export import Metric

from llmgw.telemetry import definitions, service_definitions
from llmgw.telemetry.aggregates import Counter, Definition, Histogram, Shown, Watched
from llmgw.telemetry.call_measurements import CallMeasurements, is_count
from llmgw.telemetry.context_attributes import overhead_ns, size_class
from llmgw.telemetry.gathering import Gathering
from llmgw.telemetry.points import Known, Labels, Point, Seen
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
from llmgw.types.feedback import FeedbackEvent
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
_RARE: Final[Mapping[str, frozenset[Labels]]] = {
    definitions.INTEGRITY_FAILURES.name: frozenset({(_CALL,), ("read",), ("read_back",), ("verify",)}),
    definitions.ERASURES.name: frozenset({()}),
}
"""Series that begin at 0 where they are scraped: one that begins at 1 would hide the first thing that it counts."""

_Reported: TypeAlias = tuple[int, int | None, int, int, int, float, float | None]
"""Of one call with a context: nanoseconds to begin and to store; turns, bytes, tokens; score and shortfall."""


class Measurements:
    """Adds up what finished calls and operations say of themselves.

    `start` is the unix nanosecond from which it counts. Calls come from one thread, readers may be in another.
    """

    def __init__(self, start: int) -> None:
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._start = start
        self._all: list[Counter | Histogram] = []
        self._watched: list[Watched] = []

        def counter(definition: Definition) -> Counter:
            made = Counter(definition, start)
            self._all.append(made)
            return made

        def histogram(definition: Definition) -> Histogram:
            made = Histogram(definition, start)
            self._all.append(made)
            return made

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
        self._prompt_calls = counter(definitions.PROMPT_CALLS)
        self._refusals = counter(definitions.ADMISSION_REFUSALS)
        self._feedback = counter(definitions.FEEDBACK)
        self._calls = CallMeasurements(counter, histogram)
        self._reported = Gathering(self._fold)
        self._lag = histogram(service_definitions.LOOP_LAG)

    def watch(self, definition: Definition, read: Callable[[], Shown]) -> None:
        """Report what others keep, of one series or of several by their labels; asked from the reporting thread."""
        self._watched.append(Watched(definition, read, self._start))

    def know(self, known: Known) -> None:
        """Say what goes by its name; callers may ask for any model, and those are `other`."""
        with self._lock:
            self._calls.know(known)

    def lag(self, seconds: float) -> None:
        """Take in how late the event loop came to a timer."""
        with self._lock:
            self._lag.record((), seconds)

    def call(self, call: Call, seen: Seen | None = None) -> None:
        """Take in a finished call, with those made for it; `seen` is where to look at it, if its trace is kept."""
        with self._lock:
            self._seen = seen
            self._calls.add(call, seen)
            if call.admission is not None and call.admission.limit:
                scope = call.admission.limit.partition(":")[0]
                self._refusals.add((call.error or "", scope), seen=seen)
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

    def feedback(self, event: FeedbackEvent) -> None:
        """Take in a judgement; of numbers and texts, whose scales are their senders' own, only that."""
        rating = event.label if event.kind == "bool" else event.kind
        with self._lock:
            self._feedback.add((rating, event.source))

    def metrics(self, now: int) -> list[Metric]:
        """Everything as it stands at the unix nanosecond `now`; what never happened is left out."""
        found = [instrument.metric(now) for instrument in self._watched]
        with self._lock:
            self._fold_all()
        for instrument in self._all:
            # One at a time, so that no call ever waits long.
            with self._lock:
                found.append(instrument.metric(now))
        return [metric for metric in found if metric is not None]

    def points(self) -> dict[str, list[Point]]:
        """Everything as it stands, by the names of the definitions; what never happened is left out."""
        found = {instrument.definition.name: instrument.points() for instrument in self._watched}
        with self._lock:
            self._fold_all()
        for instrument in self._all:
            with self._lock:
                found[instrument.definition.name] = instrument.points()
        for name, rare in _RARE.items():
            missing = rare - {point.labels for point in found[name]}
            found[name] += [Point(labels, 0) for labels in sorted(missing)]
        return {name: points for name, points in found.items() if points}

    def _of_prompt(self, call: Call, facts: PromptFacts) -> None:
        outcome = "ok" if call.error is None else "failed" if call.failed else "refused"
        if facts.output == "invalid":
            outcome = "invalid_output"
        self._prompt_calls.add((facts.name, str(facts.version), facts.arm or "", outcome), seen=self._seen)

    def _of_context(self, call: Call, facts: ContextFacts) -> None:
        result, seen = _retrieval(call, facts), self._seen
        if result is not None:
            self._retrieval.add((result,), seen=seen)
        if facts.conflict != "none":
            self._conflicts.add((facts.conflict,), seen=seen)
        if facts.checks.get("c1") == "fail" or call.error == IntegrityFailed.code:
            self._integrity_failures.add((_CALL,), seen=seen)
        if facts.summary:
            self._compactions.add((facts.summary,), seen=seen)
        for violation in facts.violations:
            self._violations.add((violation.rule, violation.level or ""), seen=seen)
        if not facts.etag or facts.replayed:
            return
        if facts.final and seen is None:
            self._gather(call, facts)
            return
        begin, commit = overhead_ns(facts)
        size = size_class(facts.turns)
        self._context_overhead.record(("begin", size, facts.cache), begin / 1e9, seen)
        if facts.commit_ended_ns:
            self._context_overhead.record(("commit", size, facts.cache), commit / 1e9, seen)
        if facts.final:
            self._of_report(call, facts)

    def _of_report(self, call: Call, facts: ContextFacts) -> None:
        """Measure what an answer that came to its end says of its context."""
        to, seen = call.attempts[-1].kind if call.attempts else "", self._seen
        self._size.record(("turns",), facts.turns, seen)
        self._size.record(("bytes",), facts.bytes, seen)
        self._size.record(("tokens",), facts.tokens, seen)
        self._score.record((facts.verdict,), facts.score, seen)
        for loss in facts.losses:
            self._losses.add((loss.code, loss.severity, facts.kind_before, to), seen=seen)
        shortfall = _shortfall(call, facts)
        if shortfall is not None:
            self._shortfall.record((to,), shortfall, seen)

    def _gather(self, call: Call, facts: ContextFacts) -> None:
        """Take in such an answer where no number could point to a trace, to be added up with others like it."""
        to = call.attempts[-1].kind if call.attempts else ""
        for loss in facts.losses:
            self._losses.add((loss.code, loss.severity, facts.kind_before, to))
        begin, commit = overhead_ns(facts)
        self._reported.add(
            (size_class(facts.turns), facts.cache, facts.verdict, to),
            (
                begin,
                commit if facts.commit_ended_ns else None,
                facts.turns,
                facts.bytes,
                facts.tokens,
                facts.score,
                _shortfall(call, facts),
            ),
        )

    def _fold_all(self) -> None:
        self._calls.fold()
        self._reported.fold()

    def _fold(self, common: tuple[str, str, str, str], rows: list[_Reported]) -> None:
        size, cache, verdict, to = common
        begins, commits, turns, stored, tokens, scores, shortfalls = zip(*rows, strict=True)
        self._context_overhead.record_all(("begin", size, cache), [ns / 1e9 for ns in begins])
        self._context_overhead.record_all(
            ("commit", size, cache), [ns / 1e9 for ns in commits if ns is not None]
        )
        self._size.record_all(("turns",), turns)
        self._size.record_all(("bytes",), stored)
        self._size.record_all(("tokens",), tokens)
        self._score.record_all((verdict,), scores)
        self._shortfall.record_all((to,), [each for each in shortfalls if each is not None])


def _shortfall(call: Call, facts: ContextFacts) -> float | None:
    """The share of the tokens sent that the provider does not count; None where that is not known."""
    reported = call.usage.input_tokens if call.usage is not None else None
    if is_count(reported) and facts.tokens and facts.checks.get("c6") != "skip":
        return max(0.0, 1.0 - reported / facts.tokens)
    return None


def _retrieval(call: Call, facts: ContextFacts) -> Retrieval | None:
    """How a call fared that wanted what was said before; None where nothing was, or where it never came to that."""
    refused = _NOT_RETRIEVED.get(call.error or "")
    if refused is not None and not facts.final:
        return refused
    return "hit" if facts.replayed or facts.turns_before else None
