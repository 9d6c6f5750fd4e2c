"""Events as they come: a stream of server-sent events that goes on where its reader left off."""

import asyncio
import logging
from typing import Any, Final

from litestar import Response
from msgspec import Struct

from llmgw.http.exchange import Exchange, Headers, Receive, Scope, Send
from llmgw.http.runtime import Runtime
from llmgw.http.streaming import StreamWriter
from llmgw.policy.signals.events import Place
from llmgw.types.errors import Draining, GatewayError, Overloaded, StoreUnavailable
from llmgw.types.json import encode
from llmgw.types.signal import Event

_log = logging.getLogger(__name__)

FEEDS_MAX: Final = 100
"""Live streams of one worker."""
DRAIN_LOOK_S: Final = 1.0
"""How often it looks whether the gateway stops."""
LOOK_S: Final = 10.0
"""How often it looks for events of which it was not told."""
_PAGE: Final = 100
_PING: Final = b": ping\n\n"


class Wanted(Struct, frozen=True, kw_only=True):
    """What somebody reads: of one tenant, or of all, some kinds, or all, from a place on."""

    tenant: str | None
    kinds: tuple[str, ...]
    after: Place


class Feeds:
    """The live streams of a worker."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.running = 0


class EventFeed(Response[bytes]):
    """The answer that is a live stream: it takes the place of its own bytes.

    Raises:
        Draining: the gateway is stopping.
        Overloaded: there are as many as may be.
    """

    def __init__(self, feeds: Feeds, wanted: Wanted) -> None:
        if feeds.runtime.draining:
            raise Draining("the gateway is stopping", retry_after_s=1)
        if feeds.running >= FEEDS_MAX:
            raise Overloaded("the gateway has as many live streams as it may", retry_after_s=5)
        super().__init__(b"")
        self._feeds = feeds
        self._wanted = wanted

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Give the server what writes the stream."""
        headers = [(name.lower().encode(), text.encode()) for name, text in self.headers.items()]
        return _Writing(self._feeds, self._wanted, headers)


class _Writing:
    """One stream while it is written."""

    def __init__(self, feeds: Feeds, wanted: Wanted, headers: Headers) -> None:
        self._feeds = feeds
        self._wanted = wanted
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write events until the reader leaves or the gateway stops."""
        limits = self._feeds.runtime.limits
        exchange = Exchange(scope, receive, send)
        writer = StreamWriter(exchange, self._headers, ping=_PING, hold_s=0, ping_s=limits.ping_s)
        self._feeds.running += 1
        exchange.watch()
        exchange.listen()
        try:
            await self._write(writer)
        except asyncio.CancelledError:
            if exchange.interruption() is None:
                raise
        except GatewayError:
            _log.warning("a live stream of events ends, for the store does not answer")
        finally:
            self._feeds.running -= 1
            writer.abandon()
            exchange.unwatch()

    async def _write(self, writer: StreamWriter) -> None:
        runtime, wanted = self._feeds.runtime, self._wanted
        log, after = runtime.signals.log, wanted.after
        while not runtime.draining:
            rung = runtime.signals.bell.rung()
            more = False
            try:
                tenants = await log.tenants() if wanted.tenant is None else [wanted.tenant]
                page = await log.page(tenants, after, _PAGE, wanted.kinds)
                for place, event in page.items:
                    await writer.send(_frame(place, event), [])
                after, more = page.last, page.more
            except StoreUnavailable:
                # The reader hears pings until the store is back, and misses nothing.
                pass
            end = asyncio.get_running_loop().time() + LOOK_S
            while not more and not runtime.draining:
                more = await rung.within(DRAIN_LOOK_S) or asyncio.get_running_loop().time() >= end
        await writer.end(b"", [])


def _frame(place: Place, event: Event) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(place).encode(), event.kind.encode(), encode(event))
