"""Servers that answer the command line as no gateway would, on loopback, and what they were asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


class Asked(msgspec.Struct):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Said(msgspec.Struct):
    """One answer to give."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    length: int | None = None


class FakeGateway:
    """Answers each request with the next of `says`, the last one again and again; keeps what it was asked."""

    def __init__(self, *says: Said) -> None:
        self.says = list(says)
        self.asked: list[Asked] = []
        self.url = ""

    def answer(self, asked: Asked) -> Said:
        """Note a request and choose its answer."""
        self.asked.append(asked)
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


@contextmanager
def answering(*says: Said) -> Iterator[FakeGateway]:
    """A server that gives these answers until the block ends."""
    gateway = FakeGateway(*says)

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = gateway.answer(Asked(self.command, self.path, headers, self.rfile.read(length)))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said.body) if said.length is None else said.length))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
