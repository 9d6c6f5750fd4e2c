"""The doorstep: what is refused before any route is looked up, and the short way to the routes of calls."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from typing import Final, TypeAlias

from litestar import Litestar
from litestar.routes import ASGIRoute

from llmgw.http.errors import told
from llmgw.http.exchange import BEGUN, HEADERS, Headers, Receive, Scope, Send
from llmgw.types.errors import (
    GatewayError,
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    PermissionDenied,
)

App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_HEADER_BYTES = 64 * 1024
_LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})
_PLAIN_HOST: Final = re.compile(rb"[0-9A-Za-z.:\[\]-]*")
"""What the framework lets pass as a host in any case; it decides about all others."""

_log: Final = logging.getLogger(__name__)


def direct_routes(app: Litestar) -> Mapping[str, App]:
    """The ASGI routes of an application by their paths, where nothing of the framework's stands before them.

    To find one of these and to call it costs the framework more than all the checks of a call. Guards, middleware,
    hooks and parameters are its own to see to, so a route that has any is not among them.
    """
    if app.before_send or app.after_exception or app.middleware:
        return {}
    return {
        route.path: route.route_handler.fn
        for route in app.routes
        if isinstance(route, ASGIRoute)
        and not route.path_parameters
        and not route.route_handler.is_mount
        and not route.route_handler.resolve_guards()
        and not route.route_handler.resolve_middleware()
    }


class Front:
    """ASGI application around the whole: bounds on headers, and the checks the server leaves to us.

    `loopback_hosts_only` refuses other names in Host, and in Origin: a gateway that asks for no key must not
    answer a web page, be it one that had its own name resolved to this machine.
    """

    def __init__(self, app: Litestar, *, loopback_hosts_only: bool, new_id: Callable[[], str]) -> None:
        self.app = app
        self._app: App = app  # type: ignore[assignment]  # Litestar types ASGI more narrowly than the specification
        self._direct = direct_routes(app)
        self._loopback_hosts_only = loopback_hosts_only
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a sound request on; answer the others here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            host = self._host(scope)
        except GatewayError as refusal:
            await self._refuse(scope, send, refusal, close=True)
            return
        route = self._direct.get(scope["path"])
        if route is None or scope["root_path"] or _PLAIN_HOST.fullmatch(host) is None:
            await self._app(scope, receive, send)
            return
        try:
            await route(scope, receive, send)
        except Exception as error:
            # Once an answer has begun the server can but end the connection.
            if BEGUN in scope:
                raise
            _log.exception("unhandled error in %s %s", scope["method"], scope["path"], exc_info=error)
            fault = InternalError("the gateway failed to handle this request")
            await self._refuse(scope, send, fault, close=False)

    def _host(self, scope: Scope) -> bytes:
        """Return the host that is asked, of a request that may come in.

        Raises:
            HeadersTooLarge: it has too many or too long ones.
            InvalidRequest: it has no host, or more than one host or key.
            PermissionDenied: it comes from elsewhere, and there are no keys.
        """
        came: Headers = scope["headers"]
        if sum(map(len, chain.from_iterable(came))) > MAX_HEADER_BYTES:
            raise HeadersTooLarge(f"at most {MAX_HEADER_BYTES} bytes of headers")
        headers: dict[bytes, bytes] = dict(came)
        scope[HEADERS] = headers
        host, origin = headers.get(b"host", b""), headers.get(b"origin")
        hosts, keys = 1 if host else 0, 0
        if len(headers) < len(came):
            # Some came several times: the host or the key may have.
            given = [value for name, value in came if name == b"host" and value]
            host, hosts = given[-1] if given else b"", len(given)
            keys = sum(name == b"authorization" for name, _ in came)
        # RFC 9112 section 3.2. The server adds an empty Host where there was none.
        if hosts != 1 and scope["http_version"] == "1.1":
            raise InvalidRequest("a request needs exactly one Host header")
        if keys > 1:
            raise InvalidRequest("a request carries one Authorization header")
        if self._loopback_hosts_only and _name_of(host) not in _LOOPBACK_NAMES:
            raise PermissionDenied("without keys, this gateway answers to loopback names only")
        if self._loopback_hosts_only and origin is not None and _host_of(origin) not in _LOOPBACK_NAMES:
            # A browser lets any page send simple requests anywhere, and here no key would stop them.
            raise PermissionDenied("without keys, this gateway does not answer web pages of other hosts")
        return host

    async def _refuse(self, scope: Scope, send: Send, error: GatewayError, *, close: bool) -> None:
        status, media_type, headers, body = told(error, scope["path"], dict(scope["headers"]), self._new_id)
        headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _host_of(origin: bytes) -> bytes:
    """The name in an Origin header; what has none, `null` too, is no host's."""
    return _name_of(origin.partition(b"://")[2])


def _name_of(host: bytes) -> bytes:
    """The name in a Host header, without its port."""
    return host[: host.find(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]
