"""Answers written as Gemini writes them: whole, as a stream, and as errors."""

import zlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.simulator.faults import Event, Spoiled
from llmgw.simulator.gemini import signatures as gemini_signatures
from llmgw.simulator.metering import PromptTokens
from llmgw.simulator.refusal import Refused
from llmgw.simulator.speech import Delta, Speech
from llmgw.simulator.transcript import MadeCall
from llmgw.types.json import Json, decode, encode

Framing: TypeAlias = Literal["whole", "sse", "array"]
"""One document, server-sent events, or the elements of one JSON array: what `streamGenerateContent` gives without
`alt=sse`."""

_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""https://cloud.google.com/apis/design/errors#handling_errors."""
_RPC = "type.googleapis.com/google.rpc."
_FAILURE = Refused(500, "An internal error has occurred, as asked for.")
_ID_DIGITS = 16


class Telling(Struct, frozen=True, kw_only=True):
    """One answer to be written.

    `tells_usage` says whether usage is reported; `signs_text` says whether text is signed, as calls always
    are; `vertex` is what makes the two places differ: ids of calls, and how usage is told.
    """

    id: str
    model: str
    choices: tuple[Speech, ...]
    prompt: PromptTokens
    tells_usage: bool
    shows_thoughts: bool
    signs_text: bool
    top_logprobs: int | None
    vertex: bool
    created: str


def whole_body(telling: Telling) -> bytes:
    """Write the answer as one JSON document."""
    candidates = [_candidate(telling, index, speech) for index, speech in enumerate(telling.choices)]
    thoughts = sum(speech.tokens("reasoning") for speech in telling.choices)
    spoken = sum(speech.tokens() for speech in telling.choices) - thoughts
    return encode({"candidates": candidates, **_envelope(telling), **_usage(telling, thoughts, spoken)})


def stream_events(telling: Telling, framing: Framing) -> Iterator[Event]:
    """Write the answer as events; several candidates take turns.

    AI Studio tells with every chunk what was used so far, Vertex with the last ones only.
    """
    if framing == "array":
        yield Event(b"[", "open")
    envelope = _envelope(telling)
    thoughts = 0
    if not telling.shows_thoughts:
        thoughts = sum(speech.tokens("reasoning") for speech in telling.choices)
    spoken, unpaid = 0, thoughts
    for row in zip_longest(*(chunks(speech, telling) for speech in telling.choices)):
        for index, chunk in enumerate(row):
            if chunk is None:
                continue
            tokens = sum(delta.tokens for delta in chunk)
            thoughts, spoken = (
                (thoughts + tokens, spoken) if _is_thought(chunk) else (thoughts, spoken + tokens)
            )
            content = {"parts": _parts(telling, chunk), "role": "model"}
            candidate = {"content": content, "index": index, **_logprobs(telling, chunk)}
            used = {} if telling.vertex else _usage(telling, thoughts, spoken)
            document = {"candidates": [candidate], **envelope, **used}
            yield Event(_framed(document, framing), "delta", tokens + unpaid)
            unpaid = 0
    last = len(telling.choices) - 1
    for index, speech in enumerate(telling.choices):
        content = {"parts": [{"text": "", **_text_signature(telling, speech)}], "role": "model"}
        candidate = {"content": content, "finishReason": _FINISH[speech.finish], "index": index}
        document = {"candidates": [candidate], **envelope, **_usage(telling, thoughts, spoken)}
        yield Event(_framed(document, framing, last=index == last), "close", unpaid)
        unpaid = 0


def chunks(speech: Speech, telling: Telling) -> list[tuple[Delta, ...]]:
    """Cut a speech into what Gemini sends at once: a token of thought or text, or all calls together."""
    cut: list[tuple[Delta, ...]] = [
        (delta,)
        for delta in speech.deltas
        if delta.kind == "content" or (delta.kind == "reasoning" and telling.shows_thoughts)
    ]
    calls = tuple(delta for delta in speech.deltas if delta.kind in {"call", "arguments"})
    return [*cut, calls] if calls else cut


def arguments_of(call: MadeCall) -> Json:
    """Give a call's arguments as JSON."""
    return decode(call.arguments.encode())


def error_body(refused: Refused) -> bytes:
    """Write an error."""
    return encode({"error": _error(refused)})


def spoiled(telling: Telling, framing: Framing) -> Spoiled:
    """Write what goes wrong where a knob asks for it."""
    failure = {"error": _error(_FAILURE)}
    garbage = b'{"responseId":"' + telling.id.encode() + b'","candidates":[{"content":{"parts":[{"text":"brok'
    match framing:
        case "whole":
            return Spoiled(encode(failure), garbage)
        case "sse":
            return Spoiled(_framed(failure, framing), b"data: " + garbage + b"\r\n\r\n")
        case "array":
            return Spoiled(_framed(failure, framing, last=True), garbage + b"\r\n,\r\n")


def _framed(document: Json, framing: Framing, *, last: bool = False) -> bytes:
    if framing == "sse":
        return b"data: " + encode(document) + b"\r\n\r\n"
    return encode(document) + (b"\r\n]\r\n" if last else b"\r\n,\r\n")


def _envelope(telling: Telling) -> dict[str, Json]:
    created = {"createTime": telling.created} if telling.vertex else {}
    return {"modelVersion": telling.model, **created, "responseId": telling.id}


def _candidate(telling: Telling, index: int, speech: Speech) -> dict[str, Json]:
    parts: list[Json] = []
    reasoning = speech.text("reasoning")
    if reasoning and telling.shows_thoughts:
        parts.append({"text": reasoning, "thought": True})
    text = speech.text("content")
    if text:
        parts.append({"text": text, **_text_signature(telling, speech)})
    parts += _calls(telling, speech.deltas)
    content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    tokens = tuple(delta for delta in speech.deltas if delta.kind == "content")
    logprobs = _logprobs(telling, tokens)
    return {"content": content, "finishReason": _FINISH[speech.finish], "index": index, **logprobs}


def _parts(telling: Telling, chunk: tuple[Delta, ...]) -> list[Json]:
    if chunk[0].kind in {"call", "arguments"}:
        return _calls(telling, chunk)
    thought = {"thought": True} if _is_thought(chunk) else {}
    return [{"text": chunk[0].text, **thought}]


def _is_thought(chunk: tuple[Delta, ...]) -> bool:
    return chunk[0].kind == "reasoning"


def _calls(telling: Telling, deltas: tuple[Delta, ...]) -> list[Json]:
    """Write the calls that were spoken to their end; the first of them is signed."""
    parts: list[Json] = []
    for delta in deltas:
        call = delta.call
        if call is None:
            continue
        spoken = "".join(
            each.text for each in deltas if each.kind == "arguments" and each.index == delta.index
        )
        if spoken != call.arguments:
            continue
        args = arguments_of(call)
        # AI Studio gives ids, Vertex gives none: https://github.com/vercel/ai/issues/15664.
        identity = {} if telling.vertex else {"id": call.id.removeprefix("call_")[:_ID_DIGITS]}
        part: dict[str, Json] = {"functionCall": {"name": call.name, "args": args, **identity}}
        if not parts:
            part["thoughtSignature"] = gemini_signatures.of_call(call.name, args, telling.model)
        parts.append(part)
    return parts


def _text_signature(telling: Telling, speech: Speech) -> dict[str, Json]:
    text = speech.text("content")
    if not telling.signs_text or not text:
        return {}
    return {"thoughtSignature": gemini_signatures.of_text(text, telling.model)}


def _usage(telling: Telling, thoughts: int, spoken: int) -> dict[str, Json]:
    prompt = telling.prompt
    if not telling.tells_usage:
        return {}
    used: dict[str, Json] = {
        "promptTokenCount": prompt.total,
        "candidatesTokenCount": spoken,
        "totalTokenCount": prompt.total + spoken + thoughts,
    }
    if thoughts:
        used["thoughtsTokenCount"] = thoughts
    if prompt.cached:
        used["cachedContentTokenCount"] = prompt.cached
    if telling.vertex:
        used["trafficType"] = "ON_DEMAND"
    return {"usageMetadata": used}


def _logprobs(telling: Telling, tokens: tuple[Delta, ...]) -> dict[str, Json]:
    top = telling.top_logprobs
    if top is None or not tokens or tokens[0].kind != "content":
        return {}
    chosen = [_scored(delta.text, 0) for delta in tokens]
    result: dict[str, Json] = {"chosenCandidates": chosen}
    if top:
        result["topCandidates"] = [
            {"candidates": [_scored(f"{delta.text}{rank or ''}", rank) for rank in range(top)]}
            for delta in tokens
        ]
    average = sum(each["logProbability"] for each in chosen) / len(chosen)
    return {"avgLogprobs": average, "logprobsResult": result}


def _scored(token: str, rank: int) -> dict[str, Json]:
    digest = zlib.crc32(token.encode())
    return {"token": token, "tokenId": digest % 262_144, "logProbability": -rank - digest % 1000 / 10_000}


def _error(refused: Refused) -> dict[str, Json]:
    details = _details(refused)
    status = _STATUS.get(refused.status, "INTERNAL" if refused.status >= 500 else "INVALID_ARGUMENT")
    error = {"code": refused.status, "message": refused.message, "status": status}
    return {**error, "details": details} if details else error


def _details(refused: Refused) -> list[Json]:
    details: list[Json] = []
    if refused.param is not None:
        violations = [{"field": refused.param, "description": refused.message}]
        details.append({"@type": f"{_RPC}BadRequest", "fieldViolations": violations})
    if refused.status == 401:
        details.append({"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"})
    # Google says when to come back here, and in no header: https://github.com/dcdpr/jp/pull/1061.
    after = next((value for name, value in refused.headers if name == "retry-after"), None)
    if after is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{after}s"})
    return details
