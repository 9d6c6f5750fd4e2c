"""The way of metrics to a collector every so often, by the SDK's exporter."""

import logging
import threading
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics

from llmgw.telemetry.collector import EXPORT_TIMEOUT_S, metrics_url, new_session, quiet
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.types.clock import Clock

_log = logging.getLogger("llmgw.telemetry.metrics")
_exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")


class Source:
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


class MetricsExport:
    """Sends everything there is every so often; a report that does not arrive is made up for by the next."""

    def __init__(self, endpoint: str, every_s: float, source: Source) -> None:
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
