"""A receiver of webhooks on loopback that checks signatures by code of its own, and answers as a test says."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

KEY: Final = bytes(range(32))
SECRET: Final = "whsec_" + base64.b64encode(KEY).decode()


class Got(NamedTuple):
    """One delivery: its `webhook-id`, the time it was signed for, and its body."""

    id: str
    at_s: int
    body: Any


class Receiver(AbstractContextManager["Receiver"]):
    """Answers with the statuses of `script` one after the other, then with 204; refuses what is not signed."""

    def __init__(self, *script: int, headers: Mapping[str, str] | None = None) -> None:
        self.got: list[Got] = []
        self.forged = 0
        self.script = list(script)
        self.open = threading.Event()
        """Until it is set, what came is not answered."""
        self.open.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One POST is one attempt."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.take(self.headers, body)
                receiver.open.wait(timeout=60)
                self.send_response(status)
                for name, text in (headers or {}).items():
                    self.send_header(name, text)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks?a=b"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def take(self, headers: Message, body: bytes) -> int:
        """Keep a delivery and say what to answer."""
        signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
        wanted = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        if f"v1,{wanted}" not in headers["webhook-signature"].split(" "):
            self.forged += 1
            return 401
        self.got.append(Got(headers["webhook-id"], int(headers["webhook-timestamp"]), json.loads(body)))
        return self.script.pop(0) if self.script else 204

    def ids(self) -> list[str]:
        """The ids of the events that came, in their order."""
        return [each.body["data"]["id"] for each in self.got]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
