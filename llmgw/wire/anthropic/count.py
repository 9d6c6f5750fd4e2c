"""Anthropic's token counting, as callers speak it: `POST /v1/messages/count_tokens`."""

from typing import Final

from llmgw.types import json
from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError
from llmgw.types.invocation import CountInvocation, Invocation
from llmgw.types.message import Details
from llmgw.wire.anthropic.errors import PING, encode_error, status_of
from llmgw.wire.anthropic.request import decode_count
from llmgw.wire.anthropic.seals import PROTOCOL
from llmgw.wire.anthropic.stream import MessageEncoder
from llmgw.wire.base import EventEncoder, WireFormat


class AnthropicCount:
    """The dialect; see `WireFormat`."""

    name = PROTOCOL
    path = "/v1/messages/count_tokens"
    forwarded_headers: tuple[str, ...] = ("anthropic-version", "anthropic-beta")
    id_headers: tuple[str, ...] = ("request-id", "x-request-id")
    ping = PING
    error_type = "application/json"

    def decode_request(self, body: bytes, *, prompted: bool = False) -> CountInvocation:
        """See `WireFormat.decode_request`."""
        return decode_count(body, prompted=prompted)

    def encode_completion(self, completion: Completion) -> bytes:
        """See `WireFormat.encode_completion`; what it did to the context beside the count is the vendor's own."""
        usage = completion.usage
        body: Details = {"input_tokens": (usage.input_tokens if usage is not None else None) or 0}
        if completion.protocol == PROTOCOL:
            body |= completion.provider_details
        return json.encode(body)

    def encoder(self, invocation: Invocation) -> EventEncoder:  # noqa: ARG002  counts are never streamed
        """See `WireFormat.encoder`; what it writes is a message, as no stream of counts exists."""
        return MessageEncoder()

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """See `WireFormat.encode_error`."""
        return encode_error(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        """See `WireFormat.status_of`."""
        return status_of(error)


WIRE: Final[WireFormat] = AnthropicCount()
