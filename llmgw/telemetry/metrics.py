"""Metrics of this worker: added up as calls end, shown to who scrapes them, sent to a collector every so often."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics

from llmgw.telemetry import definitions
from llmgw.telemetry.aggregates import Definition, Shown
from llmgw.telemetry.collector import EXPORT_TIMEOUT_S, metrics_url, new_session, quiet
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.points import Known, Point, Seen
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.operation import ContextOperation

_log = logging.getLogger(__name__)
_exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")

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
        self._export: _Export | None = None
        if otlp_endpoint and every_s:
            source = _Source(self._measurements, clock, version, resource)
            self._export = _Export(otlp_endpoint, every_s, source)

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


class _Source:
    """What there is to send, as the SDK's exporter takes it."""

    def __init__(
        self,
        measurements: Measurements,
        clock: Clock,
        version: str,
        resource: Mapping[str, str],
    ) -> None:
        self._measurements = measurements
        self._clock = clock
        self._scope = scope_of(version)
        self._resource = resource_of(version, resource)

    def data(self) -> MetricsData | None:
        """Everything as it stands now; None while there is nothing."""
        metrics = self._measurements.metrics(self._clock.unix_ns())
        if not metrics:
            return None
        scope = ScopeMetrics(scope=self._scope, metrics=metrics, schema_url="")
        return MetricsData([ResourceMetrics(resource=self._resource, scope_metrics=[scope], schema_url="")])


class _Export:
    """Sends everything there is every so often; a report that does not arrive is made up for by the next."""

    def __init__(self, endpoint: str, every_s: float, source: _Source) -> None:
        self._exporter = OTLPMetricExporter(
            endpoint=metrics_url(endpoint),
            timeout=EXPORT_TIMEOUT_S,
            compression=Compression.Gzip,
            session=new_session(),
            meter_provider=NoOpMeterProvider(),
        )
        self._every_s = every_s
        self._source = source
        self._down = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmgw-metrics", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Send a last time, for at most `timeout_s`. Blocks; runs once."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(timeout_s)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            self._send()
        self._send()

    def _send(self) -> None:
        data = self._source.data()
        if data is None:
            return
        with quiet(_exporter_log) as complaints:
            result = self._exporter.export(data)
        if result is MetricExportResult.SUCCESS:
            if self._down:
                _log.info("metrics reach the collector again")
            self._down = False
        else:
            if not self._down:
                _log.warning("metrics do not reach the collector: %s", complaints.text)
            self._down = True
