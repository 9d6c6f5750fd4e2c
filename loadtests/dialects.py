"""Prebaked streams of the other protocols: as many pieces of content as asked for, all at once."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from loadtests.upstream_wire import HEAD, MARKER, framed

_MODEL = "static"


@lru_cache(maxsize=1024)
def anthropic(chunks: int, read: int) -> bytes:
    """A streamed message of `chunks` text deltas, in the documented order of events; `read` tokens came in."""
    usage = {"input_tokens": read, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message: dict[str, object] = {
        "id": "msg_static00000000000000000000",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    deltas: Iterable[dict[str, object]] = (
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": f"{MARKER.decode()}{n} word "},
        }
        for n in range(chunks)
    )
    events: tuple[dict[str, object], ...] = (
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**usage, "output_tokens": chunks},
        },
        {"type": "message_stop"},
    )
    return _answer(map(_named, events))


@lru_cache(maxsize=1024)
def gemini(chunks: int, read: int) -> bytes:
    """A streamed content of `chunks` text parts; `read` tokens came in."""
    return _answer(
        b"data: %b\r\n\r\n" % msgspec.json.encode(_response(n, chunks, read)) for n in range(chunks)
    )


def _response(n: int, chunks: int, read: int) -> dict[str, object]:
    parts = [{"text": f"{MARKER.decode()}{n} word "}]
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if n == chunks - 1:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": read,
            "candidatesTokenCount": n + 1,
            "totalTokenCount": read + 1 + n,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
        },
        "modelVersion": _MODEL,
        "responseId": "static000000000000000",
    }


def _named(event: dict[str, object]) -> bytes:
    name = str(event["type"]).encode()
    return b"event: %b\ndata: %b\n\n" % (name, msgspec.json.encode(event))


def _answer(events: Iterable[bytes]) -> bytes:
    return HEAD + b"".join(map(framed, events)) + b"0\r\n\r\n"
