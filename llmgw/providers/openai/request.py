"""Writing requests for OpenAI-like hosts: typed fields, then what came over the same protocol, then quirks."""

from operator import attrgetter
from typing import Final, assert_never

from llmgw.providers.base import Behind, UpstreamRequest
from llmgw.providers.history import Written, around, words_alone, written
from llmgw.providers.openai import foreign
from llmgw.providers.openai.conversation import Said, written_messages
from llmgw.providers.openai.messages import PLAIN_ROLES, PROTOCOL
from llmgw.providers.openai.places import Place, place_of
from llmgw.providers.openai.quirks import OpenAiQuirks
from llmgw.providers.openai.tools import add_tools
from llmgw.types import json
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import (
    ChatInvocation,
    EmbeddingInvocation,
    JsonObjectFormat,
    JsonSchemaFormat,
    OpaqueFormat,
    OutputFormat,
    Sampling,
    TextFormat,
)
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details
from llmgw.types.target import Target

_NEUTRAL: Final[Details] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "parallel_tool_calls": True,
    "store": False,
    "tools": [],
    "tool_choice": "auto",
}
"""Values that ask for what happens anyway, so that a host which refuses the member is not lost for the call."""

_RARE: Final = (
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "n",
)
"""How the next token is drawn, in what hardly a call says: looked at in one step."""
_NOTHING_SAID: Final = Said([])
_rare_in: Final = attrgetter(*_RARE)
_NONE_RARE: Final = (None,) * len(_RARE)


def chat_request(invocation: ChatInvocation, target: Target) -> UpstreamRequest:
    """Write the request for a chat completion.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    native = invocation.wire == PROTOCOL
    place = place_of(target)
    losses = Losses()
    words, said = None, _NOTHING_SAID
    if invocation.stored and place.quirks.user_after_tool:
        words = words_alone(invocation.memo, invocation.messages, PLAIN_ROLES)
    body: Details = {"model": target.model}
    if words is None:
        said = written_messages(invocation, target, losses)
        body["messages"] = said.messages
    _add_sampling(body, invocation.sampling, place.quirks)
    add_tools(body, invocation, target, losses)
    if invocation.output_format is not None:
        body["response_format"] = _response_format(invocation.output_format, native=native)
    effort = invocation.reasoning.effort if native else foreign.effort(invocation, target, losses)
    if effort is not None:
        body["reasoning_effort"] = effort
    _add_besides(body, invocation)
    if native:
        body |= invocation.passthrough
    else:
        foreign.leave_out(body, invocation, target, losses)
    if invocation.stream:
        body["stream"] = True
        options = dict(invocation.stream_options) if native else {}
        if place.quirks.stream_usage:
            # Always asked for, so that the cost of each call is known; the caller's wire hides it again.
            options["include_usage"] = True
        if options:
            body["stream_options"] = options
    body = _quirked(body, target, place.quirks, losses)
    if words is None:
        told = written(body, "messages", ("model",), stored=invocation.stored, known=said.known)
    else:
        del body["model"]
        told = around(place.opening, words, body, place.head)
    if invocation.before and (said.alone or words is not None):
        told = told._replace(behind=Behind(place.head, invocation.before))
    return _request(place, place.chat_url, told, losses, stream=invocation.stream)


def embeddings_request(invocation: EmbeddingInvocation, target: Target) -> UpstreamRequest:
    """Write the request for embeddings.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    body: Details = {"model": target.model, "input": invocation.inputs}
    for name, value in (
        ("dimensions", invocation.dimensions),
        ("encoding_format", invocation.encoding_format),
        ("user", invocation.user),
    ):
        if value is not None:
            body[name] = value
    if invocation.wire == PROTOCOL:
        body |= invocation.passthrough
    place = place_of(target)
    told = Written(json.encode(_quirked(body, target, place.quirks, losses)))
    return _request(place, place.embeddings_url, told, losses, stream=False)


def _add_sampling(body: Details, sampling: Sampling, quirks: OpenAiQuirks) -> None:
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    rare = _rare_in(sampling)
    if rare != _NONE_RARE:
        body.update((name, value) for name, value in zip(_RARE, rare, strict=True) if value is not None)
    if sampling.stop is not None:
        body["stop"] = list(sampling.stop)
    if sampling.max_output_tokens is not None:
        member: str = quirks.max_tokens_member
        if member == "max_completion_tokens" and sampling.max_tokens_member == "max_tokens":
            # Hosts with the newer member take the older one too, for the models that had it.
            member = "max_tokens"
        body[member] = sampling.max_output_tokens


def _add_besides(body: Details, invocation: ChatInvocation) -> None:
    """Write what is said about the call rather than in it."""
    cache = invocation.cache
    if invocation.metadata is not None:
        body["metadata"] = invocation.metadata
    if invocation.user is not None:
        body["user"] = invocation.user
    if cache.key is not None:
        body["prompt_cache_key"] = cache.key
    if cache.retention is not None:
        body["prompt_cache_retention"] = cache.retention


def _response_format(output: OutputFormat, *, native: bool) -> Json:
    match output:
        case JsonSchemaFormat():
            schema: Details = {"name": output.name}
            for name, value in (
                ("description", output.description),
                ("schema", output.schema),
                ("strict", output.strict),
            ):
                if value is not None:
                    schema[name] = value
            if native:
                schema |= output.provider_details
            return {"type": "json_schema", "json_schema": schema}
        case JsonObjectFormat():
            return {"type": "json_object"}
        case TextFormat():
            return {"type": "text"}
        case OpaqueFormat(value=value):
            if not native:
                raise UnsupportedParameter(
                    "this response format is of another protocol", param="response_format"
                )
            return value
        case _:
            assert_never(output)


def _quirked(body: Details, target: Target, quirks: OpenAiQuirks, losses: Losses) -> Details:
    """Apply what the host refuses, does without, and calls by another name."""
    for name in quirks.refused:
        value = body.pop(name, None)
        if value is not None and (name not in _NEUTRAL or value != _NEUTRAL[name]):
            raise UnsupportedParameter(f"{target.name} does not support {name}", param=name)
    for name in quirks.dropped:
        value = body.pop(name, None)
        if value is not None and (name not in _NEUTRAL or value != _NEUTRAL[name]):
            losses.note(LossCode.PARAMETER_DROPPED, f"/{name}")
    for name, host_name in quirks.renamed:
        if name in body:
            body[host_name] = body.pop(name)
    return body


def _request(place: Place, url: str, told: Written, losses: Losses, *, stream: bool) -> UpstreamRequest:
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=place.stream_headers if stream else place.headers,
        body=told.body,
        framing="sse" if stream else "whole",
        losses=losses.noted(),
        history=told.messages,
        history_head=told.head,
        history_at=told.at,
        history_own=told.own,
        history_behind=told.behind,
    )
