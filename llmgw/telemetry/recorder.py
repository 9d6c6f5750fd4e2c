"""The one place where what is over is told: to the log, to the traces, to the metrics."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from llmgw.redaction.calls import tellable, tellable_operation
from llmgw.telemetry import definitions, service_definitions
from llmgw.telemetry.aggregates import Definition, Shown
from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.points import Known
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call, Caller
from llmgw.types.clock import Clock
from llmgw.types.content import WITH_WORDS, Capture, Content
from llmgw.types.context_errors import IntegrityFailed, RevisionMismatch
from llmgw.types.errors import ClientGone, GatewayError, InternalError
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.operation import ContextOperation, OperationName

SHUTDOWN_S: Final = 5.0

CallSink: TypeAlias = Callable[[Call], None]
"""Takes a call that is over, as it may be told of."""


class Recorder:
    """Begins calls and operations, and takes them when they are over; one per process, used from one thread.

    `capture` says how much is told of each.
    """

    def __init__(
        self,
        tracing: Tracing,
        metrics: Metrics,
        call_log: CallLog,
        clock: Clock,
        capture: Capture | None = None,
    ) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._call_log = call_log
        self._clock = clock
        self._sinks: tuple[CallSink, ...] = ()
        self._capture = capture or Capture()
        metrics.watch("spans", lambda: tracing.dropped)
        metrics.watch("log_lines", lambda: call_log.dropped)

    def begin(
        self, *, request_id: str, call_id: str, endpoint: str, traceparent: str | None, tracestate: str | None
    ) -> Call:
        """Start a call now, as `Tracing.begin` does."""
        call = self._tracing.begin(
            request_id=request_id,
            call_id=call_id,
            endpoint=endpoint,
            traceparent=traceparent,
            tracestate=tracestate,
        )
        call.capture = self._capture.level
        return call

    def admit(self, call: Call, caller: Caller, path: str) -> None:
        """Say whose call it is, and so how much may be told of it; `path` is the address that was called."""
        call.caller = caller
        call.capture = self._capture.of(caller.tenant)
        if call.capture in WITH_WORDS:
            call.content = Content(max_bytes=self._capture.max_bytes, path=path)

    def record(self, call: Call) -> None:
        """Tell of a call that has ended, and of those made for it; never waits and never raises."""
        told = tellable(call)
        kept = self._tracing.record(call, told)
        # Of a tenant of whom nothing but sums is told, no number leads to a trace.
        self._metrics.record(call, kept=kept and call.capture != "none")
        for each in told.inner:
            self._call_log.write(each)
        self._call_log.write(told)
        for sink in self._sinks:
            sink(told)

    def also_tell(self, sink: CallSink) -> None:
        """Hand finished calls, with those made for them, to somebody else, too; it must neither wait nor raise."""
        self._sinks = (*self._sinks, sink)

    @contextmanager
    def operation(
        self, name: OperationName, caller: Caller, context: str = "", headers: Mapping[str, str] | None = None
    ) -> Iterator[ContextOperation]:
        """Tell of an operation on stored conversations when the block ends, however it does.

        `headers` are the request's, by lower-case names, for the trace that the caller is in. What the block finds
        out it notes on the operation: its `context`, where it had none, `rev`, `turns`, `contexts`, `checks`.
        """
        given = headers if headers is not None else {}
        operation = self._tracing.begin_operation(
            name,
            tenant=caller.tenant,
            context=context,
            traceparent=given.get("traceparent"),
            tracestate=given.get("tracestate"),
        )
        operation.key_id = caller.key_id
        operation.capture = self._capture.of(caller.tenant)
        try:
            yield operation
        except GatewayError as error:
            operation.error, operation.failed = error.code, error.status >= 500
            if isinstance(error, IntegrityFailed) or (
                isinstance(error, RevisionMismatch) and error.rolled_back
            ):
                operation.checks = {"c1": "fail"}
            raise
        except Exception:
            operation.error, operation.failed = InternalError.code, True
            raise
        except BaseException:
            operation.error = ClientGone.code
            raise
        finally:
            operation.ended_ns = self._clock.monotonic_ns()
            self._tracing.record_operation(operation, tellable_operation(operation))
            self._metrics.record_operation(operation)

    def feedback(self, event: FeedbackEvent, began_unix_ns: int, headers: Mapping[str, str]) -> None:
        """Tell of a judgement that was taken; `headers` are the request's, as for `operation`."""
        self._tracing.record_feedback(
            event,
            began_unix_ns,
            traceparent=headers.get("traceparent"),
            tracestate=headers.get("tracestate"),
        )
        self._metrics.record_feedback(event)

    def watch_prompts(self, age_s: Callable[[], float]) -> None:
        """Report how old what is known of prompts is, in seconds; `age_s` is asked from another thread."""
        self._metrics.show(definitions.PROMPT_SNAPSHOT_AGE, age_s)

    def watch_ledger(
        self, waiting: Callable[[], float], lost: Callable[[], float], ready: Callable[[], float]
    ) -> None:
        """Report how many calls' costs wait, how many are lost, and whether the journal takes records (1 or 0).

        All are asked from another thread.
        """
        self._metrics.show(definitions.LEDGER_WAITING, waiting)
        self._metrics.show(definitions.LEDGER_LOST, lost)
        self._metrics.show(definitions.JOURNAL_READY, ready)

    def watch_call_log(
        self,
        events: Callable[[], Mapping[str, int]],
        lost: Callable[[], Mapping[str, int]],
        behind_s: Callable[[], float],
    ) -> None:
        """Report how many events of the call log there were by what became of them, and how many were lost by why.

        `behind_s` is the age of the oldest that is in no segment, 0 where all are. All are asked by another thread.
        """
        self._metrics.show(
            service_definitions.CALL_LOG_EVENTS,
            lambda: {(outcome,): so_far for outcome, so_far in events().items()},
        )
        self._metrics.show(
            service_definitions.CALL_LOG_LOST,
            lambda: {(reason,): so_far for reason, so_far in lost().items()},
        )
        self._metrics.show(service_definitions.CALL_LOG_BEHIND, behind_s)

    def watch(self, definition: Definition, read: Callable[[], Shown]) -> None:
        """Report what others keep: one value, or those of several series by their labels.

        `read` is asked from another thread, and only when there is a report or a scrape.
        """
        self._metrics.show(definition, read)

    @property
    def spans_waiting(self) -> int:
        """Spans on their way to the collector, at most `MAX_QUEUE`."""
        return self._tracing.waiting

    def lag(self, seconds: float) -> None:
        """Tell how late the event loop came to a timer."""
        self._metrics.lag(seconds)

    def know(self, known: Known) -> None:
        """Say what the configuration names, as it is taken to work."""
        self._metrics.know(known)

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Send what is left, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        deadline = self._clock.monotonic_ns() + int(timeout_s * 1e9)
        self._tracing.shutdown(timeout_s)
        self._metrics.shutdown(max(0.0, (deadline - self._clock.monotonic_ns()) / 1e9))
