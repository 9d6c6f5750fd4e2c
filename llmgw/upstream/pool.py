"""Connections kept per origin, and what an attempt learns about the one it was given."""

import asyncio
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from llmgw import __version__

KEEPALIVE_S: Final = 30.0
"""How long an unused connection is kept: less than the 60 s after which common load balancers drop theirs."""

READ_AHEAD: Final = 16 * 1024
"""Bytes of a body after which no more is read until they are taken; one read of the socket may bring more."""

_HEADERS: Final = {"User-Agent": f"llmgw/{__version__}", "Accept-Encoding": "identity"}


class Link:
    """One connection, from its making to its loss.

    aiohttp does not tell the reader of a body when a later part of it does not parse, it only drops the
    connection; `on_lost` is how the reader learns of it.
    """

    __slots__ = ("on_lost",)

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] | None = None


class Line:
    """The connection of one try: told when it is ready, asked afterwards how it fared."""

    __slots__ = (
        "_deadline",
        "_first_byte_s",
        "at_deadline",
        "clock",
        "link",
        "protocol",
        "reused",
        "transport",
    )

    def __init__(self, first_byte_s: float, deadline: float) -> None:
        self.clock = asyncio.timeout(None)
        """Set when the connection is ready; until then the connect clock bounds the try."""
        self.reused = False
        self.link: Link | None = None
        self.protocol: ResponseHandler | None = None
        self.transport: asyncio.Transport | None = None
        self._first_byte_s = first_byte_s
        self._deadline = deadline

    def ready(self, protocol: ResponseHandler, link: Link, now: float, *, reused: bool) -> None:
        """Start the first-byte clock, unless the total one ends sooner."""
        self.link = link
        self.protocol = protocol
        self.transport = protocol.transport
        self.reused = reused
        self.clock.reschedule(min(now + self._first_byte_s, self._deadline))

    @property
    def was_reset(self) -> bool:
        """Whether the connection ended in an error, which an answer without a length does not show."""
        return self.protocol is not None and isinstance(self.protocol.exception(), OSError)

    def abort(self) -> None:
        """Drop the connection now; a plain close would first wait for the peer to take what we sent."""
        if self.transport is not None:
            self.transport.abort()


LINE: Final[ContextVar[Line]] = ContextVar("llmgw.upstream.line")
"""The try that is waiting for a connection in this task."""


class Connector(aiohttp.TCPConnector):
    """A pool that tells the waiting try when its connection is ready and whether it is a kept one."""

    def __init__(self, tls: ssl.SSLContext, *, keep: bool) -> None:
        # How many connections there are is bounded by each target's concurrency, not here.
        if keep:
            super().__init__(ssl=tls, limit=0, keepalive_timeout=KEEPALIVE_S)
        else:
            super().__init__(ssl=tls, limit=0, force_close=True)
        self._links: dict[ResponseHandler, Link] = {}

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> Connection:
        """Get a kept connection that has been silent since its last answer, or make one."""
        connection = await super().connect(req, traces, timeout)
        while (protocol := connection.protocol) in self._links and protocol.should_close:
            # Something came that nobody had asked for: it would be read as the answer to what is asked next.
            connection.close()
            connection = await super().connect(req, traces, timeout)
        if protocol is not None:
            link = self._links.get(protocol)
            reused = link is not None
            if link is None:
                link = self._linked(protocol)
            LINE.get().ready(protocol, link, self._loop.time(), reused=reused)
        return connection

    def count(self) -> tuple[int, int]:
        """Connections that carry a call, and those kept for the next one; may be asked from another thread."""
        idle = sum(map(len, list(self._conns.values())))
        return len(self._acquired), idle

    def _linked(self, protocol: ResponseHandler) -> Link:
        link = Link()
        closed = protocol.closed
        if closed is not None:
            self._links[protocol] = link
            closed.add_done_callback(lambda lost: self._unlink(protocol, lost))
        return link

    def _unlink(self, protocol: ResponseHandler, lost: asyncio.Future[None]) -> None:
        if not lost.cancelled():
            lost.exception()  # one that nobody fetches would be logged
        link = self._links.pop(protocol)
        if link.on_lost is not None:
            link.on_lost()


class Pool:
    """The connections of one origin and the number of calls that use them."""

    __slots__ = ("calls", "connector", "provider", "retired", "session")

    def __init__(self, connector: Connector, provider: str) -> None:
        self.connector = connector
        self.session = new_session(connector)
        self.provider = provider
        """The first one that was asked there."""
        self.calls = 0
        self.retired = False


def new_session(connector: Connector) -> aiohttp.ClientSession:
    """Make a session that adds nothing of its own to a request but who we are."""
    return aiohttp.ClientSession(
        connector=connector,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=READ_AHEAD,
    )


@lru_cache(maxsize=1024)
def origin_of(url: str) -> str:
    """Scheme, host and port of an absolute URL.

    Raises:
        ValueError: there is none.
    """
    return str(URL(url, encoded=True).origin())
