"""Anthropic's messages, as callers speak them: `POST /v1/messages`."""

from typing import Final

from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError
from llmgw.types.invocation import ChatInvocation, Invocation
from llmgw.wire.anthropic.answer import encode_completion
from llmgw.wire.anthropic.errors import PING, encode_error, status_of
from llmgw.wire.anthropic.request import decode_message
from llmgw.wire.anthropic.seals import PROTOCOL
from llmgw.wire.anthropic.stream import MessageEncoder
from llmgw.wire.base import EventEncoder, WireFormat


class AnthropicMessages:
    """The dialect; see `WireFormat`."""

    name = PROTOCOL
    path = "/v1/messages"
    forwarded_headers: tuple[str, ...] = ("anthropic-version", "anthropic-beta")
    id_headers: tuple[str, ...] = ("request-id", "x-request-id")
    ping = PING
    error_type = "application/json"

    def decode_request(self, body: bytes, *, prompted: bool = False) -> ChatInvocation:
        """See `WireFormat.decode_request`."""
        return decode_message(body, prompted=prompted)

    def encode_completion(self, completion: Completion) -> bytes:
        """See `WireFormat.encode_completion`."""
        return encode_completion(completion)

    def encoder(self, invocation: Invocation) -> EventEncoder:  # noqa: ARG002  no request changes the dialect
        """See `WireFormat.encoder`."""
        return MessageEncoder()

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """See `WireFormat.encode_error`."""
        return encode_error(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        """See `WireFormat.status_of`."""
        return status_of(error)


WIRE: Final[WireFormat] = AnthropicMessages()
