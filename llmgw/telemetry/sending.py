"""The way of spans to a collector, by the SDK's exporter."""

import logging
import zlib
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from llmgw.telemetry.collector import EXPORT_TIMEOUT_S, Carrier, quiet, traces_url
from llmgw.telemetry.otlp import Envelope

_log = logging.getLogger("llmgw.telemetry.export")
_exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Sender:
    """The SDK's exporter with its credentials and its patience, counted, and with one line per outage.

    It is given no spans, as it would write them its own way: what it sends instead lies on its connection.
    """

    def __init__(self, endpoint: str, envelope: Envelope) -> None:
        self._envelope = envelope
        self._carrier = Carrier()
        self._exporter = OTLPSpanExporter(
            endpoint=traces_url(endpoint),
            timeout=EXPORT_TIMEOUT_S,
            compression=Compression.Gzip,
            session=self._carrier,
            meter_provider=NoOpMeterProvider(),
        )
        self._down = False
        self.abandoned = False
        self.delivered = 0
        self.failed = 0

    def send(self, count: int, traces: Sequence[bytes]) -> None:
        """Send one batch of so many spans; called from one thread only."""
        if self.abandoned:
            return
        self._carrier.body = _compressed(self._envelope.around(traces))
        self._carrier.carried = False
        with quiet(_exporter_log) as complaints:
            result = self._exporter.export(())
        if result is SpanExportResult.SUCCESS and self._carrier.carried:
            self.delivered += count
            if self._down:
                _log.info("traces reach the collector again; %d spans were lost", self.failed)
            self._down = False
        else:
            self.lose(count, complaints.text)

    def lose(self, count: int, why: str) -> None:
        """Count spans that do not arrive; says why once, until others do."""
        self.failed += count
        if not self._down and not self.abandoned:
            _log.warning("traces do not reach the collector, spans are dropped meanwhile: %s", why)
        self._down = True

    def abandon(self) -> None:
        """Stop trying; a request that is under way ends on its own clock. Runs once."""
        self.abandoned = True
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK left it bare


def _compressed(body: bytes) -> bytes:
    """Gzip, as fast as it can: names that repeat in every span are most of it."""
    gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
    return gzip.compress(body) + gzip.flush()
