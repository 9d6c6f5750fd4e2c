"""Writing requests for OpenAI-like hosts: typed fields, then what came over the same protocol, then quirks."""

from typing import Final, assert_never
from urllib.parse import quote, urlencode

from llmgw.providers.base import Framing, UpstreamRequest
from llmgw.providers.history import Written, written
from llmgw.providers.openai import foreign
from llmgw.providers.openai.messages import PROTOCOL, written_messages
from llmgw.providers.openai.quirks import quirks_of
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
from llmgw.types.target import Endpoint, Target

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


def chat_request(invocation: ChatInvocation, target: Target) -> UpstreamRequest:
    """Write the request for a chat completion.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    native = invocation.wire == PROTOCOL
    losses = Losses()
    body: Details = {"model": target.model, "messages": written_messages(invocation, target, losses)}
    _add_sampling(body, invocation.sampling, target)
    add_tools(body, invocation, target, losses)
    if invocation.output_format is not None:
        body["response_format"] = _response_format(invocation.output_format, native=native)
    for name, value in (
        (
            "reasoning_effort",
            invocation.reasoning.effort if native else foreign.effort(invocation, target, losses),
        ),
        ("metadata", invocation.metadata),
        ("user", invocation.user),
        ("prompt_cache_key", invocation.cache.key),
        ("prompt_cache_retention", invocation.cache.retention),
    ):
        if value is not None:
            body[name] = value
    if native:
        body |= invocation.passthrough
    else:
        foreign.leave_out(body, invocation, target, losses)
    if invocation.stream:
        body["stream"] = True
        options = dict(invocation.stream_options) if native else {}
        if quirks_of(target).stream_usage:
            # Always asked for, so that the cost of each call is known; the caller's wire hides it again.
            options["include_usage"] = True
        if options:
            body["stream_options"] = options
    body = _quirked(body, target, losses)
    told = written(body, "messages", ("model",), stored=invocation.stored)
    return _request(target, quirks_of(target).chat_path, told, losses, stream=invocation.stream)


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
    body = _quirked(body, target, losses)
    told = Written(json.encode(body))
    return _request(target, quirks_of(target).embeddings_path, told, losses, stream=False)


def _add_sampling(body: Details, sampling: Sampling, target: Target) -> None:
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
        ("seed", sampling.seed),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
        ("logit_bias", sampling.logit_bias),
        ("logprobs", sampling.logprobs),
        ("top_logprobs", sampling.top_logprobs),
        ("n", sampling.n),
    ):
        if value is not None:
            body[name] = value
    if sampling.stop is not None:
        body["stop"] = list(sampling.stop)
    if sampling.max_output_tokens is not None:
        member: str = quirks_of(target).max_tokens_member
        if member == "max_completion_tokens" and sampling.max_tokens_member == "max_tokens":
            # Hosts with the newer member take the older one too, for the models that had it.
            member = "max_tokens"
        body[member] = sampling.max_output_tokens


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


def _quirked(body: Details, target: Target, losses: Losses) -> Details:
    """Apply what the host refuses, does without, and calls by another name."""
    quirks = quirks_of(target)
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


def _request(target: Target, path: str, told: Written, losses: Losses, *, stream: bool) -> UpstreamRequest:
    endpoint = target.endpoint
    url = f"{endpoint.base_url.rstrip('/')}{path}"
    if "{model}" in url:
        url = url.replace("{model}", quote(target.model, safe=""))
    if endpoint.query:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(endpoint.query)}"
    framing: Framing = "sse" if stream else "whole"
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=_headers(endpoint, "text/event-stream" if stream else "application/json"),
        body=told.body,
        framing=framing,
        losses=losses.noted(),
        history=told.messages,
        history_head=told.head,
        history_at=told.at,
        history_own=told.own,
    )


def _headers(endpoint: Endpoint, accept: str) -> tuple[tuple[str, str], ...]:
    """The headers of a request; the operator's own replace ours of the same name."""
    headers = {"content-type": "application/json", "accept": accept, "accept-encoding": "identity"}
    if endpoint.api_key is not None and endpoint.auth != "none":
        if endpoint.auth == "bearer":
            headers["authorization"] = f"Bearer {endpoint.api_key.reveal()}"
        else:
            headers[endpoint.auth] = endpoint.api_key.reveal()
    for name, value in endpoint.headers:
        headers[name.lower()] = value
    return tuple(headers.items())
