"""How much may be told of a call, and its words where they may be: by reference, as they came."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.types.completion import Completion, Folding
from llmgw.types.event import Finish, ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from llmgw.types.message import Message

CaptureLevel: TypeAlias = Literal["none", "metadata", "redacted", "full"]
"""`none`: what sums need, and nothing that leads to one call; `metadata`: all but words; `redacted`: words without
secrets and personal data; `full`: words as they are."""

WITH_WORDS: Final[frozenset[CaptureLevel]] = frozenset({"redacted", "full"})
_SPARE: Final = 4096
"""Characters of an answer that are taken beyond the bound, so that what is cut there can still be read."""


class Capture(Struct, frozen=True, kw_only=True):
    """How much may be told, tenant by tenant, and how many bytes of each side of a call."""

    level: CaptureLevel = "metadata"
    by_tenant: Mapping[str, CaptureLevel] = {}
    max_bytes: int = 256 * 1024

    def of(self, tenant: str) -> CaptureLevel:
        """The level of one tenant."""
        return self.by_tenant.get(tenant, self.level)


class Content(Struct, kw_only=True):
    """What one call asked and what it was answered.

    `body` is the caller's own, in the dialect `wire` and for the address `path`, so that it can be asked again; a
    call that was made for another has none. `told` is what the model asked last was told, first to last: what
    stands before in a stored conversation and in a prompt is among it. Each side tells `max_bytes` at most.
    """

    max_bytes: int
    path: str = ""
    wire: str = ""
    body: bytes = b""
    told: Sequence[Message] = ()
    complete: bool = False
    """Whether the answer came to its end."""
    settled: Completion | None = None
    """The answer as it was sent, where it was not streamed."""
    folding: Folding | None = None
    heard: int = 0
    """Characters of a stream so far."""

    @property
    def answer(self) -> Completion | None:
        """What was answered, were it in part; None for nothing."""
        if self.settled is not None or self.folding is None or self.folding.start is None:
            return self.settled
        return self.folding.completion()

    @property
    def overheard(self) -> bool:
        """Whether a stream said more than was taken."""
        return self.heard > self.max_bytes + _SPARE

    def settle(self, completion: Completion) -> None:
        """Take a whole answer, or another in its place."""
        self.settled, self.complete = completion, True

    def hear(self, events: Sequence[StreamEvent]) -> None:
        """Take what a stream says, up to the bound."""
        folding = self.folding
        if folding is None:
            folding = self.folding = Folding()
        most, heard = self.max_bytes + _SPARE, self.heard
        taken: list[StreamEvent] = []
        for event in events:
            if event.__class__ is TextDelta:
                heard += len(event.text) or 1
            else:
                match event:
                    case RefusalDelta(text=text) | ReasoningDelta(text=text) | ToolCallDelta(arguments=text):
                        heard += len(text) or 1
                    case Finish():
                        self.complete = True
                        taken.append(event)
                        continue
                    case _:
                        heard += 1
            if heard <= most:
                taken.append(event)
        self.heard = heard
        folding.add(taken)
