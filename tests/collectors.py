"""A collector on loopback, and the two ways in which a collector is not there."""

import gzip
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


class Collector:
    """Receives OTLP/HTTP and keeps what came."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
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
                request = ExportTraceServiceRequest.FromString(body)
                collector.requests.append(request)
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()
                collector.answered(request)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answered(self, request: ExportTraceServiceRequest) -> None:
        """Note that a request was answered."""
        scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
        with self._answered:
            self._count += sum(len(scope.spans) for scope in scopes)
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
        spans = [
            span for resource in self.resources() for scope in resource.scope_spans for span in scope.spans
        ]
        return {span.name: span for span in spans}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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
