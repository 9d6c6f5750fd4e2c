"""Writing the body of a request to Gemini.

There is no caller's dialect of this protocol, so that every call came over another one and is translated. Only the
model's own answers in a stored conversation are of this one.
https://ai.google.dev/api/generate-content
"""

import re
from typing import Final, assert_never

from llmgw.providers.details import note_details, note_passthrough
from llmgw.providers.gemini.models import Profile
from llmgw.providers.gemini.parts import PROTOCOL, PartWriter
from llmgw.providers.gemini.quirks import quirks_of
from llmgw.providers.gemini.thinking import thinking_config
from llmgw.providers.gemini.tools import add_tools
from llmgw.providers.gemini.turns import Turns
from llmgw.providers.stored import Origins
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import (
    ChatInvocation,
    JsonObjectFormat,
    JsonSchemaFormat,
    OpaqueFormat,
    Sampling,
    TextFormat,
)
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details
from llmgw.types.target import Target

_JSON: Final = "application/json"
_MOST_STOPS: Final = 5
_HOTTEST: Final = 2
_MOST_LOGPROBS: Final = 20
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def chat_body(invocation: ChatInvocation, target: Target, losses: Losses) -> Details:
    """Write the body of a `generateContent` request.

    Raises:
        UnsupportedParameter: the call asks for what cannot be had here.
    """
    writer = PartWriter(target, losses)
    note_passthrough(invocation, target, losses)
    if invocation.user is not None:
        losses.note(LossCode.PARAMETER_DROPPED, "/user")
    native = PartWriter(target, losses, native=True)
    origins = Origins(invocation, PROTOCOL, losses, native=native, foreign=writer)
    system, contents = Turns(origins, writer.profile, losses, invocation.memo).conversation(
        invocation.messages
    )
    body: Details = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    add_tools(body, invocation, losses)
    config = _sampling(invocation.sampling, writer.profile, losses)
    _add_format(config, invocation, writer.profile, losses)
    thinking = thinking_config(invocation.reasoning, writer.profile, losses)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    if config:
        body["generationConfig"] = config
    labels = _labels(invocation.metadata, target, losses)
    if labels:
        body["labels"] = labels
    return body


def count_body(invocation: ChatInvocation, target: Target, model: str, losses: Losses) -> Details:
    """Write the body of a `countTokens` request; `model` is the resource's name.

    Raises:
        UnsupportedParameter: the call asks for what cannot be had here.
    """
    body = chat_body(invocation, target, losses)
    body.pop("labels", None)
    match quirks_of(target).counts:
        case "wrapped":
            return {"generateContentRequest": {"model": model, **body}}
        case "bare":
            body.pop("toolConfig", None)
            return body
        case _ as counts:
            assert_never(counts)


def _sampling(sampling: Sampling, profile: Profile, losses: Losses) -> Details:
    """Write how tokens are drawn, as the beginning of `generationConfig`."""
    if sampling.logit_bias:
        raise UnsupportedParameter("Gemini has no logit_bias", param="logit_bias")
    if (sampling.n or 1) > 1 and not profile.candidates:
        raise UnsupportedParameter("the model gives one answer", param="n")
    temperature = sampling.temperature
    if temperature is not None and temperature > _HOTTEST:
        losses.note(LossCode.PARAMETER_CLAMPED, "/sampling/temperature")
        temperature = _HOTTEST
    config: Details = {}
    for ours, theirs, number in (
        ("temperature", "temperature", temperature),
        ("top_p", "topP", sampling.top_p),
        ("top_k", "topK", sampling.top_k),
    ):
        if number is None:
            continue
        if profile.sampling:
            config[theirs] = number
        else:
            losses.note(LossCode.PARAMETER_DROPPED, f"/sampling/{ours}")
    others: tuple[tuple[str, Json], ...] = (
        ("maxOutputTokens", sampling.max_output_tokens),
        ("seed", sampling.seed),
        ("presencePenalty", sampling.presence_penalty or None),
        ("frequencyPenalty", sampling.frequency_penalty or None),
        ("candidateCount", sampling.n if (sampling.n or 1) > 1 else None),
        ("stopSequences", _stops(sampling.stop, losses)),
    )
    config |= {name: value for name, value in others if value is not None}
    if sampling.logprobs:
        config["responseLogprobs"] = True
        if sampling.top_logprobs:
            config["logprobs"] = min(sampling.top_logprobs, _MOST_LOGPROBS)
    return config


def _stops(stop: tuple[str, ...] | None, losses: Losses) -> list[str] | None:
    words = [word for word in stop or () if word]
    if len(words) != len(stop or ()):
        losses.note(LossCode.EMPTY_DROPPED, "/sampling/stop")
    if len(words) > _MOST_STOPS:
        raise UnsupportedParameter(f"Gemini takes at most {_MOST_STOPS} stop sequences", param="stop")
    return words or None


def _add_format(config: Details, invocation: ChatInvocation, profile: Profile, losses: Losses) -> None:
    output = invocation.output_format
    if output is None or isinstance(output, TextFormat):
        return
    if invocation.tools and not profile.json_beside_tools:
        raise UnsupportedParameter(
            "the model cannot be held to JSON while it has tools", param="response_format"
        )
    config["responseMimeType"] = _JSON
    schema = _schema(output, losses)
    if schema is not None:
        config["responseJsonSchema"] = schema


def _schema(output: JsonSchemaFormat | JsonObjectFormat | OpaqueFormat, losses: Losses) -> Json:
    """Write the schema of an answer, with its name and description where it has none of its own."""
    match output:
        case JsonObjectFormat():
            return None
        case JsonSchemaFormat(schema=schema):
            note_details(output.provider_details, "/output_format", losses)
            if not isinstance(schema, dict):
                return schema
            named = {"title": output.name, **schema} if output.name else dict(schema)
            if output.description is not None:
                named.setdefault("description", output.description)
            return named
        case OpaqueFormat():
            raise UnsupportedParameter("this response format is of another protocol", param="response_format")
        case _:
            assert_never(output)


def _labels(metadata: Json, target: Target, losses: Losses) -> Details:
    """Write metadata as labels, as far as they have their form."""
    labels: Details = {}
    if not isinstance(metadata, dict) or not quirks_of(target).labels:
        if metadata:
            losses.note(LossCode.PARAMETER_DROPPED, "/metadata")
        return labels
    for name, value in metadata.items():
        if _LABEL_KEY.fullmatch(name) and isinstance(value, str) and _LABEL_VALUE.fullmatch(value):
            labels[name] = value
        else:
            losses.note(LossCode.PARAMETER_DROPPED, f"/metadata/{name}")
    return labels
