"""Metrics on their way to a collector: added up as calls end, sent by a thread of its own every so often."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics

from llmgw.telemetry.aggregates import Definition
from llmgw.telemetry.collector import EXPORT_TIMEOUT_S, metrics_url, new_session, quiet
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.operation import ContextOperation

_log = logging.getLogger(__name__)
_exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")

SHUTDOWN_S: Final = 5.0


class Metrics:
    """Measures finished calls and operations, and tells a collector over OTLP/HTTP.

    `otlp_endpoint` is its base URL; with "", or with 0 for `every_s`, nothing is measured and nothing started.
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
        self._measurements: Measurements | None = None
        self._export: _Export | None = None
        if otlp_endpoint and every_s:
            self._measurements = Measurements(clock.unix_ns())
            source = _Source(self._measurements, self._dropped, clock, version, resource)
            self._export = _Export(otlp_endpoint, every_s, source)

    def know(self, models: Iterable[str]) -> None:
        """Say which models the configuration names; all others are `other`."""
        if self._measurements is not None:
            self._measurements.know(models)

    def show(self, definition: Definition, value: Callable[[], float]) -> None:
        """Report what a gauge shows; `value` is asked from another thread."""
        if self._measurements is not None:
            self._measurements.watch(definition, value)

    def watch(self, kind: str, dropped: Callable[[], int]) -> None:
        """Report how many things of a kind telemetry failed to deliver; `dropped` is asked from another thread."""
        self._dropped[kind] = dropped

    def record(self, call: Call) -> None:
        """Measure a finished call, with those made for it; never waits and never raises."""
        if self._measurements is not None:
            self._measurements.call(call)

    def record_operation(self, operation: ContextOperation) -> None:
        """Measure a finished operation; never waits and never raises."""
        if self._measurements is not None:
            self._measurements.operation(operation)

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Report a last time, for at most `timeout_s`. Blocks, so call it from a thread; runs once."""
        if self._export is not None:
            self._export.close(timeout_s)


class _Source:
    """What there is to send, as the SDK's exporter takes it."""

    def __init__(
        self,
        measurements: Measurements,
        dropped: Mapping[str, Callable[[], int]],
        clock: Clock,
        version: str,
        resource: Mapping[str, str],
    ) -> None:
        self._measurements = measurements
        self._dropped = dropped
        self._clock = clock
        self._scope = scope_of(version)
        self._resource = resource_of(version, resource)

    def data(self) -> MetricsData | None:
        """Everything as it stands now; None while there is nothing."""
        for kind, so_far in tuple(self._dropped.items()):
            self._measurements.dropped(kind, so_far())
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
