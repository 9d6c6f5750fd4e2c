"""OpenAI's embeddings, as callers speak it: `POST /v1/embeddings`."""

from typing import Final

from llmgw.types import json
from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError, InvalidRequest, UnsupportedParameter
from llmgw.types.event import Usage
from llmgw.types.feature import Feature
from llmgw.types.invocation import EmbeddingInvocation, Invocation
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.wire.base import EventEncoder, WireFormat
from llmgw.wire.members import (
    OPTIONS,
    integer,
    missing,
    needed_text,
    options,
    request_object,
    text,
    unknown,
    wrong_type,
)
from llmgw.wire.openai.chat_messages import PROTOCOL
from llmgw.wire.openai.chat_stream import ChatEncoder
from llmgw.wire.openai.errors import PING, encode_error
from llmgw.wire.prompt_member import PROMPT

_TYPED: Final = frozenset({"model", "input", "dimensions", "encoding_format", "user", OPTIONS})


class OpenAiEmbeddings:
    """The dialect; see `WireFormat`."""

    name = PROTOCOL
    path = "/v1/embeddings"
    forwarded_headers: tuple[str, ...] = ()
    id_headers: tuple[str, ...] = ("x-request-id",)
    ping = PING
    error_type = "application/json"

    def decode_request(self, body: bytes, *, prompted: bool = False) -> EmbeddingInvocation:
        """See `WireFormat.decode_request`; what is embedded is all that is said."""
        members = request_object(json.decode(body))
        own = options(members)
        if prompted or own.prompt is not None:
            raise UnsupportedParameter("embeddings have no prompt", param=PROMPT)
        return EmbeddingInvocation(
            model=needed_text(members, "model", ""),
            wire=PROTOCOL,
            inputs=_inputs(members.get("input")),
            dimensions=integer(members, "dimensions", least=1),
            encoding_format=text(members, "encoding_format", ""),
            user=text(members, "user", ""),
            passthrough=unknown(members, _TYPED),
            options=own,
            needs={Feature.EMBEDDINGS: "input"},
        )

    def encode_completion(self, completion: Completion) -> bytes:
        """See `WireFormat.encode_completion`."""
        native = completion.protocol == PROTOCOL
        body: Details = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": vector.index,
                    "embedding": vector.embedding,
                    **(vector.provider_details if native else {}),
                }
                for vector in completion.vectors
            ],
            "model": completion.model,
            "usage": _usage(completion.usage),
        }
        if completion.id:
            body["id"] = completion.id
        if completion.created:
            body["created"] = completion.created
        return json.encode(body | completion.provider_details if native else body)

    def encoder(self, invocation: Invocation) -> EventEncoder:  # noqa: ARG002  embeddings are never streamed
        """See `WireFormat.encoder`; what it writes is chat, as no embeddings stream exists."""
        return ChatEncoder(include_usage=False)

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """See `WireFormat.encode_error`."""
        return encode_error(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        """See `WireFormat.status_of`."""
        return error.status


WIRE: Final[WireFormat] = OpenAiEmbeddings()


def _inputs(value: Json) -> Json:
    """Check the shape of `input`; objects are left to the hosts that embed more than text."""
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong_type("input", "a string or an array", value)
    if not value:
        raise InvalidRequest("Invalid 'input': an empty array has nothing to embed.", param="input")
    first = value[0]
    kinds: type | tuple[type, ...] = list if isinstance(first, list) else type(first)
    for position, item in enumerate(value):
        if (
            not isinstance(item, str | int | list | dict)
            or isinstance(item, bool)
            or not isinstance(item, kinds)
        ):
            raise wrong_type(
                f"input[{position}]", "what the first item is: a string, a token or tokens", item
            )
    return value


def _usage(usage: Usage | None) -> Details:
    """Write usage, which typed clients need even where the host told none."""
    if usage is None:
        return {"prompt_tokens": 0, "total_tokens": 0}
    prompt = usage.input_tokens or 0
    body: Details = {"prompt_tokens": prompt, "total_tokens": prompt}
    if "prompt_tokens" in usage.provider_details:
        body |= {name: value for name, value in usage.provider_details.items() if value is not None}
    return body
