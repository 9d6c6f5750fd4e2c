"""Gemini's endpoints, as AI Studio and as Vertex have them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs

from msgspec import Struct
from msgspec.structs import replace

from llmgw.simulator import faults
from llmgw.simulator.brain import answer
from llmgw.simulator.calls import BadTool
from llmgw.simulator.dialect import Handler
from llmgw.simulator.faults import Spoiled, Turnstile
from llmgw.simulator.gemini import embed as gemini_embed
from llmgw.simulator.gemini import strict as strict_gemini
from llmgw.simulator.gemini.ask import GeminiAsk, read_generate, require_none
from llmgw.simulator.gemini.read import Message, read
from llmgw.simulator.gemini.tell import (
    Framing,
    Telling,
    arguments_of,
    chunks,
    error_body,
    spoiled,
    stream_events,
    whole_body,
)
from llmgw.simulator.instance import NoInstance
from llmgw.simulator.knobs import LISTED, Knobs, UnknownKnob, parse
from llmgw.simulator.metering import prompt_tokens
from llmgw.simulator.refusal import Refused
from llmgw.simulator.reply import Bill, Reply, Request, Whole
from llmgw.simulator.speech import Speech, speak
from llmgw.simulator.transcript import Answer
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode, encode

KEY_HEADER: Final = "x-goog-api-key"
"""Whoever sends it speaks to Google, on the paths that others have as well."""
_JSON = ("content-type", "application/json; charset=UTF-8")
_SSE = ("content-type", "text/event-stream")
_STUDIO = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<method>\w+)")
_VERTEX = re.compile(
    r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/google/models/(?P<model>[^/:]+):(?P<method>\w+)"
)
_MODELS = re.compile(r"/v1(?:beta)?/models(?:/(?P<model>[^/:]+))?")
_STREAM = "streamGenerateContent"
_METHODS = ("generateContent", _STREAM, "countTokens", "embedContent", "batchEmbedContents")
_NOT_IN_HEADERS = ("retry-after", "x-ratelimit-")


class _Ask(Struct, frozen=True):
    """What a path and a body say: whom to ask, where, and how the model is to behave."""

    model: str
    vertex: bool
    request: Request
    body: dict[str, Json]
    knobs: Knobs


_Method = Callable[[_Ask], Reply]


class Gemini:
    """Speaks Gemini's dialect; `strict` refuses all that Gemini would refuse, whatever the model's name says."""

    def __init__(self, turnstile: Turnstile, unix_ns: Callable[[], int], *, strict: bool) -> None:
        self._turnstile = turnstile
        self._unix_ns = unix_ns
        self._strict = strict
        everywhere: dict[str, _Method] = {
            "generateContent": self._generate,
            _STREAM: self._stream,
            "countTokens": self._count,
            "embedContent": self._embed,
        }
        self._studio = {**everywhere, "batchEmbedContents": self._embed_batch}
        self._vertex = {**everywhere, "predict": self._predict}

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Give the methods of a path, None where it is not Gemini's."""
        listing = _MODELS.fullmatch(path)
        if listing:
            name = listing["model"]
            return {"GET": lambda _: self._list() if name is None else self._describe(name)}
        for pattern, methods in ((_STUDIO, self._studio), (_VERTEX, self._vertex)):
            match = pattern.fullmatch(path)
            if match:
                return self._posted(match["model"], match["method"], methods)
        return None

    def error(self, refused: Refused, request: Request) -> Whole:
        """Dress an error; it is the one element of an array where the answer would have been one."""
        body = error_body(refused)
        if request.path.endswith(f":{_STREAM}") and _framing(request) == "array":
            body = b"[" + body + b"\r\n]\r\n"
        headers = (each for each in refused.headers if not each[0].startswith(_NOT_IN_HEADERS))
        return Whole(refused.status, (_JSON, *headers), body)

    def _posted(self, model: str, method: str, methods: dict[str, _Method]) -> Mapping[str, Handler] | None:
        answer_to = methods.get(method)
        if answer_to is None:
            return None

        def handle(request: Request) -> Reply:
            ask = _Ask(model, methods is self._vertex, request, _body(request), _knobs(model))
            self._turnstile.admit(ask.knobs, model, request)
            other = faults.instead(ask.knobs, model, stream=method == _STREAM)
            return answer_to(ask) if other is None else other

        return {"POST": handle}

    def _list(self) -> Reply:
        return Whole(200, (_JSON,), encode({"models": [_model(name) for name in LISTED]}))

    def _describe(self, name: str) -> Reply:
        _knobs(name)
        return Whole(200, (_JSON,), encode(_model(name)))

    def _generate(self, ask: _Ask) -> Reply:
        telling = self._telling(ask)
        spoken = sum(choice.tokens() for choice in telling.choices)
        reply = Whole(200, (_JSON,), whole_body(telling), replace(_bill(telling), output=spoken))
        longest = max(len(chunks(choice, telling)) for choice in telling.choices)
        return faults.whole(ask.knobs, reply, spoiled(telling, "whole"), model=ask.model, chunks=longest)

    def _stream(self, ask: _Ask) -> Reply:
        telling = self._telling(ask)
        framing = _framing(ask.request)
        headers = (_SSE if framing == "sse" else _JSON, ("cache-control", "no-cache"))
        events = stream_events(telling, framing)
        return faults.stream(ask.knobs, headers, events, spoiled(telling, framing), _bill(telling))

    def _telling(self, ask: _Ask) -> Telling:
        message = self._read(ask, "GenerateContentRequest")
        wrong = None
        if self._is_strict(ask):
            wrong = strict_gemini.violation(ask.body, model=ask.model, vertex=ask.vertex)
        if wrong:
            raise Refused(400, wrong)
        asked = read_generate(message.value, ask.knobs, ask.request.body)
        return Telling(
            id=asked.prompt.seed,
            model=ask.model,
            choices=_choices(asked, ask.knobs),
            prompt=prompt_tokens(asked.prompt),
            tells_usage=not ask.knobs.nousage,
            shows_thoughts=asked.shows_thoughts,
            signs_text=asked.prompt.effort > 0,
            top_logprobs=asked.top_logprobs,
            vertex=ask.vertex,
            created=_rfc3339(self._unix_ns()),
        )

    def _count(self, ask: _Ask) -> Reply:
        body = self._read(ask, "CountTokensRequest").value
        whole = body.get("generateContentRequest")
        if whole is not None and "contents" in body:
            raise Refused(400, "contents and generateContentRequest are mutually exclusive.")
        tokens = prompt_tokens(read_generate(body if whole is None else whole, ask.knobs, b"").prompt)
        told: dict[str, Json] = {"totalTokens": tokens.total}
        if tokens.cached:
            told["cachedContentTokenCount"] = tokens.cached
        return self._plain(ask, told)

    def _embed(self, ask: _Ask) -> Reply:
        body = self._read(ask, "EmbedContentRequest").value
        return self._plain(ask, gemini_embed.embed_one(body, vertex=ask.vertex, usage=not ask.knobs.nousage))

    def _embed_batch(self, ask: _Ask) -> Reply:
        body = self._read(ask, "BatchEmbedContentsRequest").value
        return self._plain(ask, gemini_embed.embed_several(body, usage=not ask.knobs.nousage))

    def _predict(self, ask: _Ask) -> Reply:
        return self._plain(ask, gemini_embed.predict(self._read(ask, "PredictRequest").value))

    def _is_strict(self, ask: _Ask) -> bool:
        return self._strict or ask.knobs.strict

    def _read(self, ask: _Ask, kind: str) -> Message:
        """Read the body as a message, whose members must exist where that matters."""
        message = read(ask.body, kind, vertex=ask.vertex)
        require_none(message.faults)
        if self._is_strict(ask):
            require_none(message.unknown)
        return message

    def _plain(self, ask: _Ask, document: Json) -> Reply:
        """Answer with one short document."""
        body = encode(document)
        failure = error_body(Refused(500, "An internal error has occurred, as asked for."))
        wrong = Spoiled(failure, body[: len(body) // 2])
        return faults.whole(ask.knobs, Whole(200, (_JSON,), body), wrong, model=ask.model, chunks=1)


def _bill(telling: Telling) -> Bill:
    return Bill(model=telling.model, input=telling.prompt.total, cached=telling.prompt.cached)


def _framing(request: Request) -> Framing:
    return "sse" if parse_qs(request.query).get("alt") == ["sse"] else "array"


def _body(request: Request) -> dict[str, Json]:
    try:
        body = decode(request.body)
    except InvalidJson as error:
        raise Refused(400, f"Invalid JSON payload received. {error.message}") from None
    if not isinstance(body, dict):
        raise Refused(400, "Invalid JSON payload received. Root element must be a message.")
    return body


def _knobs(model: str) -> Knobs:
    try:
        return parse(model)
    except UnknownKnob:
        raise Refused(
            404,
            f"models/{model} is not found for API version v1beta, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods.",
        ) from None


def _model(name: str) -> Json:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": list(_METHODS),
        "thinking": True,
    }


def _choices(ask: GeminiAsk, knobs: Knobs) -> tuple[Speech, ...]:
    try:
        said = answer(ask.prompt)
    except NoInstance as error:
        raise Refused(
            400, f"* GenerateContentRequest.generation_config.response_schema: {error}.\n"
        ) from None
    except BadTool as error:
        raise Refused(
            400, f"* GenerateContentRequest.tools.function_declarations: '{error.name}': {error}.\n"
        ) from None
    for call in said.calls:
        if not isinstance(arguments_of(call), dict):
            raise Refused(
                400,
                f"Unable to submit request because `{call.name}` functionDeclaration `parameters` schema should be "
                "of type OBJECT.",
            )
    return tuple(
        speak(_variant(said, index, ask), knobs, ask.max_tokens, ask.stop) for index in range(ask.candidates)
    )


def _variant(said: Answer, index: int, ask: GeminiAsk) -> Answer:
    """Tell further candidates apart, where that does not spoil them; take the quotes off a bare word."""
    if said.strict_text and ask.bare_enum:
        word = decode(said.text.encode())
        return Answer(text=str(word), reasoning=said.reasoning)
    if not index or said.calls or said.strict_text:
        return said
    return Answer(text=f"{said.text} (choice {index + 1})", reasoning=said.reasoning)


def _rfc3339(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
