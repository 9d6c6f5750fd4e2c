"""Answers written as OpenAI writes them: whole, as a stream of chunks, and as errors."""

import zlib
from collections.abc import Iterator
from itertools import zip_longest

from msgspec import Struct

from llmgw.simulator.faults import Event, Spoiled
from llmgw.simulator.metering import PromptTokens
from llmgw.simulator.refusal import Refused
from llmgw.simulator.speech import Delta, Speech
from llmgw.types.json import Json, encode

_FINGERPRINT = "fp_simulator"
_DONE = Event(b"data: [DONE]\n\n", "done")


class Telling(Struct, frozen=True, kw_only=True):
    """One answer to be written; `usage` is None where none is to be reported."""

    id: str
    created: int
    model: str
    choices: tuple[Speech, ...]
    usage: Json
    top_logprobs: int | None


def usage_of(prompt: PromptTokens, choices: tuple[Speech, ...]) -> Json:
    """Add up what an answer used."""
    completion = sum(choice.tokens() for choice in choices)
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": completion,
        "total_tokens": prompt.total + completion,
        "prompt_tokens_details": {"cached_tokens": prompt.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(choice.tokens("reasoning") for choice in choices),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def whole_body(telling: Telling) -> bytes:
    """Write the answer as one JSON document."""
    body = {
        "id": telling.id,
        "object": "chat.completion",
        "created": telling.created,
        "model": telling.model,
        "choices": [
            _choice(index, speech, telling.top_logprobs) for index, speech in enumerate(telling.choices)
        ],
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    if telling.usage is not None:
        body["usage"] = telling.usage
    return encode(body)


def _choice(index: int, speech: Speech, top_logprobs: int | None) -> Json:
    calls = [delta for delta in speech.deltas if delta.kind == "call"]
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if calls else speech.text("content"),
        "refusal": None,
        "annotations": [],
    }
    reasoning = speech.text("reasoning")
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [_call(delta, speech.text("arguments", delta.index)) for delta in calls]
    tokens = [delta for delta in speech.deltas if delta.kind == "content"]
    logprobs = None if top_logprobs is None else _logprobs(tokens, top_logprobs)
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": speech.finish}


def _call(delta: Delta, arguments: str) -> Json:
    call = delta.call
    if call is None:
        raise ValueError("a delta of kind call carries its call")
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _logprobs(tokens: list[Delta], top: int) -> Json:
    return {"content": [_logprob(delta.text, top) for delta in tokens], "refusal": None}


def _logprob(token: str, top: int) -> Json:
    likeliest = [_scored(token, 0), *(_scored(f"{token}{rank}", rank) for rank in range(1, top))][:top]
    return {**_scored(token, 0), "top_logprobs": likeliest}


def _scored(token: str, rank: int) -> dict[str, Json]:
    raw = token.encode()
    return {"token": token, "logprob": -rank - zlib.crc32(raw) % 1000 / 10_000, "bytes": list(raw)}


def stream_events(telling: Telling, *, include_usage: bool) -> Iterator[Event]:
    """Write the answer as server-sent events; several choices take turns."""
    envelope: dict[str, Json] = {
        "id": telling.id,
        "object": "chat.completion.chunk",
        "created": telling.created,
        "model": telling.model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    tail: dict[str, Json] = {"usage": None} if include_usage else {}

    def chunk(index: int, delta: Json, logprobs: Json = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return sse({**envelope, "choices": [choice], **tail})

    for index, speech in enumerate(telling.choices):
        content = None if any(delta.kind == "call" for delta in speech.deltas) else ""
        yield Event(chunk(index, {"role": "assistant", "content": content, "refusal": None}), "open")
    customs = [_custom_calls(speech) for speech in telling.choices]
    for row in zip_longest(*(speech.deltas for speech in telling.choices)):
        for index, delta in enumerate(row):
            if delta is not None:
                logprobs = None
                if telling.top_logprobs is not None and delta.kind == "content":
                    logprobs = _logprobs([delta], telling.top_logprobs)
                yield Event(chunk(index, _delta(delta, customs[index]), logprobs), "delta", delta.tokens)
    for index, speech in enumerate(telling.choices):
        yield Event(chunk(index, {}, finish=speech.finish), "close")
    if include_usage and telling.usage is not None:
        yield Event(sse({**envelope, "choices": [], "usage": telling.usage}), "usage")
    yield _DONE


def _custom_calls(speech: Speech) -> frozenset[int]:
    """Positions of the calls whose text is free."""
    return frozenset(delta.index for delta in speech.deltas if delta.call is not None and delta.call.custom)


def _delta(delta: Delta, customs: frozenset[int]) -> Json:
    match delta.kind:
        case "reasoning":
            return {"reasoning_content": delta.text}
        case "content":
            return {"content": delta.text}
        case "call":
            return {"tool_calls": [{"index": delta.index, **_call(delta, "")}]}
        case "arguments":
            more = (
                {"custom": {"input": delta.text}}
                if delta.index in customs
                else {"function": {"arguments": delta.text}}
            )
            return {"tool_calls": [{"index": delta.index, **more}]}


def sse(value: Json) -> bytes:
    """Write one server-sent event."""
    return b"data: " + encode(value) + b"\n\n"


def error_body(refused: Refused) -> bytes:
    """Write an error."""
    return encode({"error": _error(refused)})


def _error(refused: Refused) -> Json:
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    code = refused.code
    if refused.status == 429:
        kind, code = "requests", code or "rate_limit_exceeded"
    return {"message": refused.message, "type": kind, "param": refused.param, "code": code}


def spoiled(telling: Telling, *, stream: bool) -> Spoiled:
    """Write what goes wrong where a knob asks for it."""
    failure = Refused(500, "The server had an error while processing your request, as asked for.")
    garbage = b'{"id":"' + telling.id.encode() + b'","choices":[{"index":0,"delta":{"content":"brok'
    if stream:
        return Spoiled(sse({"error": _error(failure)}), b"data: " + garbage + b"\n\n")
    return Spoiled(error_body(failure), garbage)
