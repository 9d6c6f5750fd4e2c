"""What is asked of a target: the same of each, or what of a stored conversation this one can be told."""

from typing import Protocol

from llmgw.providers.base import Provider, UpstreamRequest
from llmgw.types.invocation import Invocation
from llmgw.types.target import Target


class Asking(Protocol):
    """One call, as each of its targets is asked."""

    @property
    def invocation(self) -> Invocation:
        """What the caller says."""

    @property
    def keeps_raw(self) -> bool:
        """Whether the bytes of a streamed answer are wanted once it is whole."""

    async def request(self, provider: Provider, target: Target) -> UpstreamRequest:
        """Write the request for one target.

        Raises:
            UnsupportedParameter: the target cannot be asked for this.
            GatewayError: it cannot be told enough of the conversation.
        """


class Plain:
    """A call that says all there is to say."""

    __slots__ = ("invocation",)
    keeps_raw = False

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation

    async def request(self, provider: Provider, target: Target) -> UpstreamRequest:
        """See `Asking.request`."""
        return provider.build_request(self.invocation, target)
