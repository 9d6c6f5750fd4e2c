"""The least a forwarder on this stack can cost: Granian in front, aiohttp behind, and nothing in between.

python -m loadtests.limit PORT UPSTREAM_PORT
"""

import gc
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import aiohttp
from granian import Granian
from granian.constants import Interfaces
from yarl import URL

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Forwarder:
    """ASGI application that passes bodies on, asks nothing and checks nothing."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession
        self._urls: dict[str, URL] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._forward(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._session.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _forward(self, scope: Message, receive: Receive, send: Send) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        path = scope["path"]
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self._upstream + path, encoded=True))
        async with self._session.post(url, data=body, headers={"content-type": "application/json"}) as answer:
            headers = [(b"content-type", answer.headers["content-type"].encode())]
            length = answer.headers.get("content-length")
            if length is not None:
                headers.append((b"content-length", length.encode()))
                whole = await answer.read()
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await send({"type": "http.response.body", "body": whole, "more_body": False})
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def main() -> None:
    """Serve until a signal says stop."""
    port, upstream = sys.argv[1:]
    server = Granian(
        target="limit",
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGI,
        workers=1,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=lambda: Forwarder(f"http://127.0.0.1:{upstream}"), wrap_loader=False)


if __name__ == "__main__":
    main()
