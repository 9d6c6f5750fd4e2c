"""Counting tokens: `POST /v1/tokens/count`, and what was learned about it."""

import os
import re
from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from llmgw.context.storage.answers import Replay
from llmgw.gateway.token_counts import Count
from llmgw.http.asked import HttpRequest, answer, require_json
from llmgw.http.own_calls import begun, recorded
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types import json
from llmgw.types.call import Call
from llmgw.types.errors import InternalError, InvalidRequest
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation, CountInvocation
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.violation import Violation, pointer_to
from llmgw.wire.openai.chat import WIRE as CHAT
from llmgw.wire.openai.embeddings import WIRE as EMBEDDINGS

_PATH: Final = "/v1/tokens/count"
_SAID: Final = ("messages", "text", "input")
_STEP: Final = re.compile(r"[^.\[\]]+")


def token_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @post(
        _PATH,
        status_code=200,
        request_max_body_size=runtime.limits.max_body,
        opt={"permission": Permission.CALL},
    )
    async def count(request: HttpRequest) -> Response[bytes]:
        require_json(request)
        body = await request.body()
        call = begun(runtime, request, _PATH)
        with recorded(runtime, call):
            try:
                told = await _counted(runtime, body, call)
            except InvalidRequest as error:
                raise _pointed(error) from None
        return answer(told)

    @get("/admin/v1/tokens/calibration", opt={"permission": Permission.VIEW})
    async def calibration(request: HttpRequest) -> Response[bytes]:  # noqa: ARG001  the router hands it in
        known = runtime.generation.gateway.calibration.all()
        models = [
            {
                "target": name,
                "tokens_per_character": round(learned.ratio, 6),
                "error_pct": learned.error_pct,
                "samples": learned.samples,
            }
            for name, learned in known
        ]
        return answer({"worker": os.getpid(), "models": models})

    return [count, calibration]


async def _counted(runtime: Runtime, body: bytes, call: Call) -> dict[str, Any]:
    gateway = runtime.generation.gateway
    members = _members(json.decode(body))
    model: str = members["model"]
    if members.get("messages") is None:
        count = await gateway.count_texts(model, _texts(members), call)
    else:
        completion = await gateway.complete(_asked(body), call)
        if isinstance(completion, Replay) or completion.completion.usage is None:
            raise InternalError("a count was answered without one")
        tokens = completion.completion.usage.input_tokens or 0
        facts = completion.completion.facts
        count = Count(tokens, **facts) if call.estimated else Count(tokens, "provider", exact=True)
    return {"tokens": count.tokens, **count.facts, "model": model}


def _members(document: Json) -> Details:
    """Read what all bodies have: a model, and one thing to count."""
    if not isinstance(document, dict):
        raise _refused("", "the body must be a JSON object")
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise _refused("/model", "expected a string that is not empty")
    said = [name for name in _SAID if document.get(name) is not None]
    if not said:
        raise _refused("", f"one of {', '.join(_SAID)} is needed")
    if len(said) > 1:
        raise _refused(f"/{said[1]}", f"only one of {' and '.join(said)} can be counted")
    if "messages" not in said:
        for name in document:
            if name not in {"model", *said}:
                raise _refused(pointer_to(name), f"unknown member beside {said[0]}")
    return document


def _texts(members: Details) -> Json:
    if members.get("text") is None:
        # In the form of a request for embeddings, and held to the same bounds.
        body = json.encode({"model": members["model"], "input": members["input"]})
        return getattr(EMBEDDINGS.decode_request(body), "inputs")  # noqa: B009  it is one for embeddings
    if not isinstance(members["text"], str):
        raise _refused("/text", "expected a string")
    return members["text"]


def _asked(body: bytes) -> CountInvocation:
    chat = CHAT.decode_request(body)
    if not isinstance(chat, ChatInvocation):
        raise InternalError("a conversation was read as something else")
    if chat.options.context is not None:
        raise _refused("/llmgw/context", "a context's tokens cannot be counted")
    needs = dict(chat.needs)
    needs.pop(Feature.STREAM, None)
    return CountInvocation(
        model=chat.model,
        wire=chat.wire,
        chat=replace(chat, stream=False),
        options=chat.options,
        needs={**needs, Feature.COUNT_TOKENS: "messages"},
    )


def _refused(pointer: str, words: str) -> InvalidRequest:
    refusal = InvalidRequest(f"{pointer}: {words}" if pointer else words)
    refusal.violations = (Violation(rule="body", pointer=pointer, message=words),)
    return refusal


def _pointed(error: InvalidRequest) -> InvalidRequest:
    """Have a refusal in OpenAI's words point to its place, too."""
    if not error.violations and error.param is not None:
        steps = [int(each) if each.isdecimal() else each for each in _STEP.findall(error.param)]
        pointed = Violation(rule="body", pointer=pointer_to(*steps), message=error.message)
        error.violations = (pointed,)
    return error
