"""Finished spans on their way to a collector: a bounded queue, a thread of its own, and no patience."""

import logging
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from llmgw.telemetry.collector import EXPORT_TIMEOUT_S, new_session, quiet, traces_url
from llmgw.telemetry.otlp import encoded

_log = logging.getLogger(__name__)
_exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")

MAX_QUEUE = 4096
"""Spans waiting to be sent, a few megabytes; more than that are dropped, the newest first."""
_MAX_BATCH = 512
"""A request to the collector takes as long as writing a hundred spans does, so there are few."""
_SEND_EVERY_MS = 1000


class SpanExport:
    """Sends spans to one collector over OTLP/HTTP; `offer` neither waits nor raises, come what may."""

    def __init__(self, endpoint: str) -> None:
        self._exporter = _Exporter(endpoint)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=MAX_QUEUE,
            schedule_delay_millis=_SEND_EVERY_MS,
            max_export_batch_size=_MAX_BATCH,
            export_timeout_millis=EXPORT_TIMEOUT_S * 1000,
            meter_provider=NoOpMeterProvider(),
        )
        self._offered = 0
        self._refused = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Spans that will never arrive; after `close` every offered span has arrived or is counted here."""
        if self._closed:
            return self._refused + self._offered - self._exporter.delivered
        return self._refused + self._exporter.failed

    @property
    def waiting(self) -> int:
        """Spans in the queue."""
        return self._offered - self._exporter.taken

    def offer(self, spans: Sequence[ReadableSpan]) -> bool:
        """Queue the spans of one trace, or drop them all where the queue has no room for them; says which.

        Call it from one thread.
        """
        if self._closed or self.waiting + len(spans) > MAX_QUEUE:
            self._refused += len(spans)
            return False
        self._offered += len(spans)
        for span in spans:
            self._processor.on_end(span)
        return True

    def close(self, timeout_s: float) -> None:
        """Send what is queued, for at most `timeout_s`; what is left then is dropped. Blocks; runs once."""
        if self._closed:
            return
        self._closed = True
        # The processor's own shutdown may take half a minute when nobody answers, so it waits elsewhere.
        ending = threading.Thread(target=self._processor.shutdown, name="llmgw-traces-end", daemon=True)
        ending.start()
        ending.join(timeout_s)
        self._exporter.abandon()
        if self.dropped:
            _log.warning("%d spans were not delivered", self.dropped)


class _Sender(OTLPSpanExporter):
    """The SDK's exporter, but for how spans are written: its connection, its credentials, its patience."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch."""
        client = getattr(self, "_client", None)
        if client is None or self._shutdown:
            return super().export(spans)
        delivered = client.export(encoded(spans)).success
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE


class _Exporter(SpanExporter):
    """The SDK's exporter, counted, and with one line per outage instead of one per batch."""

    def __init__(self, endpoint: str) -> None:
        self._inner = _Sender(
            endpoint=traces_url(endpoint),
            timeout=EXPORT_TIMEOUT_S,
            compression=Compression.Gzip,
            session=new_session(),
            meter_provider=NoOpMeterProvider(),
        )
        self._down = False
        self._abandoned = False
        self._shut = False
        self.taken = 0
        self.delivered = 0
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch; called from the processor's thread only."""
        self.taken += len(spans)
        if self._abandoned:
            return SpanExportResult.FAILURE
        with quiet(_exporter_log) as complaints:
            result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
            if self._down:
                _log.info("traces reach the collector again; %d spans were lost", self.failed)
            self._down = False
        else:
            self.failed += len(spans)
            if not self._down and not self._abandoned:
                _log.warning(
                    "traces do not reach the collector, spans are dropped meanwhile: %s", complaints.text
                )
            self._down = True
        return result

    def abandon(self) -> None:
        """Stop trying; a request that is under way ends on its own clock."""
        self._abandoned = True
        self.shutdown()

    def shutdown(self) -> None:
        """Close the connection and give up waiting for a better moment; later calls do nothing."""
        if not self._shut:
            self._shut = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]  # the SDK left it bare

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is held back here."""
        return self._inner.force_flush(timeout_millis)
