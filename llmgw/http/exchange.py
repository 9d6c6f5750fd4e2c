"""One HTTP exchange over raw ASGI: its headers, its body within limits, its answer, its caller's leaving.

The data plane speaks ASGI itself because the framework's request and response objects cost more per call than the
rest of the corridor.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from time import monotonic
from typing import Any, TypeAlias

from llmgw.http.hangup import hang_up
from llmgw.types.errors import (
    ClientGone,
    GatewayError,
    InvalidRequest,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""ASGI's three, as loosely typed as the specification has them."""

Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = "application/json"
_JSON = JSON.encode()

PIECE = 64 * 1024
"""Bytes of an answer that are handed to the server at a time: it keeps what it was given until it is read."""

BEGUN = "llmgw.begun"
"""The member of a scope that says that the status line is out."""
HEADERS = "llmgw.headers"
"""The member of a scope that has its headers by their names, where somebody has looked them up before."""

_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_WATCH_AFTER_S = 0.2
"""How long an exchange runs before it starts to listen for its caller's leaving: short ones never need to."""


def request_id(headers: Mapping[bytes, bytes], new_id: Callable[[], str]) -> str:
    """The caller's own request id where it is fit for headers and log lines, else a new one."""
    return given_id(headers) or f"req_{new_id()}"


def given_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's own request id; empty where there is none, or none that is fit for headers and log lines."""
    given = headers.get(b"x-request-id")
    return given.decode("ascii") if given is not None and _SAFE_ID.fullmatch(given) else ""


class Exchange:
    """One request and its answer.

    `gone` turns true when the caller has closed its connection. Somebody calls `look` every so often, for the time
    that a body may take and for the caller's leaving.
    """

    __slots__ = (
        "_body_timeout_s",
        "_due",
        "_reason",
        "_receive",
        "_send",
        "_task",
        "_watch_from",
        "_watcher",
        "gone",
        "headers",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = scope.get(HEADERS) or dict(scope["headers"])
        self.gone = False
        self._receive = receive
        self._send = send
        self._reason: GatewayError | None = None
        self._task: asyncio.Task[Any] | None = None
        self._due = self._watch_from = math.inf
        self._body_timeout_s = 0.0
        self._watcher: asyncio.Task[None] | None = None

    @property
    def method(self) -> str:
        """The request's HTTP method, upper case."""
        return str(self.scope["method"])

    def header(self, name: bytes) -> str | None:
        """The value of a header by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def every(self, name: bytes) -> str | None:
        """All values of a header joined by commas, whatever they are; None where it did not come."""
        if name not in self.headers:
            return None
        return b",".join([value for known, value in self.scope["headers"] if known == name]).decode("latin-1")

    def joined(self, name: bytes) -> str:
        """All values of a header that may come several times, joined as RFC 9110 section 5.3 says.

        Raises:
            InvalidRequest: a value is not printable ASCII, which no provider could be sent.
        """
        value = b", ".join(value for known, value in self.scope["headers"] if known == name)
        if not value.isascii() or not value.decode("ascii").isprintable():
            raise InvalidRequest(f"{name.decode()} must be printable ASCII", param=name.decode())
        return value.decode("ascii")

    def require_json(self) -> None:
        """Refuse a body that does not say it is plain JSON.

        Raises:
            UnsupportedMediaType: another type or charset, no type, or a content encoding.
        """
        given = self.headers.get(b"content-type", b"")
        if given == _JSON and b"content-encoding" not in self.headers:
            return
        media_type, _, parameters = given.lower().partition(b";")
        if media_type.strip() != _JSON:
            raise UnsupportedMediaType("content-type must be application/json")
        charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
        if charset not in {b"", b"utf-8", b"utf8"}:
            raise UnsupportedMediaType("JSON bodies must be UTF-8")
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise UnsupportedMediaType("compressed request bodies are not accepted")

    async def body(self, limit: int, timeout_s: float) -> bytes:
        """Read the request body of at most `limit` bytes.

        Raises:
            RequestTooLarge: it is longer, by its header or by its bytes.
            RequestTimeout: it did not arrive within `timeout_s`.
            ClientGone: the caller left while sending.
            InvalidRequest: it left, or its chunks are none.
        """
        # The server sees to it that the body has the declared length. It says that a body is over in a message of
        # its own, and to wait for that takes another turn of the loop. In chunks the length says nothing.
        chunked = b"transfer-encoding" in self.headers
        length = -1 if chunked else int(self.headers.get(b"content-length", b"-1"))
        if length > limit:
            raise RequestTooLarge(f"the body is over the limit of {limit} bytes")
        self._task = asyncio.current_task()
        self._body_timeout_s, self._due = timeout_s, monotonic() + timeout_s
        try:
            message = await self._receive()
            body: bytes = message.get("body", b"")
            if not body or len(body) != length:
                body = await self._pieces(message, length, limit)
        except asyncio.CancelledError:
            if self._reason is None:
                raise
            # In no variable: an error that a frame of its own keeps would keep the request open until the collector
            # of garbage comes by, and the server closes the connection only when nobody has the request.
            raise self._interrupted(self._reason) from None
        finally:
            self._due = math.inf
        return body

    async def _pieces(self, message: Mapping[str, Any], length: int, limit: int) -> bytes:
        """Put together a body that comes in several pieces, or in one of unknown length."""
        pieces: list[bytes] = []
        size = 0
        while message["type"] != "http.disconnect":
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise RequestTooLarge(f"the body is over the limit of {limit} bytes")
            pieces.append(piece)
            if size == length or not message.get("more_body", False):
                return b"".join(pieces)
            message = await self._receive()
        raise self._broken_off()

    def _broken_off(self) -> GatewayError:
        """Name the end of a body that came too soon: the server tells of a bad chunk as if the caller had left."""
        if b"transfer-encoding" in self.headers:
            return InvalidRequest("the chunked body does not come to its end")
        self.gone = True
        return ClientGone("the client left while sending its body")

    def watch(self) -> None:
        """Cancel the current task when the caller closes its connection, until `unwatch`.

        Only after the body was read: the watcher takes whatever message comes next for itself.
        """
        self._task = self._task or asyncio.current_task()
        self._watch_from = monotonic() + _WATCH_AFTER_S

    def unwatch(self) -> None:
        """Stop listening for the caller's leaving."""
        self._watch_from = math.inf
        if self._watcher is not None:
            self._watcher.cancel()
        self._task = None

    def listen(self) -> None:
        """Listen for the caller's leaving from now on, as a watched exchange does once it has run for a while."""
        self._watch_from = math.inf
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def look(self, now: float) -> None:
        """See what is due at `now`, of `time.monotonic`: a body that is late, or to listen for the caller."""
        if now >= self._watch_from:
            self.listen()
        elif now >= self._due:
            self._due = math.inf
            self.interrupt(RequestTimeout(f"the body did not arrive within {self._body_timeout_s:g} s"))

    async def _watch(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                break
        self.leave()

    def leave(self) -> None:
        """Treat the caller as gone: the task that serves it is cancelled."""
        self.gone = True
        self.interrupt(ClientGone("the client closed its connection"))

    def cut_off(self) -> None:
        """End the connection of a caller who is there but does not read; it counts as gone."""
        self._hang_up()
        self.leave()

    def _hang_up(self) -> None:
        server, client = self.scope.get("server"), self.scope.get("client")
        if server and client:
            # The specification says numbers, the server writes text.
            hang_up(int(server[1]), (client[0], int(client[1])))

    def interrupt(self, reason: GatewayError) -> None:
        """Cancel the task that serves the caller, who is told why if it is still there."""
        if self._task is not None and self._reason is None:
            self._reason = reason
            self._task.cancel()

    def interruption(self) -> GatewayError | None:
        """Why this task was cancelled, taking the cancellation back; None when it was not our doing."""
        if self._reason is not None and self._task is not None:
            self._task.uncancel()
        return self._reason

    def _interrupted(self, reason: GatewayError) -> GatewayError:
        """Take a cancellation back, and forget why it was."""
        self.interruption()
        self._reason = None
        return reason

    def start(self, status: int, headers: Headers) -> Awaitable[None]:
        """Send the status line and headers."""
        self.scope[BEGUN] = True
        return self._send({"type": "http.response.start", "status": status, "headers": headers})

    def send(self, body: bytes, *, more: bool) -> Awaitable[None]:
        """Send a piece of the body; the server waits here while the caller reads slowly."""
        return self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def respond(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
        *,
        stall_s: float,
        media_type: str = JSON,
    ) -> None:
        """Send a whole answer to a caller who reads some of it at least every `stall_s`.

        Raises:
            ClientGone: the caller does not.
        """
        size = len(body)
        length = (b"content-length", b"%d" % size)
        await self.start(status, [(b"content-type", media_type.encode()), length, *headers])
        if size <= PIECE:
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        try:
            for at in range(0, size, PIECE):
                async with asyncio.timeout(stall_s):
                    await self.send(body[at : at + PIECE], more=at + PIECE < size)
        except TimeoutError:
            self.gone = True
            self._hang_up()
            raise ClientGone(f"the client took nothing of its answer for {stall_s:g} s") from None
