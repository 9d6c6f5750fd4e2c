"""A provider that writes down what it said, and misbehaves when it is told to.

What a call is for stands in the last `plan:<id>:<pieces>;` of its body: `all` is a whole answer, a number is so
many pieces of a stream after which the provider waits until its caller is gone, `none` is no answer at all. Each
piece says what was used until then, so that a stream that breaks off has a count of the provider's own. Calls below
`/spare/` are never refused.
"""

import asyncio
import re
from collections import Counter
from typing import Final, Literal, TypeAlias

import msgspec

from loadtests.upstream import embeddings, whole
from loadtests.upstream_wire import HEAD, framed

PIECES: Final = 12
_PLAN = re.compile(rb"plan:(\d+):(all|none|\d+);")
_EMBEDDED: Final = (9, 0)
"""Tokens that the prebaked embedding says it read and wrote."""
_BYTES: Final = 4
_SALT: Final = 97
"""So many different counts for calls of one size: what is charged twice and what is forgotten do not look alike."""

Mode: TypeAlias = Literal["well", "refusing", "slow", "cutting"]
Usage: TypeAlias = tuple[int, int]
"""Tokens in and out."""


class SoakUpstream:
    """Serves on a port of its own in the caller's loop."""

    def __init__(self) -> None:
        self.port = 0
        self.mode: Mode = "well"
        self.said: Counter[Usage] = Counter()
        """Every answer that was begun, by what it said it used in the end."""
        self.unsaid = 0
        """Calls whose caller left before anything was said."""
        self.calls = 0
        self.refused = 0
        self.trace_batches = 0
        self.holding: dict[int, asyncio.Event] = {}
        """By plan, set when the provider waits for its caller to go."""
        self._numbers = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._embedding = embeddings()
        error = {"error": {"message": "out of order", "type": "server_error", "param": None, "code": None}}
        self._refusal = whole("503 Service Unavailable", msgspec.json.encode(error))

    async def start(self) -> asyncio.Server:
        """Begin to listen."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1])) if found else b""
                if not await self._answer(head[: head.index(b"\r\n")], body, reader, writer):
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass  # the caller is gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, line: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; says whether the connection is good for another."""
        if b"/chat/completions " in line:
            return await self._chat(body, reader, writer, spare=b"/spare/" in line)
        if b"/embeddings " in line:
            self.calls += 1
            self.said[_EMBEDDED] += 1
            writer.write(self._embedding)
        else:
            self.trace_batches += b"/traces " in line
            writer.write(whole("200 OK", b"", "application/x-protobuf"))
        return True

    async def _chat(
        self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, spare: bool
    ) -> bool:
        self.calls += 1
        self._numbers += 1
        number = self._numbers
        plan, pieces = _PLAN.findall(body)[-1]
        mode = self.mode
        if mode == "refusing" and number % 3 and not spare:
            self.refused += 1
            writer.write(self._refusal)
            return True
        if mode == "slow" and await _left(reader, 0.5 + number % 10 / 10):
            self.unsaid += 1
            return False
        if pieces == b"none":
            self.unsaid += 1
            self._hold(int(plan))
            await _left(reader, None)
            return False
        read = len(body) // _BYTES + number % _SALT
        if b'"stream":true' not in body:
            self.said[read, PIECES] += 1
            writer.write(whole("200 OK", _completion(read, int(plan))))
            return True
        return await self._stream(read, (int(plan), pieces, mode), reader, writer)

    async def _stream(
        self,
        read: int,
        how: tuple[int, bytes, Mode],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        plan, pieces, mode = how
        held = pieces != b"all"
        cut = mode == "cutting" and not held
        count = int(pieces) if held else PIECES // 2 if cut else PIECES
        self.said[read, count] += 1
        writer.write(HEAD)
        for number in range(count + 1):
            writer.write(_event(_chunk(read, number, f"answer {plan} " if number else "")))
            await asyncio.sleep(0)
        if held:
            self._hold(plan)
            await _left(reader, None)
        if held or cut:
            return False
        writer.write(_event({**_chunk(read, PIECES, ""), "choices": [_choice({}, "stop")]}))
        writer.write(framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        return True

    def _hold(self, plan: int) -> None:
        waiting = self.holding.get(plan)
        if waiting is not None:
            waiting.set()


async def _left(reader: asyncio.StreamReader, within_s: float | None) -> bool:
    """Wait for the caller to close; False when the time is over."""
    try:
        async with asyncio.timeout(within_s):
            return not await reader.read(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def _completion(read: int, plan: int) -> bytes:
    message = {"role": "assistant", "content": f"answer {plan} " * PIECES}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return msgspec.json.encode(
        {
            "id": f"chatcmpl-{plan}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "soak",
            "choices": [choice],
            "usage": _usage(read, PIECES),
        }
    )


def _usage(read: int, wrote: int) -> dict[str, int]:
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}


def _choice(delta: dict[str, str], finish: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _chunk(read: int, wrote: int, text: str) -> dict[str, object]:
    delta = {"content": text} if text else {"role": "assistant", "content": ""}
    return {
        "id": "chatcmpl-soak",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "soak",
        "choices": [_choice(delta, None)],
        "usage": _usage(read, wrote),
    }


def _event(value: object) -> bytes:
    return framed(b"data: " + msgspec.json.encode(value) + b"\n\n")
