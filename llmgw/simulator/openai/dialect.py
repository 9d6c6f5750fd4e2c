"""OpenAI's endpoints: chat completions, embeddings and models."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from llmgw.simulator import faults
from llmgw.simulator.brain import answer
from llmgw.simulator.calls import BadTool
from llmgw.simulator.dialect import Handler
from llmgw.simulator.faults import Spoiled, Turnstile
from llmgw.simulator.instance import NoInstance
from llmgw.simulator.knobs import LISTED, Knobs, UnknownKnob, parse
from llmgw.simulator.metering import prompt_tokens
from llmgw.simulator.openai import strict as strict_openai
from llmgw.simulator.openai.ask import ChatAsk, read_chat
from llmgw.simulator.openai.messages import missing, wrong_type, wrong_value
from llmgw.simulator.openai.tell import (
    Telling,
    error_body,
    spoiled,
    stream_events,
    usage_of,
    whole_body,
)
from llmgw.simulator.refusal import Refused
from llmgw.simulator.reply import Bill, Reply, Request, Whole
from llmgw.simulator.speech import Speech, speak
from llmgw.simulator.tokens import count
from llmgw.simulator.transcript import Answer
from llmgw.simulator.vectors import DIMENSIONS, MOST_DIMENSIONS, embed, little_endian
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode, encode

_JSON = ("content-type", "application/json")
_SSE = ("content-type", "text/event-stream; charset=utf-8")
_MODELS: Final = "/v1/models"
_SINCE = 1_767_225_600
"""When the simulator's models were `created`: the first second of 2026."""
_MOST_INPUTS = 2048


class OpenAI:
    """Speaks OpenAI's dialect; with `strict`, refuses what `strict_openai` knows to be refused."""

    def __init__(self, turnstile: Turnstile, unix_ns: Callable[[], int], *, strict: bool) -> None:
        self._turnstile = turnstile
        self._unix_ns = unix_ns
        self._strict = strict
        self._fixed: Mapping[str, Mapping[str, Handler]] = MappingProxyType(
            {
                "/v1/chat/completions": {"POST": self._chat},
                "/v1/embeddings": {"POST": self._embeddings},
                _MODELS: {"GET": self._list},
            }
        )

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Give what answers a path, by method."""
        name = path.removeprefix(f"{_MODELS}/")
        if name and name != path:
            return {"GET": lambda request: self._one(request, name)}
        return self._fixed.get(path)

    def error(self, refused: Refused, request: Request) -> Whole:
        """Dress an error."""
        return Whole(refused.status, (_JSON, _request_id(request), *refused.headers), error_body(refused))

    def _list(self, request: Request) -> Reply:
        listed = {"object": "list", "data": [_model(name) for name in LISTED]}
        return Whole(200, (_JSON, _request_id(request)), encode(listed))

    def _one(self, request: Request, name: str) -> Reply:
        _knobs(name)
        return Whole(200, (_JSON, _request_id(request)), encode(_model(name)))

    def _chat(self, request: Request) -> Reply:
        body = _body(request)
        model = _model_name(body)
        knobs = _knobs(model)
        self._turnstile.admit(knobs, model, request)
        other = faults.instead(knobs, model, stream=body.get("stream") is True)
        if other is not None:
            return other
        if self._strict or knobs.strict:
            strict_openai.check(body)
        ask = read_chat(body, request.body, think=knobs.think, reads=knobs.reads)
        choices = _choices(ask, knobs)
        prompt = prompt_tokens(ask.prompt)
        bill = Bill(model=model, input=prompt.total, cached=prompt.cached)
        telling = Telling(
            id=f"chatcmpl-{ask.prompt.seed}",
            created=self._unix_ns() // 1_000_000_000,
            model=model,
            choices=choices,
            usage=None if knobs.nousage else usage_of(prompt, choices),
            top_logprobs=ask.top_logprobs,
        )
        wrong = spoiled(telling, stream=ask.stream)
        if ask.stream:
            events = stream_events(telling, include_usage=ask.include_usage)
            headers = (_SSE, ("cache-control", "no-cache"), _request_id(request))
            return faults.stream(knobs, headers, events, wrong, bill)
        bill = replace(bill, output=sum(choice.tokens() for choice in choices))
        reply = Whole(200, (_JSON, _request_id(request)), whole_body(telling), bill)
        longest = max(len(choice.deltas) for choice in choices)
        return faults.whole(knobs, reply, wrong, model=model, chunks=longest)

    def _embeddings(self, request: Request) -> Reply:
        body = _body(request)
        model = _model_name(body)
        knobs = _knobs(model)
        self._turnstile.admit(knobs, model, request)
        other = faults.instead(knobs, model, stream=False)
        if other is not None:
            return other
        texts, tokens = _inputs(body)
        dimensions = _dimensions(body.get("dimensions"))
        form = body.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise wrong_value("encoding_format", form, ("float", "base64"))
        document: dict[str, Json] = {
            "object": "list",
            "data": [_embedding(index, text, dimensions, form) for index, text in enumerate(texts)],
            "model": model,
        }
        if not knobs.nousage:
            document["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        bill = Bill(model=model, input=tokens)
        reply = Whole(200, (_JSON, _request_id(request)), encode(document), bill)
        failure = error_body(
            Refused(500, "The server had an error while processing your request, as asked for.")
        )
        wrong = Spoiled(
            failure, b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,'
        )
        return faults.whole(knobs, reply, wrong, model=model, chunks=1)


def _request_id(request: Request) -> tuple[str, str]:
    digest = hashlib.blake2b(request.body, digest_size=12, person=b"request").hexdigest()
    return ("x-request-id", f"req_{digest}")


def _body(request: Request) -> dict[str, Json]:
    try:
        body = decode(request.body)
    except InvalidJson as error:
        raise Refused(400, f"We could not parse the JSON body of your request: {error.message}.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body of your request must be a JSON object.")
    return body


def _model_name(body: dict[str, Json]) -> str:
    model = body.get("model")
    if model is None or model == "":
        raise Refused(400, "you must provide a model parameter")
    if not isinstance(model, str):
        raise wrong_type("model", "a string", model)
    return model


def _knobs(model: str) -> Knobs:
    try:
        return parse(model)
    except UnknownKnob:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refused(404, message, code="model_not_found") from None


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": _SINCE, "owned_by": "llmgw-simulator"}


def _choices(ask: ChatAsk, knobs: Knobs) -> tuple[Speech, ...]:
    try:
        said = answer(ask.prompt)
    except NoInstance as error:
        raise Refused(400, f"Invalid schema for response_format: {error}.", param="response_format") from None
    except BadTool as error:
        message = f"Invalid schema for function '{error.name}': {error}."
        raise Refused(400, message, param="tools", code="invalid_function_parameters") from None
    return tuple(speak(_variant(said, index), knobs, ask.max_tokens, ask.stop) for index in range(ask.n))


def _variant(said: Answer, index: int) -> Answer:
    """Tell further choices apart, where that does not spoil them."""
    if not index or said.calls or said.strict_text:
        return said
    return Answer(text=f"{said.text} (choice {index + 1})", reasoning=said.reasoning)


def _inputs(body: dict[str, Json]) -> tuple[list[str], int]:
    """Read the texts to embed, and count their tokens; token ids become words of their own."""
    given = body.get("input")
    if given is None:
        raise missing("input")
    if given in ("", []):
        raise Refused(400, "'$.input' is invalid: it must not be empty.", param="input")
    inputs = [given] if isinstance(given, str) or _are_ids(given) else given
    if not isinstance(inputs, list):
        raise wrong_type("input", "a string or an array", given)
    if len(inputs) > _MOST_INPUTS:
        raise Refused(400, f"'$.input' is invalid: more than {_MOST_INPUTS} inputs.", param="input")
    texts, tokens = [], 0
    for index, each in enumerate(inputs):
        if isinstance(each, str) and each:
            texts.append(each)
            tokens += count(each)
        elif each and _are_ids(each):
            texts.append(" ".join(map(str, each)))
            tokens += len(each)
        else:
            raise Refused(
                400, f"'$.input[{index}]' is invalid: a text or token ids, not empty.", param="input"
            )
    return texts, tokens


def _are_ids(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in value
    )


def _dimensions(given: Json) -> int:
    if given is None:
        return DIMENSIONS
    if not isinstance(given, int) or isinstance(given, bool):
        raise wrong_type("dimensions", "an integer", given)
    if not 1 <= given <= MOST_DIMENSIONS:
        raise Refused(400, f"Invalid 'dimensions': from 1 to {MOST_DIMENSIONS}.", param="dimensions")
    return given


def _embedding(index: int, text: str, dimensions: int, form: str) -> Json:
    vector = embed(text, dimensions)
    shown = base64.b64encode(little_endian(vector)).decode() if form == "base64" else vector.tolist()
    return {"object": "embedding", "index": index, "embedding": shown}
