"""The doorstep: what is refused before any route is looked up."""

from collections.abc import Awaitable, Callable

from llmgw.http.dialect import dialect_of
from llmgw.http.exchange import JSON, Receive, Scope, Send
from llmgw.http.problems import PROBLEM, problem, speaks_problems
from llmgw.types.errors import GatewayError, HeadersTooLarge, InvalidRequest, PermissionDenied
from llmgw.types.json import encode

MAX_HEADER_BYTES = 64 * 1024
_LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


class Front:
    """ASGI application around the whole: bounds on headers, and the checks the server leaves to us.

    `loopback_hosts_only` refuses other names in Host, and in Origin: a gateway that asks for no key must not
    answer a web page, be it one that had its own name resolved to this machine.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, loopback_hosts_only: bool
    ) -> None:
        self.app = app
        self._loopback_hosts_only = loopback_hosts_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a sound request on; answer the others here."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                await _refuse(scope, send, refusal)
                return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> GatewayError | None:
        host = b""
        origin: bytes | None = None
        hosts = keys = size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host" and value:
                host = value
                hosts += 1
            elif name == b"authorization":
                keys += 1
            elif name == b"origin":
                origin = value
        if size > MAX_HEADER_BYTES:
            return HeadersTooLarge(f"at most {MAX_HEADER_BYTES} bytes of headers")
        # RFC 9112 section 3.2. The server adds an empty Host where there was none.
        if hosts != 1 and scope["http_version"] == "1.1":
            return InvalidRequest("a request needs exactly one Host header")
        if keys > 1:
            return InvalidRequest("a request carries one Authorization header")
        if self._loopback_hosts_only and _name_of(host) not in _LOOPBACK_NAMES:
            return PermissionDenied("without keys, this gateway answers to loopback names only")
        if self._loopback_hosts_only and origin is not None and _host_of(origin) not in _LOOPBACK_NAMES:
            # A browser lets any page send simple requests anywhere, and here no key would stop them.
            return PermissionDenied("without keys, this gateway does not answer web pages of other hosts")
        return None


def _host_of(origin: bytes) -> bytes:
    """The name in an Origin header; what has none, `null` too, is no host's."""
    return _name_of(origin.partition(b"://")[2])


def _name_of(host: bytes) -> bytes:
    """The name in a Host header, without its port."""
    return host[: host.find(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]


async def _refuse(scope: Scope, send: Send, error: GatewayError) -> None:
    if speaks_problems(scope["path"]):
        body, media_type = encode(problem(error)), PROBLEM
    else:
        body, media_type = dialect_of(scope["path"], dict(scope["headers"])).encode_error(error, ""), JSON
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
