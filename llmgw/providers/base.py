"""What a provider protocol is: a pure translation between our types and a vendor's bytes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from llmgw.types.errors import GatewayError
from llmgw.types.event import StreamEvent
from llmgw.types.invocation import Invocation
from llmgw.types.loss import Loss
from llmgw.types.target import Target

Framing: TypeAlias = Literal["sse", "whole"]
"""How an answer's bytes are cut into frames: server-sent events, or the whole body as one."""


class Frame(Struct, frozen=True, gc=False):
    """One unit of an answer: `data` of an SSE event and its `event` name, or a whole body."""

    data: bytes
    event: str = ""


class Behind(NamedTuple):
    """From which of the messages on a conversation stands alone, and the `head` that it would have alone."""

    head: bytes
    first: int


class UpstreamRequest(Struct, frozen=True, kw_only=True):
    """What to send; `headers` hold no credential but the provider's own, and never the caller's.

    `losses` is what the request does not say as the invocation has it. Of a stored conversation `history` are the
    written messages, each as its own bytes, and `history_head` is what the body says before them. In the body they
    begin at `history_at`, with a comma between them, or stand otherwise where that is 0; `history_own` of their
    bytes nobody else holds. `history_behind` tells where among them it stands as it would without what a prompt
    says before it; None where that is not sure.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    framing: Framing
    losses: tuple[Loss, ...] = ()
    history: tuple[bytes, ...] = ()
    history_head: bytes = b""
    history_at: int = 0
    history_own: int = 0
    history_behind: Behind | None = None


class EventParser(Protocol):
    """Reads one answer, frame by frame."""

    def feed(self, frame: Frame) -> Iterable[StreamEvent]:
        """Read one frame into events, in order.

        Raises:
            ProviderBadStream: the frame of a stream does not parse.
            ProviderBadResponse: the whole body is not an answer.
            ProviderError: the frame is the provider's report of an error.
        """

    def end(self) -> Iterable[StreamEvent]:
        """The provider closed its answer: yield the `Finish` that is still owed, if the answer is whole.

        Raises:
            StreamInterrupted: the answer is not whole.
        """


class BatchParser(EventParser, Protocol):
    """A parser that reads what came together in fewer steps than frame by frame."""

    def feed_all(self, frames: Sequence[Frame], events: list[StreamEvent]) -> None:
        """Add the events of frames, in order, as `feed` gives them.

        Raises:
            GatewayError: as `feed` does, once the events before it were added.
        """


FeedAll: TypeAlias = Callable[[Sequence[Frame], list[StreamEvent]], None]
"""See `BatchParser.feed_all`."""


class Provider(Protocol):
    """One vendor protocol; knows nothing of sockets."""

    name: str

    def build_request(self, invocation: Invocation, target: Target) -> UpstreamRequest:
        """Write the request that asks `target` for the invocation.

        Raises:
            UnsupportedParameter: the target cannot be asked for this; `param` names the member.
        """

    def parser(self, invocation: Invocation, target: Target) -> EventParser:
        """Make the reader of one answer."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Turn an error answer (status >= 400, lower-case header names) into ours; never raises."""

    def models_url(self, target: Target) -> str:
        """Where the host lists its models: asking there proves address and credential."""
