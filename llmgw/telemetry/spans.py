"""Which calls and operations become traces, decided when they are over.

While a call runs it costs three random numbers. At its end it is kept when its trace was sampled, here or by
its caller; when it failed; when a provider failed it on the way; when it was slow; and when its stored conversation
did not reach the model as it was, or is not what was stored. Everything else is forgotten. Calls that were made for
a call are kept with it, and it with them.
"""

from collections.abc import Mapping

from llmgw.telemetry.context_attributes import is_telling
from llmgw.telemetry.export import SpanExport
from llmgw.telemetry.feedback_attributes import GivenFeedback
from llmgw.telemetry.trace_context import (
    Parent,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    parse_tracestate,
)
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.context_errors import ContextFenced
from llmgw.types.errors import ClientGone, ProviderRefused
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.operation import ContextOperation, OperationName

SHUTDOWN_S = 5.0

_CALLERS_FAULT = frozenset({ClientGone.code, ProviderRefused.code})
_SAMPLED_BITS = (1 << 64) - 1


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
        self._builder: TraceBuilder | None = None
        self._export: SpanExport | None = None
        if otlp_endpoint:
            self._builder = TraceBuilder(version, resource)
            self._export = SpanExport(otlp_endpoint, self._builder.envelope)

    @property
    def dropped(self) -> int:
        """Spans that were kept and will never arrive."""
        return self._export.dropped if self._export is not None else 0

    @property
    def waiting(self) -> int:
        """Spans that wait to be sent, at most `MAX_QUEUE`."""
        return self._export.waiting if self._export is not None else 0

    def begin(
        self, *, request_id: str, call_id: str, endpoint: str, traceparent: str | None, tracestate: str | None
    ) -> Call:
        """Start a call now, within its caller's trace where `traceparent` names one.

        `tracestate` is the value of all such headers, joined by commas.
        """
        parent, trace_id, sampled = self._join(traceparent)
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

    def begin_operation(
        self,
        name: OperationName,
        *,
        tenant: str,
        context: str,
        traceparent: str | None,
        tracestate: str | None,
    ) -> ContextOperation:
        """Start an operation on stored conversations now, within its caller's trace as `begin` does."""
        parent, trace_id, sampled = self._join(traceparent)
        return ContextOperation(
            name=name,
            tenant=tenant,
            context=context,
            trace_id=trace_id,
            span_id=new_span_id(),
            started_ns=self._clock.monotonic_ns(),
            started_unix_ns=self._clock.unix_ns(),
            parent_span_id=parent.span_id if parent else None,
            sampled=sampled,
            trace_state=parse_tracestate(tracestate) if parent and tracestate else "",
        )

    def record(self, call: Call, told: Call | None = None) -> bool:
        """Hand over a finished call, with those made for it, and say whether it is kept; never waits or raises.

        `told` is as much of it as may be told, where that is not all of it.
        """
        if self._builder is None or self._export is None or not self._keeps(call):
            return False
        return self._export.offer(self._builder.trace(told or call))

    def record_operation(self, operation: ContextOperation, told: ContextOperation | None = None) -> None:
        """Hand over a finished operation, as `record` does."""
        if self._builder is not None and self._export is not None and self._keeps_operation(operation):
            self._export.offer(self._builder.operation(told or operation))

    def record_feedback(
        self, event: FeedbackEvent, began_unix_ns: int, *, traceparent: str | None, tracestate: str | None
    ) -> None:
        """Hand over a judgement, whatever is sampled: it is what people go by; never waits and never raises."""
        if self._builder is None or self._export is None:
            return
        parent, trace_id, _ = self._join(traceparent)
        given = GivenFeedback(
            event=event,
            trace_id=trace_id,
            span_id=new_span_id(),
            parent_span_id=parent.span_id if parent else None,
            trace_state=parse_tracestate(tracestate) if parent and tracestate else "",
            started_unix_ns=began_unix_ns,
            ended_unix_ns=self._clock.unix_ns(),
        )
        self._export.offer(self._builder.feedback(given))

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Send what is queued, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        if self._export is not None:
            self._export.close(timeout_s)

    def _join(self, traceparent: str | None) -> tuple[Parent | None, int, bool]:
        """Find the trace to be part of: who called us, its id, and whether it is sampled."""
        parent = parse_traceparent(traceparent) if traceparent else None
        if parent is not None:
            return parent, parent.trace_id, parent.sampled
        trace_id = new_trace_id()
        return None, trace_id, self._export is not None and trace_id & _SAMPLED_BITS < self._threshold

    def _keeps(self, call: Call) -> bool:
        if call.sampled or call.failed or call.total_ns >= self._slow_ns:
            return True
        for attempt in call.attempts:
            if attempt.error and attempt.error not in _CALLERS_FAULT:
                return True
        if call.context is not None and is_telling(call.context):
            return True
        return bool(call.inner) and any(map(self._keeps, call.inner))

    def _keeps_operation(self, operation: ContextOperation) -> bool:
        return (
            operation.sampled
            or operation.failed
            or operation.broken
            or bool(operation.links)
            or operation.error == ContextFenced.code
            or operation.total_ns >= self._slow_ns
        )
