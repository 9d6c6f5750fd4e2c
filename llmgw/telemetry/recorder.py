"""The one place where what is over is told: to the log, to the traces, to the metrics."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from llmgw.telemetry import definitions
from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call, Caller
from llmgw.types.clock import Clock
from llmgw.types.context_errors import IntegrityFailed, RevisionMismatch
from llmgw.types.errors import ClientGone, GatewayError, InternalError
from llmgw.types.operation import ContextOperation, OperationName

SHUTDOWN_S: Final = 5.0

CallSink: TypeAlias = Callable[[Call], None]
"""Takes a call that is over."""


class Recorder:
    """Begins calls and operations, and takes them when they are over; one per process, used from one thread."""

    def __init__(self, tracing: Tracing, metrics: Metrics, call_log: CallLog, clock: Clock) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._call_log = call_log
        self._clock = clock
        self._sinks: tuple[CallSink, ...] = ()
        metrics.watch("spans", lambda: tracing.dropped)
        metrics.watch("log_lines", lambda: call_log.dropped)

    def begin(
        self, *, request_id: str, call_id: str, endpoint: str, traceparent: str | None, tracestate: str | None
    ) -> Call:
        """Start a call now, as `Tracing.begin` does."""
        return self._tracing.begin(
            request_id=request_id,
            call_id=call_id,
            endpoint=endpoint,
            traceparent=traceparent,
            tracestate=tracestate,
        )

    def record(self, call: Call) -> None:
        """Tell of a call that has ended, and of those made for it; never waits and never raises."""
        self._tracing.record(call)
        self._metrics.record(call)
        for each in call.inner:
            self._call_log.write(each)
        self._call_log.write(call)
        for sink in self._sinks:
            sink(call)

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
            self._tracing.record_operation(operation)
            self._metrics.record_operation(operation)

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

    def know(self, models: frozenset[str]) -> None:
        """Say which models the configuration names, as it is taken to work."""
        self._metrics.know(models)

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Send what is left, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        deadline = self._clock.monotonic_ns() + int(timeout_s * 1e9)
        self._tracing.shutdown(timeout_s)
        self._metrics.shutdown(max(0.0, (deadline - self._clock.monotonic_ns()) / 1e9))
