"""What a wire format is: a pure translation between a caller's bytes and our types."""

from typing import Protocol

from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError
from llmgw.types.event import StreamEvent
from llmgw.types.invocation import Invocation


class EventEncoder(Protocol):
    """Writes one stream in the caller's dialect; keeps the ids and indexes of that stream."""

    def encode(self, event: StreamEvent) -> bytes:
        """Write the event as whole SSE events; empty where the dialect says nothing for it.

        Raises:
            ProviderBadStream: it contradicts what was written before.
        """

    def encode_error(self, error: GatewayError) -> bytes:
        """Write the one terminal event of a stream that failed after it began; no end marker follows."""


class WireFormat(Protocol):
    """One API dialect that callers speak."""

    name: str
    """Equal to the provider protocol's name where a provider speaks it too."""
    path: str
    forwarded_headers: tuple[str, ...]
    """Request headers of the dialect, lower case, that go on to a target of the same protocol."""
    id_headers: tuple[str, ...]
    """The answer headers in which this dialect's clients look for the request id."""
    ping: bytes
    """What keeps a silent stream alive."""
    error_type: str
    """The media type of errors."""

    def decode_request(self, body: bytes, *, prompted: bool = False) -> Invocation:
        """Read a request body; one that is `prompted` from elsewhere may leave out the model and what is said.

        Raises:
            InvalidJson: the bytes are not JSON.
            InvalidRequest: the JSON is not a request of this format; `param` names the member.
            ForbiddenField: a member would redirect the call or carry a credential.
        """

    def encode_completion(self, completion: Completion) -> bytes:
        """Write a whole answer as this format's response body."""

    def encoder(self, invocation: Invocation) -> EventEncoder:
        """Make the writer of one streamed answer."""

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:
        """Write an error as this format's error body."""

    def status_of(self, error: GatewayError) -> int:
        """The HTTP status under which this format's clients know the error."""
