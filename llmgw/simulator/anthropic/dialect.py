"""Anthropic's endpoints: messages, counting their tokens, and models."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from llmgw.simulator import faults
from llmgw.simulator.anthropic import strict as strict_anthropic
from llmgw.simulator.anthropic.ask import MessagesAsk, read_messages, read_prompt
from llmgw.simulator.anthropic.shapes import invalid, text
from llmgw.simulator.anthropic.tell import Telling, error_body, spoiled, stream_events, usage_of, whole_body
from llmgw.simulator.anthropic.told_bounds import with_told_bounds
from llmgw.simulator.brain import answer
from llmgw.simulator.calls import BadTool
from llmgw.simulator.dialect import Handler
from llmgw.simulator.faults import Spoiled, Turnstile
from llmgw.simulator.instance import NoInstance
from llmgw.simulator.knobs import LISTED, Knobs, UnknownKnob, parse
from llmgw.simulator.metering import prompt_tokens
from llmgw.simulator.refusal import Refused
from llmgw.simulator.reply import Bill, Headers, Reply, Request, Whole
from llmgw.simulator.speech import Speech, speak
from llmgw.simulator.transcript import Answer, Prompt
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode, encode

VERSION_HEADER: Final = "anthropic-version"
"""The header that every request of this dialect carries."""

_BETA_HEADER: Final = "anthropic-beta"
_JSON = ("content-type", "application/json")
_SSE = ("content-type", "text/event-stream; charset=utf-8")
_SINCE: Final = "2026-01-01T00:00:00Z"
_MODELS: Final = "/v1/models"
_RATE_HEADERS: Final = MappingProxyType(
    {
        "x-ratelimit-limit-requests": "anthropic-ratelimit-requests-limit",
        "x-ratelimit-remaining-requests": "anthropic-ratelimit-requests-remaining",
        "x-ratelimit-reset-requests": "anthropic-ratelimit-requests-reset",
    }
)
_RESET: Final = "anthropic-ratelimit-requests-reset"


class Anthropic:
    """Speaks Anthropic's dialect; with `strict`, refuses what `strict_anthropic` knows to be refused."""

    def __init__(self, turnstile: Turnstile, unix_ns: Callable[[], int], *, strict: bool) -> None:
        self._turnstile = turnstile
        self._unix_ns = unix_ns
        self._strict = strict
        self._fixed: Mapping[str, Mapping[str, Handler]] = MappingProxyType(
            {
                "/v1/messages": {"POST": self._messages},
                "/v1/messages/count_tokens": {"POST": self._count},
                _MODELS: {"GET": self._list},
            }
        )

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Give what answers a path, by method."""
        name = path.removeprefix(f"{_MODELS}/")
        if name and name != path:
            return {"GET": lambda request: self._model(request, name)}
        return self._fixed.get(path)

    def error(self, refused: Refused, request: Request) -> Whole:
        """Dress an error."""
        request_id = _request_id(request)
        headers: list[tuple[str, str]] = [_JSON, ("request-id", request_id)]
        for name, value in refused.headers:
            named = _RATE_HEADERS.get(name, name)
            headers.append((named, self._at(value) if named == _RESET else value))
        return Whole(refused.status, tuple(headers), error_body(refused, request_id))

    def _at(self, wait: str) -> str:
        """Tell when so many seconds, written `5s`, are over."""
        now = datetime.fromtimestamp(self._unix_ns() // 1_000_000_000, UTC)
        then = now + timedelta(seconds=int(wait.removesuffix("s")))
        return then.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _list(self, request: Request) -> Reply:
        _require_version(request)
        listed = {
            "data": [_described(name) for name in LISTED],
            "has_more": False,
            "first_id": LISTED[0],
            "last_id": LISTED[-1],
        }
        return Whole(200, _headers(request, _JSON), encode(listed))

    def _model(self, request: Request, name: str) -> Reply:
        _require_version(request)
        _knobs(name)
        return Whole(200, _headers(request, _JSON), encode(_described(name)))

    def _messages(self, request: Request) -> Reply:
        body, model, knobs = self._admitted(request)
        other = faults.instead(knobs, model, stream=body.get("stream") is True)
        if other is not None:
            return other
        self._require_strict(body, knobs, request, counting=False)
        ask = read_messages(body, knobs, request.body)
        speech = _speech(ask, knobs)
        prompt = prompt_tokens(ask.prompt)
        used = usage_of(prompt, speech, marked=ask.marked)
        bill = Bill(
            model=model,
            input=prompt.total,
            cached=used["cache_read_input_tokens"],
            written=used["cache_creation_input_tokens"],
        )
        telling = Telling(
            id=f"msg_{ask.prompt.seed[:24]}",
            model=model,
            speech=speech,
            usage=None if knobs.nousage else used,
            shown=ask.shown,
            redacted=knobs.redacted,
        )
        wrong = spoiled(telling, _request_id(request), stream=ask.stream)
        if ask.stream:
            headers = (*_headers(request, _SSE), ("cache-control", "no-cache"))
            return faults.stream(knobs, headers, stream_events(telling), wrong, bill)
        bill = replace(bill, output=speech.tokens())
        reply = Whole(200, _headers(request, _JSON), whole_body(telling), bill)
        return faults.whole(knobs, reply, wrong, model=model, chunks=len(speech.deltas))

    def _count(self, request: Request) -> Reply:
        body, model, knobs = self._admitted(request)
        other = faults.instead(knobs, model, stream=False)
        if other is not None:
            return other
        self._require_strict(body, knobs, request, counting=True)
        counted = prompt_tokens(read_prompt(body, knobs, request.body)).total
        reply = Whole(200, _headers(request, _JSON), encode({"input_tokens": counted}))
        failure = error_body(Refused(529, "Overloaded, as asked for."), _request_id(request))
        return faults.whole(knobs, reply, Spoiled(failure, b'{"input_tok'), model=model, chunks=1)

    def _admitted(self, request: Request) -> tuple[dict[str, Json], str, Knobs]:
        """Read the body as far as to know the model's knobs, and let the request pass."""
        _require_version(request)
        body = _body(request)
        model = text(body, "model", "")
        if not model:
            raise invalid("model", "String should have at least 1 character")
        knobs = _knobs(model)
        self._turnstile.admit(knobs, model, request)
        return body, model, knobs

    def _require_strict(
        self, body: dict[str, Json], knobs: Knobs, request: Request, *, counting: bool
    ) -> None:
        if self._strict or knobs.strict:
            beta = request.header(_BETA_HEADER) is not None
            strict_anthropic.check(body, beta=beta, counting=counting)


def _request_id(request: Request) -> str:
    return "req_" + hashlib.blake2b(request.body, digest_size=12, person=b"request").hexdigest()


def _headers(request: Request, kind: tuple[str, str]) -> Headers:
    return (kind, ("request-id", _request_id(request)))


def _require_version(request: Request) -> None:
    """Refuse a request that does not say which version it speaks.

    Source: https://platform.claude.com/docs/en/api/versioning
    """
    if not request.header(VERSION_HEADER):
        raise invalid(VERSION_HEADER, "header is required")


def _body(request: Request) -> dict[str, Json]:
    try:
        body = decode(request.body)
    except InvalidJson as error:
        raise Refused(400, f"The request body is not valid JSON: {error.message}") from None
    if not isinstance(body, dict):
        raise Refused(400, "Input should be a valid dictionary")
    return body


def _knobs(model: str) -> Knobs:
    try:
        return parse(model)
    except UnknownKnob:
        raise Refused(404, f"model: {model}") from None


def _described(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": _SINCE,
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "capabilities": None,
        "max_input_tokens": None,
        "max_tokens": None,
    }


def _speech(ask: MessagesAsk, knobs: Knobs) -> Speech:
    try:
        said = _answer(ask.prompt)
    except NoInstance as error:
        raise invalid("output_config.format.schema", str(error)) from None
    except BadTool as error:
        raise invalid("tools", f"input_schema of '{error.name}': {error}") from None
    return speak(said, knobs, ask.max_tokens, ask.stop)


def _answer(prompt: Prompt) -> Answer:
    """Answer within the bounds that descriptions tell of, where that can be: they are advice."""
    within = with_told_bounds(prompt.output)
    if within != prompt.output:
        with suppress(NoInstance):
            return answer(replace(prompt, output=within))
    return answer(prompt)
