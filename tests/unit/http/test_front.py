"""The short way to the routes of calls: the framework's own, answered alike, and never past what guards them."""

import asyncio
from typing import Any

import pytest
from litestar import Litestar
from litestar.handlers import ASGIRouteHandler
from llmgw.app import Secrets, create_app
from llmgw.http.errors import make_error_answer
from llmgw.http.exchange import Exchange
from llmgw.http.front import Front, direct_routes
from llmgw.settings import Loaded, defaults
from llmgw.types.secret import Secret
from llmgw.wire import WIRES
from tests.route_table import application

KEY = "a-key-of-the-operators-own"
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HOST = (b"host", b"gateway.test:8080")
GOOD = (HOST, (b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json"))
NEW = {b"x-request-id", b"request-id", b"x-llmgw-call-id", b"x-llmgw-trace-id", b"date"}
"""Headers that differ from one call to the next."""

CASES: dict[str, tuple[str, str, tuple[tuple[bytes, bytes], ...], bytes, int]] = {
    "no key": ("POST", CHAT, (HOST,), b"{}", 401),
    "no key, elsewhere": ("POST", MESSAGES, (HOST,), b"{}", 401),
    "method": ("GET", CHAT, GOOD, b"", 405),
    "no JSON": ("POST", MESSAGES, GOOD[:2], b"{}", 415),
    "malformed": ("POST", CHAT, GOOD, b"{", 400),
    "too large": ("POST", CHAT, (*GOOD, (b"content-length", b"999999999999")), b"", 413),
    "nobody's model": ("POST", CHAT, GOOD, b'{"model":"no/such","messages":[]}', 400),
    "own id": ("POST", CHAT, (*GOOD, (b"x-request-id", b"mine")), b"{", 400),
    "a host of its own kind": ("POST", CHAT, ((b"host", b"a b"), *GOOD[1:]), b"{}", 400),
    "a slash too many": ("POST", f"{CHAT}/", GOOD, b"{", 400),
    "a path that is not there": ("POST", "/v1/no-such", GOOD, b"{}", 404),
}


def scope_of(method: str, path: str, headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, Any]:
    """A request as the server tells of it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "server": ("127.0.0.1", "8080"),
        "client": ("127.0.0.1", 9),
        "state": {},
    }


def asked(app: Any, scope: dict[str, Any], body: bytes = b"") -> list[dict[str, Any]]:
    """What an application sends for one request."""
    sent: list[dict[str, Any]] = []
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return pending.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def essence(sent: list[dict[str, Any]]) -> tuple[int, dict[bytes, bytes], bytes]:
    """An answer's status, headers and body, without the ids that were drawn for it."""
    start, *rest = sent
    headers = dict(start["headers"])
    body = b"".join(message.get("body", b"") for message in rest)
    for name in NEW & set(headers):
        body = body.replace(headers[name], b"id")
        headers[name] = b"id" if headers[name] != b"mine" else b"mine"
    return start["status"], headers, body


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_ways_answer_alike(case: tuple[Any, ...]) -> None:
    """What the framework answers, or has a route answer, is what comes by the front door, to the byte."""
    method, path, headers, body, status = case
    secrets = Secrets(pepper=Secret("p" * 64), context_keys={"k1": Secret("c" * 64)}, bootstrap=Secret(KEY))
    loaded = Loaded(settings=defaults({}))
    front = create_app(loaded, {}, state_url=Secret("unix:///nowhere"), secrets=secrets)
    ours, theirs = scope_of(method, path, headers), scope_of(method, path, headers)
    answer = essence(asked(front, ours, body))
    assert answer == essence(asked(front.app, theirs, body))
    assert answer[0] == status
    assert "litestar_app" in theirs
    # The framework has its say where the request is not plainly for a route of calls.
    assert ("litestar_app" in ours) is (path not in {CHAT, MESSAGES} or b" " in headers[0][1])


def test_every_dialect_has_the_short_way() -> None:
    """The routes of calls are found among the framework's, each by the path that it is registered under."""
    assert set(direct_routes(application())) == {wire.path for wire in WIRES}


def _failing(after: bool) -> ASGIRouteHandler:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        if after:
            await Exchange(scope, receive, send).start(200, [])
        raise KeyError("a mistake")

    return ASGIRouteHandler(CHAT, copy_scope=False)(fail)


def _app(handler: ASGIRouteHandler, **more: Any) -> Litestar:
    answer = make_error_answer(lambda: "1")
    return Litestar(
        [handler], exception_handlers={Exception: answer}, openapi_config=None, logging_config=None, **more
    )


def test_a_route_that_fails_is_answered_alike() -> None:
    """A mistake of ours is a 500 in the route's dialect, with a request id and nothing of the mistake."""
    app = _app(_failing(after=False))
    front = Front(app, loopback_hosts_only=False, new_id=lambda: "1")
    ours = scope_of("POST", CHAT, GOOD)
    status, headers, body = essence(asked(front, ours))
    assert (status, headers, body) == essence(asked(app, scope_of("POST", CHAT, GOOD)))
    assert (status, headers[b"x-request-id"]) == (500, b"id")
    assert b"a mistake" not in body
    assert "litestar_app" not in ours


def test_a_route_that_fails_on_its_way_is_not_answered_twice() -> None:
    """Once the status line is out the mistake goes to the server, which ends the connection."""
    front = Front(_app(_failing(after=True)), loopback_hosts_only=False, new_id=lambda: "1")
    with pytest.raises(KeyError):
        asked(front, scope_of("POST", CHAT, GOOD))


async def _guard(*_: Any) -> None:
    """Stand before a route."""


def _middleware(app: Any) -> Any:
    return app


@pytest.mark.parametrize(
    "more",
    [{"guards": [_guard]}, {"middleware": [_middleware]}, {"before_send": [_guard]}],
    ids=["guard", "middleware", "hook"],
)
def test_what_stands_before_a_route_is_not_passed_by(more: dict[str, Any]) -> None:
    """An application whose routes something of the framework's stands before has no short way to them."""
    assert direct_routes(_app(_failing(after=False))) != {}
    assert direct_routes(_app(_failing(after=False), **more)) == {}
