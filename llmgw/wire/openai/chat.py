"""OpenAI's chat completions, as callers speak it: `POST /v1/chat/completions`."""

from typing import Final

from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError
from llmgw.types.invocation import ChatInvocation, Invocation
from llmgw.wire.base import EventEncoder, WireFormat
from llmgw.wire.openai.chat_answer import encode_completion
from llmgw.wire.openai.chat_messages import PROTOCOL
from llmgw.wire.openai.chat_request import decode_chat
from llmgw.wire.openai.chat_stream import ChatEncoder
from llmgw.wire.openai.errors import PING, encode_error


class OpenAiChat:
    """The dialect; see `WireFormat`."""

    name = PROTOCOL
    path = "/v1/chat/completions"
    forwarded_headers: tuple[str, ...] = ()
    id_headers: tuple[str, ...] = ("x-request-id",)
    ping = PING
    error_type = "application/json"

    def decode_request(self, body: bytes, *, prompted: bool = False) -> ChatInvocation:
        """See `WireFormat.decode_request`."""
        return decode_chat(body, prompted=prompted)

    def encode_completion(self, completion: Completion) -> bytes:
        """See `WireFormat.encode_completion`."""
        return encode_completion(completion)

    def encoder(self, invocation: Invocation) -> EventEncoder:
        """See `WireFormat.encoder`."""
        return ChatEncoder(include_usage=isinstance(invocation, ChatInvocation) and invocation.include_usage)

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """See `WireFormat.encode_error`."""
        return encode_error(error, request_id)

    def status_of(self, error: GatewayError) -> int:
        """See `WireFormat.status_of`."""
        return error.status


WIRE: Final[WireFormat] = OpenAiChat()
