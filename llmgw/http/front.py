"""The doorstep: what is refused before any route is looked up."""

from collections.abc import Awaitable, Callable

from llmgw.http.exchange import Receive, Scope, Send
from llmgw.types.errors import GatewayError, HeadersTooLarge, InvalidRequest
from llmgw.types.json import encode

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 100


class Front:
    """ASGI application around the whole: bounds on headers, and the checks the server leaves to us."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a sound request on; answer the others here."""
        if scope["type"] == "http":
            refusal = _refusal(scope)
            if refusal is not None:
                await _refuse(send, refusal)
                return
        await self.app(scope, receive, send)


def _refusal(scope: Scope) -> GatewayError | None:
    headers = scope["headers"]
    hosts = 0
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        hosts += name == b"host" and value != b""
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return HeadersTooLarge(f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together")
    # RFC 9112 section 3.2. The server adds an empty Host where there was none.
    if hosts != 1 and scope["http_version"] == "1.1":
        return InvalidRequest("a request needs exactly one Host header")
    return None


async def _refuse(send: Send, error: GatewayError) -> None:
    body = encode(
        {"error": {"message": error.message, "type": error.code, "param": None, "code": error.code}}
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
