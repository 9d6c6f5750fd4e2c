"""Writing requests to Gemini: the address, the headers and the body together."""

from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from llmgw.providers.base import Framing, UpstreamRequest
from llmgw.providers.gemini.body import chat_body, count_body
from llmgw.providers.gemini.embeddings import embeddings_body
from llmgw.providers.headers import headers_of
from llmgw.providers.history import Written, behind_instructions, written
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation, CountInvocation, EmbeddingInvocation
from llmgw.types.json import Json
from llmgw.types.loss import Losses
from llmgw.types.message import Details
from llmgw.types.target import Target

_MODELS: Final = "models/"
_TUNED: Final = ("tunedModels/", "endpoints/")
_PUBLISHER: Final = "/publishers/google"


class Resource(NamedTuple):
    """A model as Google's addresses have it: the collection's address, and the name within it."""

    base: str
    name: str


def resource_of(target: Target) -> Resource:
    """Find a target's model; its name cannot lead anywhere but to a model."""
    base = target.endpoint.base_url.rstrip("/")
    model = target.model
    for collection in _TUNED:
        if model.startswith(collection):
            # Vertex has tuned models beside its publishers.
            tuned = quote(model.removeprefix(collection), safe="")
            return Resource(base.removesuffix(_PUBLISHER), f"{collection}{tuned}")
    model = model.removeprefix(_MODELS).removeprefix("google/")
    return Resource(base, f"{_MODELS}{quote(model, safe='')}")


def chat_request(invocation: ChatInvocation, target: Target) -> UpstreamRequest:
    """Write the request for an answer.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    body = chat_body(invocation, target, losses)
    told = written(body, "contents", ("systemInstruction",), stored=invocation.stored)
    if "systemInstruction" in body:
        told = behind_instructions(told, invocation, body["systemInstruction"]["parts"], _head)
    if invocation.stream:
        return _request(target, "streamGenerateContent", told, losses, stream=True)
    return _request(target, "generateContent", told, losses)


def _head(parts: list[Json]) -> Details:
    return {"systemInstruction": {"parts": parts}}


def count_request(invocation: CountInvocation, target: Target) -> UpstreamRequest:
    """Write the request for the number of a conversation's tokens.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    body = count_body(invocation.chat, target, resource_of(target).name, losses)
    return _request(target, "countTokens", Written(json.encode(body)), losses)


def embeddings_request(invocation: EmbeddingInvocation, target: Target) -> UpstreamRequest:
    """Write the request for embeddings.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    method, body = embeddings_body(invocation, target, resource_of(target).name, losses)
    return _request(target, method, Written(json.encode(body)), losses)


def _request(
    target: Target, method: str, told: Written, losses: Losses, *, stream: bool = False
) -> UpstreamRequest:
    resource = resource_of(target)
    query = (("alt", "sse"), *target.endpoint.query) if stream else target.endpoint.query
    url = f"{resource.base}/{resource.name}:{method}"
    framing: Framing = "sse" if stream else "whole"
    return UpstreamRequest(
        method="POST",
        url=f"{url}?{urlencode(query)}" if query else url,
        headers=headers_of(target.endpoint, "text/event-stream" if stream else "application/json"),
        body=told.body,
        framing=framing,
        losses=losses.noted(),
        history=told.messages,
        history_head=told.head,
        history_at=told.at,
        history_own=told.own,
        history_behind=told.behind,
    )
