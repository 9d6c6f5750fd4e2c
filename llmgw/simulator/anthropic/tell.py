"""Answers written as Anthropic writes them: whole, as a stream of events, and as errors."""

import hashlib
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from llmgw.simulator.faults import Event, Spoiled
from llmgw.simulator.metering import PromptTokens
from llmgw.simulator.refusal import Refused
from llmgw.simulator.signatures import conceal, sign
from llmgw.simulator.speech import Delta, Speech
from llmgw.simulator.transcript import MadeCall
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode, encode

_STOPS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_ERRORS: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Kinds of error by status: https://platform.claude.com/docs/en/api/errors"""
_BEGUN_TOKENS: Final = 1
"""Output tokens told when a stream begins."""
_CACHED_FROM: Final = 1024


class Telling(Struct, frozen=True, kw_only=True):
    """One answer to be written; `usage` is None where none is to be reported.

    `shown` says whether the text of the reasoning is, `redacted` whether a concealed block follows it.
    """

    id: str
    model: str
    speech: Speech
    usage: dict[str, Json] | None
    shown: bool
    redacted: bool


def usage_of(prompt: PromptTokens, speech: Speech, *, marked: bool) -> dict[str, Json]:
    """Tell what an answer used; only what was marked to be cached is."""
    cacheable = prompt.before if marked and prompt.before >= _CACHED_FROM else 0
    read = prompt.cached if cacheable else 0
    written = cacheable - read
    return {
        "input_tokens": prompt.total - cacheable,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": speech.tokens(),
        "output_tokens_details": {"thinking_tokens": speech.tokens("reasoning")},
        "service_tier": "standard",
    }


def whole_body(telling: Telling) -> bytes:
    """Write the answer as one JSON document."""
    return encode(_message(telling, _content(telling), _stop(telling.speech), telling.usage))


def _message(
    telling: Telling, content: list[Json], stop: dict[str, Json], usage: dict[str, Json] | None
) -> dict[str, Json]:
    message: dict[str, Json] = {
        "id": telling.id,
        "type": "message",
        "role": "assistant",
        "model": telling.model,
        "content": content,
        **stop,
    }
    return message if usage is None else {**message, "usage": usage}


def _stop(speech: Speech) -> dict[str, Json]:
    if speech.stopped_by is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": speech.stopped_by}
    return {"stop_reason": _STOPS[speech.finish], "stop_sequence": None}


def _content(telling: Telling) -> list[Json]:
    speech = telling.speech
    content: list[Json] = []
    if speech.tokens("reasoning"):
        content.append(_thinking(telling, _thought(telling)))
        if telling.redacted:
            content.append(_redacted(telling))
    said = speech.text("content")
    if said:
        content.append({"type": "text", "text": said})
    content += [
        _tool_use(delta.call, _arguments(speech.text("arguments", delta.index)))
        for delta in speech.deltas
        if delta.call is not None
    ]
    return content


def _thought(telling: Telling) -> str:
    return telling.speech.text("reasoning") if telling.shown else ""


def _thinking(telling: Telling, thought: str) -> dict[str, Json]:
    return {"type": "thinking", "thinking": thought, "signature": sign(thought, telling.model)}


def _redacted(telling: Telling) -> dict[str, Json]:
    return {"type": "redacted_thinking", "data": conceal(telling.speech.text("reasoning"), telling.model)}


def _tool_use(call: MadeCall, given: Json) -> dict[str, Json]:
    return {"type": "tool_use", "id": tool_use_id(call.id), "name": call.name, "input": given}


def tool_use_id(call_id: str) -> str:
    """Give a call's id in Anthropic's manner."""
    return "toolu_01" + hashlib.blake2b(call_id.encode(), digest_size=11).hexdigest()


def _arguments(written: str) -> Json:
    """What was written of the arguments; nothing where they broke off."""
    try:
        return decode(written.encode())
    except InvalidJson:
        return {}


def stream_events(telling: Telling) -> Iterator[Event]:
    """Write the answer as server-sent events, in the order that Anthropic documents.

    Source: https://platform.claude.com/docs/en/build-with-claude/streaming
    """
    nothing: dict[str, Json] = {"stop_reason": None, "stop_sequence": None}
    begun = None if telling.usage is None else {**telling.usage, "output_tokens": _BEGUN_TOKENS}
    yield Event(sse({"type": "message_start", "message": _message(telling, [], nothing, begun)}), "open")
    pinged = False
    hidden = 0 if telling.shown else telling.speech.tokens("reasoning")
    for index, (opening, deltas, seal) in enumerate(_blocks(telling)):
        yield Event(sse({"type": "content_block_start", "index": index, "content_block": opening}), "frame")
        if not pinged:
            yield Event(sse({"type": "ping"}), "frame")
            pinged = True
        for delta, tokens in deltas:
            yield Event(sse({"type": "content_block_delta", "index": index, "delta": delta}), "delta", tokens)
        if seal is not None:
            yield Event(sse({"type": "content_block_delta", "index": index, "delta": seal}), "frame", hidden)
        yield Event(sse({"type": "content_block_stop", "index": index}), "frame")
    closing: dict[str, Json] = {"type": "message_delta", "delta": _stop(telling.speech)}
    if telling.usage is not None:
        closing["usage"] = {
            name: value
            for name, value in telling.usage.items()
            if name not in {"cache_creation", "service_tier"}
        }
    yield Event(sse(closing), "close")
    yield Event(sse({"type": "message_stop"}), "done")


_Block = tuple[dict[str, Json], list[tuple[Json, int]], Json]
"""A block as it opens, its deltas with the tokens of each, and the delta that seals it."""


def _blocks(telling: Telling) -> Iterator[_Block]:
    speech = telling.speech
    thoughts = [delta for delta in speech.deltas if delta.kind == "reasoning"]
    if thoughts:
        opening: dict[str, Json] = {"type": "thinking", "thinking": "", "signature": ""}
        shown = thoughts if telling.shown else []
        deltas: list[tuple[Json, int]] = [
            ({"type": "thinking_delta", "thinking": delta.text}, delta.tokens) for delta in shown
        ]
        yield (
            opening,
            deltas,
            {"type": "signature_delta", "signature": sign(_thought(telling), telling.model)},
        )
        if telling.redacted:
            yield _redacted(telling), [], None
    said = [delta for delta in speech.deltas if delta.kind == "content"]
    if said:
        yield (
            {"type": "text", "text": ""},
            [({"type": "text_delta", "text": delta.text}, delta.tokens) for delta in said],
            None,
        )
    for delta in speech.deltas:
        if delta.call is not None:
            yield _tool_use(delta.call, {}), _partials(speech.deltas, delta.index), None


def _partials(deltas: tuple[Delta, ...], index: int) -> list[tuple[Json, int]]:
    """The arguments of a call in pieces; the empty one before them stands for the call's name."""
    named = sum(delta.tokens for delta in deltas if delta.kind == "call" and delta.index == index)
    given = [
        (delta.text, delta.tokens) for delta in deltas if delta.kind == "arguments" and delta.index == index
    ]
    return [
        ({"type": "input_json_delta", "partial_json": piece}, tokens)
        for piece, tokens in [("", named), *given]
    ]


def sse(value: dict[str, Json]) -> bytes:
    """Write one server-sent event, named as its `type`."""
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), encode(value))


def error_body(refused: Refused, request_id: str) -> bytes:
    """Write an error."""
    return encode(_error(refused, request_id))


def _error(refused: Refused, request_id: str) -> dict[str, Json]:
    otherwise = "api_error" if refused.status >= 500 else "invalid_request_error"
    kind = _ERRORS.get(refused.status, otherwise)
    error: dict[str, Json] = {"type": kind, "message": refused.message}
    if refused.details is not None:
        error["details"] = refused.details
    return {"type": "error", "error": error, "request_id": request_id}


def spoiled(telling: Telling, request_id: str, *, stream: bool) -> Spoiled:
    """Write what goes wrong where a knob asks for it."""
    failure = _error(Refused(529, "Overloaded, as asked for."), request_id)
    if stream:
        garbage = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"brok'
        return Spoiled(sse(failure), b"event: content_block_delta\ndata: " + garbage + b"\n\n")
    broken = b'{"id":"' + telling.id.encode() + b'","type":"message","content":[{"type":"text","text":"brok'
    return Spoiled(encode(failure), broken)
