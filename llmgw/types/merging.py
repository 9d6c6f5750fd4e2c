"""Parts and members that came in pieces, put together."""

from llmgw.types.event import ToolCallDelta
from llmgw.types.message import (
    Details,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
)


class PartPieces:
    """One part while its pieces come in; those of a tool call are with the call itself."""

    def __init__(self, kind: str, part: int) -> None:
        self.kind = kind
        self.part = part
        self.text: list[str] = []
        self.call: CallPieces | None = None
        self.opaque: OpaquePart | None = None
        self.seal: Seal | None = None
        self.details: Details = {}

    def whole(self) -> Part:
        """The part as far as it was told."""
        if self.opaque is not None:
            return self.opaque
        if self.call is not None:
            return self.call.part(self.seal, self.details)
        text = "".join(self.text)
        if self.kind == "text":
            return TextPart(text=text, seal=self.seal, provider_details=self.details)
        if self.kind == "refusal":
            return RefusalPart(text=text, provider_details=self.details)
        member = self.kind.removeprefix("reasoning:")
        return ReasoningPart(text=text, member=member, seal=self.seal, provider_details=self.details)


class CallPieces:
    """One tool call while its pieces come in."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.custom = False
        self.arguments: list[str] = []
        self.details: Details = {}

    def add(self, delta: ToolCallDelta) -> None:
        """Take in its next piece."""
        self.id = delta.id or self.id
        self.name = delta.name or self.name
        self.custom = self.custom or delta.kind == "custom"
        self.arguments.append(delta.arguments)
        merge(self.details, delta.call_details)

    def part(self, seal: Seal | None, details: Details) -> ToolCallPart:
        """The call as far as it was told."""
        return ToolCallPart(
            id=self.id,
            name=self.name,
            arguments="".join(self.arguments),
            kind="custom" if self.custom else "function",
            seal=seal,
            provider_details=self.details | details,
        )


_NAMES = frozenset({"id", "type", "role", "index", "format", "object", "channel"})
"""Members whose text names something: a later piece repeats it, it does not continue it."""


def merge(whole: Details, piece: Details, *, join_text: bool = True) -> None:
    """Add a stream piece's members to what earlier pieces said, in place (see `fold`); `piece` stays as it was."""
    for name, value in piece.items():
        before = whole.get(name)
        if isinstance(value, str):
            continues = join_text and isinstance(before, str) and name not in _NAMES
            whole[name] = f"{before}{value}" if continues else value
        elif isinstance(value, list):
            if isinstance(before, list):
                before.extend(value)
            else:
                whole[name] = list(value)
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = whole[name] = {}
            merge(before, value, join_text=join_text)
        elif value is not None or name not in whole:
            whole[name] = value
