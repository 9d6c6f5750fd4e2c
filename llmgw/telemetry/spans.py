"""One trace per kept call, built when the call is over.

    POST {route}                    SERVER    the request, from first byte to last
    └── chat {model}                CLIENT    the logical call, over all attempts
        ├── attempt {provider}      CLIENT    one per attempt, in order
        └── …

While a call runs it costs three random numbers. At its end it is kept when its trace was sampled, here or by
its caller; when it failed; when a provider failed it on the way; or when it was slow. Everything else is
forgotten. Spans carry no words of a conversation, and no error message of a provider, which may quote them.
"""

from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

from llmgw.telemetry import semconv
from llmgw.telemetry.export import SpanExport
from llmgw.telemetry.text import cut
from llmgw.telemetry.trace_context import new_span_id, new_trace_id, parse_traceparent, parse_tracestate
from llmgw.types.call import Attempt, Call
from llmgw.types.clock import Clock
from llmgw.types.errors import ClientGone, ProviderRefused
from llmgw.types.event import Usage

MAX_ATTRIBUTE_BYTES = 8192
MAX_NAME_BYTES = 256
SHUTDOWN_S = 5.0

_CALLERS_FAULT = frozenset({ClientGone.code, ProviderRefused.code})
_ERROR = Status(StatusCode.ERROR)
_UNSET = Status(StatusCode.UNSET)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SAMPLED_BITS = (1 << 64) - 1
_MAX_INT = (1 << 63) - 1


class Tracing:
    """Begins calls and turns the finished ones that are kept into spans.

    `otlp_endpoint` is a collector's base URL; "" sends nothing and starts nothing. `sample` is the share of
    ordinary traces to keep, decided by trace id so that services with the same share agree. `slow_ms` is the
    duration from which a call is always kept. `resource` describes this process further. Use one per process,
    from one thread.
    """

    def __init__(
        self,
        otlp_endpoint: str,
        *,
        sample: float,
        slow_ms: float,
        version: str,
        clock: Clock,
        resource: Mapping[str, str],
    ) -> None:
        self._clock = clock
        self._threshold = round(sample * (_SAMPLED_BITS + 1))
        self._slow_ns = int(slow_ms * 1e6)
        self._builder: _Builder | None = None
        self._export: SpanExport | None = None
        if otlp_endpoint:
            self._builder = _Builder(version, resource)
            self._export = SpanExport(otlp_endpoint)

    @property
    def dropped(self) -> int:
        """Spans that were kept and will never arrive."""
        return self._export.dropped if self._export is not None else 0

    def begin(
        self, *, request_id: str, call_id: str, endpoint: str, traceparent: str | None, tracestate: str | None
    ) -> Call:
        """Start a call now, within its caller's trace where `traceparent` names one.

        `tracestate` is the value of all such headers, joined by commas.
        """
        parent = parse_traceparent(traceparent) if traceparent else None
        trace_id = parent.trace_id if parent else new_trace_id()
        if parent:
            sampled = parent.sampled
        else:
            sampled = self._export is not None and trace_id & _SAMPLED_BITS < self._threshold
        return Call(
            id=call_id,
            request_id=request_id,
            endpoint=endpoint,
            trace_id=trace_id,
            span_id=new_span_id(),
            chat_span_id=new_span_id(),
            started_ns=self._clock.monotonic_ns(),
            started_unix_ns=self._clock.unix_ns(),
            parent_span_id=parent.span_id if parent else None,
            sampled=sampled,
            trace_state=parse_tracestate(tracestate) if parent and tracestate else "",
        )

    def record(self, call: Call) -> None:
        """Hand over a finished call; never waits and never raises."""
        if self._builder is not None and self._export is not None and self._kept(call):
            self._export.offer(self._builder.trace(call))

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Send what is queued, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        if self._export is not None:
            self._export.close(timeout_s)

    def _kept(self, call: Call) -> bool:
        return (
            call.sampled
            or call.failed
            or call.total_ns >= self._slow_ns
            or any(attempt.error and attempt.error not in _CALLERS_FAULT for attempt in call.attempts)
        )


class _Builder:
    """Writes a finished call down as spans of the SDK.

    They are made as `ReadableSpan`s, not by a tracer: ids, times and the decision to keep them exist already,
    and a tracer costs twelve times as much to arrive at the same values.
    """

    def __init__(self, version: str, resource: Mapping[str, str]) -> None:
        self._scope = InstrumentationScope("llmgw", version)
        self._resource = Resource(
            {
                semconv.SERVICE_NAME: "llmgw",
                semconv.SERVICE_VERSION: version,
                semconv.TELEMETRY_SDK_NAME: "opentelemetry",
                semconv.TELEMETRY_SDK_LANGUAGE: "python",
                semconv.TELEMETRY_SDK_VERSION: sdk_version,
                **resource,
            }
        )

    def trace(self, call: Call) -> list[ReadableSpan]:
        """Return the call's spans, children first, as they ended."""
        context = self._context(call, call.span_id)
        parent = self._context(call, call.parent_span_id, remote=True) if call.parent_span_id else None
        end = _end(call)
        spans: list[ReadableSpan] = []
        if call.attempts:
            spans = self._chat(call, context, end)
        spans.append(
            ReadableSpan(
                name=cut(f"POST {call.endpoint}", MAX_NAME_BYTES),
                context=context,
                parent=parent,
                resource=self._resource,
                attributes=_bounded(_server_attributes(call)),
                kind=SpanKind.SERVER,
                status=_ERROR if call.failed else _UNSET,
                start_time=call.started_unix_ns,
                end_time=_unix(call, end),
                instrumentation_scope=self._scope,
            )
        )
        return spans

    def _chat(self, call: Call, parent: SpanContext, end: int) -> list[ReadableSpan]:
        context = self._context(call, call.chat_span_id, state=parent.trace_state)
        last = call.attempts[-1]
        spans = [self._attempt(call, index, context, end) for index in range(len(call.attempts))]
        spans.append(
            ReadableSpan(
                name=cut(f"{_operation(call)} {last.model}", MAX_NAME_BYTES),
                context=context,
                parent=parent,
                resource=self._resource,
                attributes=_bounded(_chat_attributes(call, last)),
                kind=SpanKind.CLIENT,
                status=_status(last.error),
                start_time=_unix(call, call.attempts[0].started_ns),
                end_time=_unix(call, end if last.ended_ns is None else last.ended_ns),
                instrumentation_scope=self._scope,
            )
        )
        return spans

    def _attempt(self, call: Call, index: int, parent: SpanContext, end: int) -> ReadableSpan:
        attempt = call.attempts[index]
        return ReadableSpan(
            name=cut(f"attempt {attempt.provider}", MAX_NAME_BYTES),
            context=self._context(call, attempt.span_id, state=parent.trace_state),
            parent=parent,
            resource=self._resource,
            attributes=_bounded(_attempt_attributes(attempt, index)),
            kind=SpanKind.CLIENT,
            status=_status(attempt.error),
            start_time=_unix(call, attempt.started_ns),
            end_time=_unix(call, end if attempt.ended_ns is None else attempt.ended_ns),
            instrumentation_scope=self._scope,
        )

    def _context(
        self, call: Call, span_id: int, *, state: TraceState | None = None, remote: bool = False
    ) -> SpanContext:
        if state is None and call.trace_state:
            state = TraceState.from_header([call.trace_state])
        return SpanContext(call.trace_id, span_id, is_remote=remote, trace_flags=_SAMPLED, trace_state=state)


def _end(call: Call) -> int:
    """When the call ended, or the last thing known of one that never said."""
    if call.ended_ns is not None:
        return call.ended_ns
    return max((call.started_ns, *(attempt.ended_ns or attempt.started_ns for attempt in call.attempts)))


def _unix(call: Call, moment_ns: int) -> int:
    return call.started_unix_ns + max(0, moment_ns - call.started_ns)


def _status(error: str | None) -> Status:
    return _UNSET if error is None or error == ClientGone.code else _ERROR


def _operation(call: Call) -> str:
    return "embeddings" if call.endpoint.endswith("/embeddings") else "chat"


def _server_attributes(call: Call) -> dict[str, AttributeValue | None]:
    return {
        semconv.HTTP_REQUEST_METHOD: "POST",
        semconv.HTTP_ROUTE: call.endpoint,
        semconv.HTTP_RESPONSE_STATUS_CODE: call.status or None,
        semconv.ERROR_TYPE: call.error,
        semconv.LLMGW_CALL_ID: call.id,
        semconv.LLMGW_REQUEST_ID: call.request_id,
        semconv.LLMGW_KEY_ID: call.caller.key_id if call.caller else None,
        semconv.LLMGW_TENANT: call.caller.tenant if call.caller else None,
        semconv.LLMGW_ALIAS: call.alias,
        semconv.LLMGW_TARGET: call.target,
        semconv.LLMGW_TAGS: call.tags or None,
        semconv.LLMGW_ATTEMPTS: len(call.attempts),
        semconv.LLMGW_FALLBACKS: call.fallbacks,
        semconv.LLMGW_OVERHEAD: call.overhead_ns / 1e9,
    }


def _chat_attributes(call: Call, last: Attempt) -> dict[str, AttributeValue | None]:
    first_chunk: float | None = None
    if call.stream and call.first_content_ns is not None:
        first_chunk = (call.first_content_ns - call.attempts[0].started_ns) / 1e9
    return {
        semconv.GEN_AI_OPERATION_NAME: _operation(call),
        semconv.GEN_AI_PROVIDER_NAME: semconv.provider_name(last.kind),
        semconv.GEN_AI_REQUEST_MODEL: last.model,
        semconv.GEN_AI_REQUEST_STREAM: call.stream or None,
        semconv.GEN_AI_RESPONSE_MODEL: call.answered_model or None,
        semconv.GEN_AI_RESPONSE_ID: call.answered_id or None,
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: call.finish_reasons or None,
        semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: first_chunk,
        semconv.ERROR_TYPE: last.error,
        semconv.LLMGW_ATTEMPTS: len(call.attempts),
        semconv.LLMGW_FALLBACKS: call.fallbacks,
        **(_usage_attributes(call.usage) if call.usage else {}),
    }


def _usage_attributes(usage: Usage) -> dict[str, AttributeValue | None]:
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: usage.input_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cached_read_tokens,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_tokens,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_tokens,
        semconv.GEN_AI_USAGE_AUDIO_INPUT_TOKENS: usage.audio_input_tokens,
        semconv.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS: usage.audio_output_tokens,
    }


def _attempt_attributes(attempt: Attempt, index: int) -> dict[str, AttributeValue | None]:
    first_byte = attempt.first_byte_ns
    return {
        semconv.HTTP_REQUEST_METHOD: "POST",
        semconv.HTTP_RESPONSE_STATUS_CODE: attempt.status,
        semconv.ERROR_TYPE: attempt.error,
        semconv.LLMGW_ATTEMPT_INDEX: index,
        semconv.LLMGW_ATTEMPT_MODEL: attempt.model,
        semconv.LLMGW_ATTEMPT_FIRST_BYTE: None
        if first_byte is None
        else (first_byte - attempt.started_ns) / 1e9,
        semconv.LLMGW_ATTEMPT_UPSTREAM_ID: attempt.upstream_id,
        semconv.LLMGW_TARGET: attempt.target,
    }


def _bounded(attributes: dict[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    """Leave out what is unknown or does not fit the protocol's 64 bits; cut what is long."""
    bounded: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, str):
            bounded[name] = cut(value, MAX_ATTRIBUTE_BYTES)
        elif isinstance(value, tuple):
            bounded[name] = _bounded_list(value)
        elif not isinstance(value, int) or -_MAX_INT <= value <= _MAX_INT:
            bounded[name] = value
    return bounded


def _bounded_list(values: tuple[object, ...]) -> list[str]:
    """Cut a list of words as a whole, item by item."""
    left = MAX_ATTRIBUTE_BYTES
    bounded: list[str] = []
    for value in values:
        if left <= 0:
            break
        word = cut(str(value), left)
        left -= len(word.encode())
        bounded.append(word)
    return bounded
