"""What is counted and measured of how calls are answered: the request, its tries, its tokens, money and stream.

Most calls are alike: one try answers them, and no trace is kept that a number could point to. Their numbers wait,
and are added up many at a time.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeGuard

from llmgw.telemetry import definitions, semconv, service_definitions
from llmgw.telemetry.aggregates import OTHER, Counter, Definition, Histogram
from llmgw.telemetry.call_attributes import first_chunk_s, operation_at, operation_of
from llmgw.telemetry.gathering import Gathering
from llmgw.telemetry.points import Known, Labels, Seen
from llmgw.types.call import Attempt, Call
from llmgw.types.errors import MethodNotAllowed

_OTHER_METHOD: Final = "_OTHER"
"""The conventions' word for methods that are not told apart."""
_MAX_COUNT: Final = (1 << 63) - 1

_Common: TypeAlias = tuple[str, int, str | None, str, str, str, str | None, str]
"""What usual calls have in common: endpoint, status, error; kind, model and provider of their target, the error of
the try, and whose prices they are charged by."""
_Told: TypeAlias = tuple[int, int, int, int | None, int | None, int]
"""Of one call: nanoseconds in all, at the provider and of the house; tokens in and out, if known; nano-USD."""
_Asked: TypeAlias = tuple[str, str, str]
"""Operation, provider and model, as labels have them."""
_Streamed: TypeAlias = tuple[int, int, float | None]
"""Of one stream: nanoseconds to its first content, since the call came and since the provider was asked; seconds
for each token after the first, if known."""


class CallMeasurements:
    """Adds up calls; whoever does so from several threads holds a lock.

    `counter` and `histogram` make what they are added to.
    """

    def __init__(
        self, counter: Callable[[Definition], Counter], histogram: Callable[[Definition], Histogram]
    ) -> None:
        self._known = Known()
        self._duration = histogram(definitions.OPERATION_DURATION)
        self._usage = histogram(definitions.TOKEN_USAGE)
        self._first_chunk = histogram(definitions.TIME_TO_FIRST_CHUNK)
        self._cost = counter(definitions.COST)
        self._overhead = histogram(definitions.OVERHEAD)
        self._requests = counter(service_definitions.REQUESTS)
        self._request_duration = histogram(service_definitions.REQUEST_DURATION)
        self._first_token = histogram(service_definitions.TIME_TO_FIRST_TOKEN)
        self._per_token = histogram(service_definitions.TIME_PER_OUTPUT_TOKEN)
        self._attempts = counter(service_definitions.ATTEMPTS)
        self._fallbacks = counter(service_definitions.FALLBACKS)
        self._tenant_cost = counter(service_definitions.TENANT_COST)
        self._usual = Gathering(self._fold)
        self._streamed = Gathering(self._fold_streams)

    def know(self, known: Known) -> None:
        """Say what goes by its name; all else is `other`."""
        self.fold()
        self._known = known

    def add(self, call: Call, seen: Seen | None) -> None:
        """Take in a finished call, with those made for it, that is `seen` where its trace is kept."""
        if seen is None and not call.inner and len(call.attempts) == 1:
            self._gather(call, call.attempts[0])
            return
        self._of_request(call, seen)
        for inner in call.inner:
            self._of_provider(inner, seen)
        if call.attempts:
            self._of_provider(call, seen)
            self._overhead.record((call.endpoint,), call.overhead_ns / 1e9, seen)
            if call.stream:
                self._of_stream(call, seen)

    def fold(self) -> None:
        """Add up what waits: whoever reads the sums does this first."""
        self._usual.fold()
        self._streamed.fold()

    def _gather(self, call: Call, attempt: Attempt) -> None:
        """Take in a call that one try answered, as nearly all are, to be added up with others like it."""
        charge, usage, nano, source = attempt.charge, call.usage, 0, ""
        model = attempt.model if attempt.model in self._known.models else OTHER
        if charge is not None:
            nano, source = charge.nano, charge.source
            self._tenant_cost.add((call.caller.tenant if call.caller else "",), nano)
        total, started = call.total_ns, attempt.started_ns
        self._usual.add(
            (
                call.endpoint,
                call.status,
                call.error,
                attempt.kind,
                model,
                attempt.provider,
                attempt.error,
                source,
            ),
            (
                total,
                (attempt.ended_ns or call.ended_ns or started) - started,
                total - call.waited_ns,
                None if usage is None else usage.input_tokens,
                None if usage is None else usage.output_tokens,
                nano,
            ),
        )
        if call.stream and (first := call.first_content_ns) is not None:
            asked = operation_at(call.endpoint), semconv.provider_name(attempt.kind), model
            self._streamed.add(asked, (first - call.started_ns, first - started, _per_token_s(call, first)))

    def _fold(self, common: _Common, rows: list[_Told]) -> None:
        endpoint, status, error, kind, model, provider, failure, source = common
        totals, asked, own, taken, answered, nanos = zip(*rows, strict=True)
        answers = _answers(endpoint, status, error)
        of = operation_at(endpoint), semconv.provider_name(kind), model
        self._requests.add(answers[1:], len(rows))
        self._request_duration.record_all(answers, _seconds(totals))
        self._duration.record_all((*of, failure or ""), _seconds(asked))
        self._overhead.record_all((endpoint,), _seconds(own))
        self._usage.record_all((*of, "input"), _counts(taken))
        self._usage.record_all((*of, "output"), _counts(answered))
        named = provider if provider in self._known.providers else OTHER
        self._attempts.add((named, model, failure or "ok"), len(rows))
        if source:
            self._cost.add((*of, source), sum(nanos))

    def _fold_streams(self, asked: _Asked, rows: list[_Streamed]) -> None:
        first_tokens, first_chunks, per_token = zip(*rows, strict=True)
        self._first_token.record_all(asked, _seconds(first_tokens))
        self._first_chunk.record_all(asked, [ns / 1e9 for ns in first_chunks])
        self._per_token.record_all(asked, [each for each in per_token if each is not None])

    def _of_request(self, call: Call, seen: Seen | None) -> None:
        answers = _answers(call.endpoint, call.status, call.error)
        self._requests.add(answers[1:], seen=seen)
        self._request_duration.record(answers, call.total_ns / 1e9, seen)

    def _of_stream(self, call: Call, seen: Seen | None) -> None:
        """Measure what its caller saw of a stream: how soon it began, and how fast it went on."""
        first, last = call.first_content_ns, call.attempts[-1]
        if first is None:
            return
        model = last.model if last.model in self._known.models else OTHER
        of = operation_of(call), semconv.provider_name(last.kind), model
        self._first_token.record(of, max(0, first - call.started_ns) / 1e9, seen)
        per_token = _per_token_s(call, first)
        if per_token is not None:
            self._per_token.record(of, per_token, seen)

    def _of_provider(self, call: Call, seen: Seen | None) -> None:
        if not call.attempts:
            return
        first, last = call.attempts[0], call.attempts[-1]
        operation, provider = operation_of(call), semconv.provider_name(last.kind)
        model = last.model if last.model in self._known.models else OTHER
        ended = last.ended_ns or call.ended_ns or last.started_ns
        self._duration.record(
            (operation, provider, model, last.error or ""), max(0, ended - first.started_ns) / 1e9, seen
        )
        if call.usage is not None:
            if is_count(call.usage.input_tokens):
                self._usage.record((operation, provider, model, "input"), call.usage.input_tokens, seen)
            if is_count(call.usage.output_tokens):
                self._usage.record((operation, provider, model, "output"), call.usage.output_tokens, seen)
        self._of_attempts(call, operation, seen)
        first_chunk = first_chunk_s(call)
        if first_chunk is not None:
            self._first_chunk.record((operation, provider, model), first_chunk, seen)

    def _of_attempts(self, call: Call, operation: str, seen: Seen | None) -> None:
        before = call.attempts[0].target
        for attempt in call.attempts:
            model = attempt.model if attempt.model in self._known.models else OTHER
            provider = attempt.provider if attempt.provider in self._known.providers else OTHER
            self._attempts.add((provider, model, attempt.error or "ok"), seen=seen)
            if attempt.target != before:
                self._fallbacks.add((self._target(before), self._target(attempt.target)), seen=seen)
                before = attempt.target
            charge = attempt.charge
            if charge is not None:
                of = (operation, semconv.provider_name(attempt.kind), model, charge.source)
                self._cost.add(of, charge.nano, seen)
                self._tenant_cost.add((call.caller.tenant if call.caller else "",), charge.nano, seen)

    def _target(self, name: str) -> str:
        return name if name in self._known.targets else OTHER


def _answers(endpoint: str, status: int, error: str | None) -> Labels:
    """How calls were answered: method, route, status and error."""
    method = _OTHER_METHOD if error == MethodNotAllowed.code else "POST"
    return method, endpoint, str(status) if status else "", error or ""


def _seconds(spans_ns: Sequence[int]) -> list[float]:
    """Nanoseconds as seconds; none is less than nothing."""
    if min(spans_ns) < 0:
        spans_ns = [max(0, ns) for ns in spans_ns]
    return [ns / 1e9 for ns in spans_ns]


def _counts(tokens: Sequence[int | None]) -> list[int]:
    """Those of a provider's numbers that can be added up."""
    known = [each for each in tokens if each is not None]
    if known and (min(known) < 0 or max(known) > _MAX_COUNT):
        return [each for each in known if 0 <= each <= _MAX_COUNT]
    return known


def _per_token_s(call: Call, first: int) -> float | None:
    """Seconds for each token of a whole stream after its first content, at `first`; None where not known."""
    tokens, ended = call.usage.output_tokens if call.usage is not None else None, call.attempts[-1].ended_ns
    if is_count(tokens) and tokens > 1 and call.error is None and ended is not None:
        return max(0, ended - first) / 1e9 / (tokens - 1)
    return None


def is_count(tokens: int | None) -> TypeGuard[int]:
    """Whether a provider's number can be added up."""
    return tokens is not None and 0 <= tokens <= _MAX_COUNT
