"""The routes of the call log over a small log, as a caller of some role and tenant meets them, on loopback."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from llmgw.calllog.event import CallEvent
from llmgw.http.calls import call_routes
from llmgw.http.errors import make_error_answer
from llmgw.http.permissions import require
from llmgw.types.call import Caller
from llmgw.types.clock import SystemClock
from tests.integration.calllog.asked_log import AskedLog
from tests.running import Answer

ADMIN = Caller(key_id="key_admin", name="admin", role="admin")


class ServedLog:
    """A log and its routes; `caller` is who asks from now on."""

    def __init__(self, home: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.caller = ADMIN
        self.url = ""
        self._loop = loop
        self.runtime = SimpleNamespace(calls=None, unseal=None, clock=SystemClock())
        self._app = self._application()
        self.log = self.run(_made(home))
        self.runtime.calls = self.log.reading

    def run(self, work: Any) -> Any:
        """Do something in the loop that the log lives in."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def keep(self, kept: Sequence[CallEvent], live: Sequence[CallEvent] = ()) -> None:
        """Have calls in the log, some of them in no segment yet."""
        self.run(self.log.keep(kept))
        self.log.buffered(live)

    def ask(self, path: str, body: bytes | None = None, media_type: str = "application/json") -> Answer:
        """Make one exchange, without a socket."""
        return self.run(self._exchange("GET" if body is None else "POST", path, body or b"", media_type))  # type: ignore[no-any-return]

    def _application(self) -> Litestar:
        def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
            require(self.caller, handler.opt["permission"])
            connection.state.caller = self.caller

        routes = Router("/", route_handlers=call_routes(self.runtime), guards=[guard])  # type: ignore[arg-type]
        return Litestar(
            [routes], exception_handlers={Exception: make_error_answer(lambda: "req_1")}, openapi_config=None,
            logging_config=None,
        )  # fmt: skip

    async def _exchange(self, method: str, path: str, body: bytes, media_type: str) -> Answer:
        where, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": where, "raw_path": where.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        said: list[dict[str, Any]] = []
        read: list[bool] = []
        over = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if read:
                await over.wait()  # the caller stays until it has its answer
                return {"type": "http.disconnect"}
            read.append(True)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                over.set()

        await self._app(scope, receive, send)  # type: ignore[arg-type]
        headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return Answer(said[0]["status"], headers, b"".join(each.get("body", b"") for each in said[1:]))


@contextmanager
def served_log(home: Path) -> Iterator[ServedLog]:
    """A log that ends with the block, at `url` too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = ServedLog(home, loop)

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            answer = served.ask(self.path, body if self.command == "POST" else None)
            self.send_response(answer.status)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield served
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        served.run(served.log.reading.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _made(home: Path) -> AskedLog:
    return AskedLog(home)
