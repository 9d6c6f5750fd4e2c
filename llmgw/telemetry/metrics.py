"""Metrics of this worker: added up as calls end, shown to who scrapes them, sent to a collector every so often."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from llmgw.telemetry import definitions
from llmgw.telemetry.aggregates import Definition, Shown
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.points import Known, Point, Seen
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.operation import ContextOperation

if TYPE_CHECKING:
    from llmgw.telemetry.metrics_export import MetricsExport


SHUTDOWN_S: Final = 5.0


class Metrics:
    """Measures finished calls and operations, and tells a collector over OTLP/HTTP.

    `otlp_endpoint` is its base URL; with "", or with 0 for `every_s`, nothing is sent and no thread started.
    `every_s` are the seconds between two reports. `resource` describes this process further. Use one per process,
    from one thread.
    """

    def __init__(
        self,
        otlp_endpoint: str,
        *,
        every_s: float,
        version: str,
        clock: Clock,
        resource: Mapping[str, str],
    ) -> None:
        self._dropped: dict[str, Callable[[], int]] = {}
        self._measurements = Measurements(clock.unix_ns())
        self._measurements.watch(definitions.TELEMETRY_DROPPED, self._so_far)
        self._clock = clock
        self._export: MetricsExport | None = None
        if otlp_endpoint and every_s:
            # Costs a worker nothing that tells no collector.
            from llmgw.telemetry import metrics_export  # noqa: PLC0415

            source = metrics_export.Source(self._measurements, clock, version, resource)
            self._export = metrics_export.MetricsExport(otlp_endpoint, every_s, source)

    def know(self, known: Known) -> None:
        """Say what the configuration names; all else is `other`."""
        self._measurements.know(known)

    def show(self, definition: Definition, read: Callable[[], Shown]) -> None:
        """Report what others keep: one value, or those of several series by their labels.

        `read` is asked from another thread, and only when there is a report or a scrape.
        """
        self._measurements.watch(definition, read)

    def watch(self, kind: str, dropped: Callable[[], int]) -> None:
        """Report how many things of a kind telemetry failed to deliver; `dropped` is asked from another thread."""
        self._dropped[kind] = dropped

    def record(self, call: Call, *, kept: bool = False) -> None:
        """Measure a finished call, with those made for it, whose trace is kept or not; never waits or raises."""
        seen = Seen(call.trace_id, call.span_id, self._clock.unix_ns()) if kept else None
        self._measurements.call(call, seen)

    def record_operation(self, operation: ContextOperation) -> None:
        """Measure a finished operation; never waits and never raises."""
        self._measurements.operation(operation)

    def record_feedback(self, event: FeedbackEvent) -> None:
        """Measure a judgement that was taken; never waits and never raises."""
        self._measurements.feedback(event)

    def lag(self, seconds: float) -> None:
        """Measure how late the event loop came to a timer."""
        self._measurements.lag(seconds)

    def points(self) -> dict[str, list[Point]]:
        """Everything as it stands, by the names of the definitions; takes a while, so call it from a thread."""
        return self._measurements.points()

    def _so_far(self) -> Shown:
        return {(kind,): dropped() for kind, dropped in tuple(self._dropped.items())}

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Report a last time, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        if self._export is not None:
            self._export.close(timeout_s)
