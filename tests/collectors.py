"""A collector on loopback, and the two ways in which a collector is not there."""

import gzip
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


def value_of(value: AnyValue) -> object:
    """An OTLP value as Python's."""
    match value.WhichOneof("value"):
        case "array_value":
            return [value_of(item) for item in value.array_value.values]
        case str(kind):
            return getattr(value, kind)
        case _:
            return None


def attributes(pairs: Iterable[KeyValue]) -> Mapping[str, object]:
    """Attributes as a mapping."""
    return {pair.key: value_of(pair.value) for pair in pairs}


class Collector:
    """Receives OTLP/HTTP and keeps what came: traces in `requests`, reports of metrics in `reports`."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.reports: list[ExportMetricsServiceRequest] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._answered = threading.Condition()
        self._count = 0
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            """One POST is one batch."""

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                spans = 0
                if self.path == "/v1/metrics":
                    collector.reports.append(ExportMetricsServiceRequest.FromString(body))
                else:
                    request = ExportTraceServiceRequest.FromString(body)
                    collector.requests.append(request)
                    spans = spans_in(request)
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()
                collector.answered(spans)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answered(self, spans: int) -> None:
        """Note that a request with so many spans was answered."""
        with self._answered:
            self._count += spans
            self._answered.notify_all()

    def wait_for(self, spans: int) -> None:
        """Wait until so many spans have come and were answered."""
        with self._answered:
            assert self._answered.wait_for(lambda: self._count >= spans, timeout=30)

    def resources(self) -> list[ResourceSpans]:
        """Everything received, by resource."""
        return [resource for request in self.requests for resource in request.resource_spans]

    def spans(self) -> dict[str, Span]:
        """Everything received, by span name."""
        return {span.name: span for span in self.all_spans()}

    def all_spans(self) -> list[Span]:
        """Everything received, as it came."""
        return [
            span for resource in self.resources() for scope in resource.scope_spans for span in scope.spans
        ]

    def wait_for_reports(self, reports: int) -> None:
        """Wait until so many reports of metrics have come."""
        with self._answered:
            assert self._answered.wait_for(lambda: len(self.reports) >= reports, timeout=30)

    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last report, by name."""
        if not self.reports:
            return {}
        scopes = [scope for resource in self.reports[-1].resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def spans_in(request: ExportTraceServiceRequest) -> int:
    """How many spans a request brings."""
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


class BlackHole:
    """Takes connections into the kernel's backlog and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait_for_someone(self) -> socket.socket:
        """Return a connection that somebody opened and has sent something on."""
        connection, _ = self._listener.accept()
        connection.settimeout(30)
        connection.recv(1, socket.MSG_PEEK)
        return connection

    def close(self) -> None:
        """Let everybody go."""
        self._listener.close()


class Resetter:
    """Takes connections, reads a little and resets them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.resets = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.recv(1)
                    # Without lingering a close is a reset.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.resets += 1

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
