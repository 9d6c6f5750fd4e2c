"""A caller's connection: whole answers are read, streams too, and some callers go before the end."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

LONGEST_S: Final = 30.0
"""An answer that takes longer is one that never came."""
_OK: Final = 200
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Reply(Struct, kw_only=True):
    """What a caller had of an answer; status 0 is none."""

    status: int = 0
    head: bytes = b""
    body: bytes = b""
    whole: bool = False
    hung: bool = False


class Callers:
    """Calls of many to one gateway; idle connections are used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, path: str, key: str, body: Mapping[str, object], *, method: str = "POST") -> Reply:
        """Make a call and read its answer."""
        reply = Reply()
        try:
            async with asyncio.timeout(LONGEST_S):
                while self._idle:
                    reader, writer = self._idle.pop()
                    if not reader.at_eof() and not writer.is_closing():
                        break
                    writer.close()
                else:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    await self._exchange(reply, reader, writer, _request(path, key, body, method))
                finally:
                    if reply.whole and b"connection: close" not in reply.head.lower():
                        self._idle.append((reader, writer))
                    else:
                        writer.close()
        except TimeoutError:
            reply.hung = True
        except (OSError, asyncio.IncompleteReadError):
            pass
        return reply

    async def leave(
        self, path: str, key: str, body: Mapping[str, object], *, held: asyncio.Event, pieces: int
    ) -> Reply:
        """Make a call, read `pieces` of its stream, and go; with no pieces, once the provider has the call.

        Who is refused or cut off before has nothing to leave.
        """
        reply = Reply()
        try:
            async with asyncio.timeout(LONGEST_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(_request(path, key, body))
                answered = asyncio.ensure_future(self._read_until(reply, reader, pieces))
                waiting = asyncio.ensure_future(held.wait())
                try:
                    either = {answered} if pieces else {answered, waiting}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    answered.cancel()
                    waiting.cancel()
                    await asyncio.gather(answered, waiting, return_exceptions=True)
                    writer.transport.abort()
        except TimeoutError:
            reply.hung = True
        except OSError:
            pass
        return reply

    async def _read_until(self, reply: Reply, reader: asyncio.StreamReader, pieces: int) -> None:
        """Read until so many pieces of content are here; a refusal is read whole."""
        reply.head = await reader.readuntil(b"\r\n\r\n")
        reply.status = int(reply.head[9:12])
        if reply.status != _OK:
            await self._body(reply, reader)
            return
        while reply.body.count(b"answer ") < pieces and (data := await reader.read(65536)):
            reply.body += data

    async def _exchange(
        self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        writer.write(request)
        reply.head = await reader.readuntil(b"\r\n\r\n")
        reply.status = int(reply.head[9:12])
        await self._body(reply, reader)

    async def _body(self, reply: Reply, reader: asyncio.StreamReader) -> None:
        length = _LENGTH.search(reply.head)
        if length is not None:
            reply.body = await reader.readexactly(int(length[1]))
            reply.whole = True
            return
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            reply.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        reply.whole = True

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop()[1].close()


def _request(path: str, key: str, body: Mapping[str, object], method: str = "POST") -> bytes:
    data = msgspec.json.encode(body) if method == "POST" else b""
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data
