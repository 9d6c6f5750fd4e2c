"""A provider that costs next to nothing: prebaked answers over a minimal HTTP/1.1, and a collector for traces.

    python -m loadtests.upstream        prints its port and serves until SIGTERM

What it answers is chosen by path and model:

    POST …/chat/completions   static              a completion of about 1 KB; 20 chunks at once if streamed
                              static-NxMms        streams N chunks, M ms apart
                              static-503          always 503
                              static-503-2of5     503 to two calls of five
    POST …/messages           static-NxMms        the same N chunks in Anthropic's events, at once
    POST …:streamGenerateContent  static-NxMms    the same N chunks as Gemini's, at once
    POST …/embeddings         any                 one vector of 1536 numbers, as base64
    POST …/traces             -                   200; what was sent is counted and forgotten
    GET  /stats               -                   counts since the start

Answers say that they read a token for each four bytes they were sent: a gateway that is told of far fewer takes
some for lost, and counts again.
"""

import asyncio
import base64
import re
import signal
import struct
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import msgspec
import uvloop

from loadtests import dialects
from loadtests.upstream_wire import HEAD, MARKER, framed

EMBEDDING_MARKER = b'"embedding":'

_STREAMED = re.compile(rb"static-(\d{1,4})x(\d{1,5})ms")
_CREATED = 1_790_000_000
_FAILING = (1, 3)
_OF = 5
_BYTES = 4
"""Bytes to a token."""
STREAM_END = framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Stream(msgspec.Struct, frozen=True):
    """A streamed answer: a head, pieces as they go out, and what follows them at once."""

    head: bytes
    pieces: tuple[bytes, ...]
    tail: bytes
    gap_s: float


def whole(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Prebake an answer with a length."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@lru_cache(maxsize=4096)
def completion(read: int) -> bytes:
    """Prebake a chat completion of about 1 KB that says it read so many tokens."""
    words = " ".join(["The quick brown fox jumps over the lazy dog."] * 9)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": f"{MARKER.decode()}0 {words}",
        "refusal": None,
        "annotations": [],
    }
    body = {
        "id": "chatcmpl-static0000000000000000000000",
        "object": "chat.completion",
        "created": _CREATED,
        "model": "static",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(read, 96),
        "service_tier": "default",
        "system_fingerprint": "fp_static",
    }
    return whole("200 OK", msgspec.json.encode(body))


def embeddings() -> bytes:
    """Prebake one embedding in base64, which is what the official SDK asks for."""
    vector = base64.b64encode(struct.pack("<1536f", *(n / 1536 for n in range(1536)))).decode()
    body = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "static",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    return whole("200 OK", msgspec.json.encode(body))


def stream(chunks: int, gap_ms: int) -> Stream:
    """Prebake a stream of `chunks` pieces of content."""
    role = _event(_chunk({"role": "assistant", "content": "", "refusal": None}))
    pieces = [_event(_chunk({"content": f"{MARKER.decode()}{n} word "})) for n in range(chunks)]
    pieces[0] = role + pieces[0]
    end = _event(_chunk({}, finish_reason="stop"))
    return Stream(HEAD, tuple(pieces), end, gap_ms / 1000)


@lru_cache(maxsize=4096)
def usage_event(read: int, chunks: int) -> bytes:
    """Say in a stream what was used; a provider that read less than was sent would be suspected."""
    return _event({**_chunk({}), "choices": [], "usage": _usage(read, chunks)})


def _usage(read: int, output: int) -> dict[str, object]:
    return {
        "prompt_tokens": read,
        "completion_tokens": output,
        "total_tokens": read + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chunk(delta: dict[str, object], finish_reason: str | None = None) -> dict[str, object]:
    return {
        "id": "chatcmpl-static0000000000000000000000",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": "static",
        "service_tier": "default",
        "system_fingerprint": "fp_static",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
    }


def _event(value: object) -> bytes:
    return framed(b"data: " + msgspec.json.encode(value) + b"\n\n")


class Answers:
    """Everything that can be answered, made once, and how often it was."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.embeddings = embeddings()
        self.accepted = whole("200 OK", b"", "application/x-protobuf")
        self.nothing_here = whole("404 Not Found", b"{}")
        error = {"error": {"message": "out of order", "type": "server_error", "param": None, "code": None}}
        self.out_of_order = whole("503 Service Unavailable", msgspec.json.encode(error))
        self._streams: dict[bytes, Stream] = {}

    def find(self, line: bytes, body: bytes) -> bytes | Stream:
        """Choose the answer to a request by its first line and body."""
        if b"/chat/completions " in line:
            return self._chat(body)
        if b"/messages " in line:
            return self._prebaked(dialects.anthropic, _member(body, b'"model"').strip(b'"'), body)
        if b":streamGenerateContent" in line:
            model = line.partition(b"/models/")[2].partition(b":")[0]
            return self._prebaked(dialects.gemini, model, body)
        if b"/embeddings " in line:
            self.counts["calls"] += 1
            return self.embeddings
        if b"/traces " in line:
            self.counts["trace_batches"] += 1
            self.counts["trace_bytes"] += len(body)
            return self.accepted
        if line.startswith(b"GET /stats "):
            return whole("200 OK", msgspec.json.encode(self.counts))
        return self.nothing_here

    def _prebaked(self, dialect: Callable[[int, int], bytes], model: bytes, body: bytes) -> bytes:
        self.counts["calls"] += 1
        shape = _STREAMED.fullmatch(model)
        return dialect(int(shape[1]) if shape else 20, len(body) // _BYTES)

    def _chat(self, body: bytes) -> bytes | Stream:
        self.counts["calls"] += 1
        model = _member(body, b'"model"').strip(b'"')
        if model.startswith(b"static-503"):
            turn = self.counts["flaky"] % _OF
            self.counts["flaky"] += 1
            if model == b"static-503" or turn in _FAILING:
                self.counts["refused"] += 1
                return self.out_of_order
        if _member(body, b'"stream"') != b"true":
            return completion(len(body) // _BYTES)
        known = self._streams.get(model)
        if known is None:
            shape = _STREAMED.fullmatch(model)
            known = stream(int(shape[1]), int(shape[2])) if shape else stream(20, 0)
            self._streams[model] = known
        return known


def _member(body: bytes, name: bytes) -> bytes:
    """The plain value after the first `name` of a JSON text whose strings do not hold `name`."""
    at = body.find(name)
    if at < 0:
        return b""
    start = at + len(name) + 1
    return body[start : start + 80].split(b",", 1)[0].split(b"}", 1)[0].strip()


class Conversation(asyncio.Protocol):
    """One connection: reads requests with a content-length, one after the other."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._wanted = 0  # bytes of the request that is under way, once they are known
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        self._wanted = 0
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            stop = end + 4 + length
            if len(data) < stop:
                self._wanted = stop
                break
            line = data[: data.find(b"\r\n")]
            self._answer(line, data[end + 4 : stop])
            data = data[stop:]
        self._buffer += data

    def _answer(self, line: bytes, body: bytes) -> None:
        answer = self._answers.find(line, body)
        if isinstance(answer, bytes):
            self._transport.write(answer)
            return
        told = _member(body, b'"include_usage"') == b"true"
        usage = usage_event(len(body) // _BYTES, len(answer.pieces)) if told else b""
        tail = answer.tail + usage + STREAM_END
        if answer.gap_s:
            self._pace(answer, tail, 0, self._loop.time())
        else:
            self._transport.write(answer.head + b"".join(answer.pieces) + tail)

    def _pace(self, answer: Stream, tail: bytes, position: int, began: float) -> None:
        if self._transport.is_closing():
            return
        piece = answer.pieces[position] if position else answer.head + answer.pieces[0]
        following = position + 1
        if following == len(answer.pieces):
            self._transport.write(piece + tail)
            return
        self._transport.write(piece)
        self._loop.call_at(began + following * answer.gap_s, self._pace, answer, tail, following, began)


async def serve() -> None:
    """Listen on a free loopback port, print it, and stop at SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    answers = Answers()
    server = await loop.create_server(lambda: Conversation(answers), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(serve())
