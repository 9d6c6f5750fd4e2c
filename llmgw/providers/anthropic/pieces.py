"""Reading the pieces that whole answers and streams of Anthropic's have in common.

A content block is opened with what stands in it and then closed; a whole answer's blocks are opened full, a
stream's are filled in between. https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Collection
from typing import ClassVar, Final

import msgspec

from llmgw.providers.anthropic.blocks import PROTOCOL
from llmgw.types import json
from llmgw.types.errors import InvalidJson, ProviderBadStream
from llmgw.types.event import (
    Extra,
    FinishReason,
    Opaque,
    ReasoningDelta,
    Sealed,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llmgw.types.json import Json
from llmgw.types.merging import merge
from llmgw.types.message import Details, OpaquePart, Seal

THINKING: Final = "thinking"

_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""The vendor's words for the end; others, such as `pause_turn` and `compaction`, are `other`."""

_OF_END: Final = ("stop_sequence", "stop_details")
OF_DELTA: Final = ("container",)
"""What a stream tells beside the reason for the end although it is about the whole message."""
_MESSAGE: Final = frozenset({
    "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", *OF_DELTA,
})  # fmt: skip


_TEXT_DELTAS: Final = frozenset({"text_delta", "citations_delta"})
_THINKING_DELTAS: Final = frozenset({"thinking_delta", "signature_delta"})
_CALL_DELTAS: Final = frozenset({"input_json_delta"})
_DELTAS: Final = _TEXT_DELTAS | _THINKING_DELTAS | _CALL_DELTAS | {"compaction_delta"}
"""The types of piece that the vendor documents; others are yet to be invented, and may be of any block."""


class BadBlock(Exception):
    """A content block lacks what makes it one; the text says what."""


class Block:
    """One content block while it is read; this one is of a kind that only the vendor knows."""

    __slots__ = ("_json", "_value", "part")

    deltas: ClassVar[frozenset[str]] = _DELTAS
    """The documented types of piece that the block is made of."""

    def __init__(self, block: Details, part: int) -> None:
        self.part = part
        self._value = dict(block)
        self._json: list[str] = []

    def opened(self) -> list[StreamEvent]:
        """The events of what the block begins with."""
        return []

    def filled(self, delta: Details) -> list[StreamEvent]:
        """The events of a piece.

        Raises:
            ProviderBadStream: it is no piece of such a block.
        """
        kind = delta.get("type")
        if not isinstance(kind, str) or (kind in _DELTAS and kind not in self.deltas):
            raise ProviderBadStream(f"the provider's stream has a piece that is none of its block: {kind}")
        return self._filled(kind, delta)

    def _filled(self, kind: str, delta: Details) -> list[StreamEvent]:
        if kind == "input_json_delta":
            self._json.append(_told(delta, "partial_json"))
        else:
            merge(self._value, _pieces_of(delta))
        return []

    def closed(self) -> list[StreamEvent]:
        """The events that only the end of the block completes."""
        if arguments := "".join(self._json):
            try:
                self._value["input"] = json.decode(arguments.encode())
            except (InvalidJson, UnicodeEncodeError):
                self._value["input"] = arguments
        kind = text_of(self._value.get("type"))
        part = OpaquePart(protocol=PROTOCOL, kind=kind, value=self._value)
        return [Opaque(value=part, part=self.part)]


class TextBlock(Block):
    """Text with its citations."""

    __slots__ = ()

    deltas = _TEXT_DELTAS

    def opened(self) -> list[StreamEvent]:
        """See `Block.opened`."""
        return [
            TextDelta(
                text=text_of(self._value.get("text")),
                part=self.part,
                extra=_text_extra(leftover(self._value, ("type", "text"))),
            )
        ]

    def _filled(self, kind: str, delta: Details) -> list[StreamEvent]:
        pieces = _pieces_of(delta)
        text = ""
        if kind == "text_delta":
            text = _told(delta, "text")
            pieces.pop("text", None)
        extra = _text_extra(pieces)
        return [TextDelta(text=text, part=self.part, extra=extra)] if text or extra is not None else []

    def closed(self) -> list[StreamEvent]:
        """See `Block.closed`."""
        return []


class ThinkingBlock(Block):
    """Thinking in the clear under its signature, which comes last."""

    __slots__ = ()

    deltas = _THINKING_DELTAS

    def opened(self) -> list[StreamEvent]:
        """See `Block.opened`."""
        text = text_of(self._value.get(THINKING))
        extra = _extra(self._value, ("type", THINKING, "signature"))
        return [ReasoningDelta(text=text, part=self.part, member=THINKING, extra=extra)]

    def _filled(self, kind: str, delta: Details) -> list[StreamEvent]:
        if kind == "thinking_delta":
            text = _told(delta, THINKING)
            return [ReasoningDelta(text=text, part=self.part, member=THINKING)]
        if kind == "signature_delta":
            self._value["signature"] = _told(delta, "signature")
        return []

    def closed(self) -> list[StreamEvent]:
        """See `Block.closed`."""
        signature = text_of(self._value.get("signature"))
        return [Sealed(seal=Seal(protocol=PROTOCOL, value=signature), part=self.part)] if signature else []


class RedactedBlock(Block):
    """Thinking that is nothing but its seal."""

    __slots__ = ()

    deltas = frozenset()

    def closed(self) -> list[StreamEvent]:
        """See `Block.closed`."""
        data = text_of(self._value.get("data"))
        return [Sealed(seal=Seal(protocol=PROTOCOL, value=data, kind="encrypted"), part=self.part)]


class CallBlock(Block):
    """A tool call; its arguments come as pieces of JSON, or else all at once."""

    __slots__ = ("_begun", "_call")

    deltas = _CALL_DELTAS

    def __init__(self, block: Details, part: int, call: int) -> None:
        """Begin to read call number `call`.

        Raises:
            BadBlock: it has no id or no name.
        """
        super().__init__(block, part)
        if not (text_of(block.get("id")) and text_of(block.get("name"))):
            raise BadBlock("a tool call without an id or a name")
        self._call = call
        self._begun = False

    def opened(self) -> list[StreamEvent]:
        """See `Block.opened`."""
        return [
            ToolCallDelta(
                index=self._call,
                part=self.part,
                id=text_of(self._value.get("id")),
                name=text_of(self._value.get("name")),
                kind="function",
                extra=_extra(self._value, ("type", "id", "name", "input")),
            )
        ]

    def _filled(self, kind: str, delta: Details) -> list[StreamEvent]:
        return self.arguments(_told(delta, "partial_json")) if kind in _CALL_DELTAS else []

    def arguments(self, piece: str) -> list[StreamEvent]:
        """The event of a piece of the arguments; none for an empty one, as each call begins with."""
        if not piece:
            return []
        self._begun = True
        return [ToolCallDelta(index=self._call, part=self.part, arguments=piece)]

    def closed(self) -> list[StreamEvent]:
        """See `Block.closed`."""
        if self._begun:
            return []
        value = self._value.get("input")
        if isinstance(value, msgspec.Raw):
            return self.arguments(bytes(value).decode())
        return self.arguments("{}" if value is None else json.encode(value).decode())


def new_block(block: Details, part: int, calls: int) -> Block:
    """Make the reader of a block at place `part` of an answer, before which there were so many calls.

    Raises:
        BadBlock: it is not what its type says.
    """
    match block.get("type"):
        case "text":
            return TextBlock(block, part)
        case "thinking":
            return ThinkingBlock(block, part)
        case "redacted_thinking":
            return RedactedBlock(block, part)
        case "tool_use":
            return CallBlock(block, part, calls)
        case _:
            return Block(block, part)


def start_of(message: Details) -> Start:
    """Read the members about the whole answer; those without a field ride along."""
    unknown = leftover(message, _MESSAGE)
    return Start(
        protocol=PROTOCOL,
        id=text_of(message.get("id")),
        model=text_of(message.get("model")),
        created=0,
        extra=Extra(chunk=unknown) if unknown else None,
    )


def end_extra(end: Details, of_delta: Details, of_chunk: Details) -> Extra | None:
    """The members that come with the end: its own, of the message, and of the answer as a whole."""
    of_choice = {name: end[name] for name in _OF_END if end.get(name) is not None}
    if not (of_choice or of_delta or of_chunk):
        return None
    return Extra(choice=of_choice, delta=of_delta, chunk=of_chunk)


def finish_reason(native: str) -> FinishReason:
    """Translate the vendor's word for the end of an answer."""
    return _REASONS.get(native, "other")


def usage_from(usage: Details) -> Usage:
    """Read usage, whose input tokens leave out those read from and written to the cache."""
    read = _count(usage, "cache_read_input_tokens")
    written = _count(usage, "cache_creation_input_tokens")
    fresh = _count(usage, "input_tokens")
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=_count(usage, "output_tokens"),
        cached_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count(details, "thinking_tokens") if isinstance(details, dict) else None,
        provider_details=usage,
    )


def text_of(value: Json) -> str:
    """A text, or none."""
    return value if isinstance(value, str) else ""


def _told(delta: Details, name: str) -> str:
    """What a piece says; none where it is null.

    Raises:
        ProviderBadStream: it says what is no text.
    """
    value = delta.get(name)
    if value is not None and not isinstance(value, str):
        raise ProviderBadStream(f"the provider's stream has a piece whose {name} is no text")
    return value or ""


def leftover(members: Details, known: Collection[str]) -> Details:
    """The members that say something and have no field of ours."""
    return {name: value for name, value in members.items() if value is not None and name not in known}


def _extra(members: Details, known: Collection[str]) -> Extra | None:
    unknown = leftover(members, known)
    return Extra(part=unknown) if unknown else None


def _text_extra(members: Details) -> Extra | None:
    """The members of a text without a field of ours; citations that are no list say nothing."""
    if not isinstance(members.get("citations", []), list):
        del members["citations"]
    return Extra(part=members) if members else None


def _pieces_of(delta: Details) -> Details:
    """What a delta adds to its block, by the block's own member names."""
    pieces = leftover(delta, ("type",))
    if "citation" in pieces:
        pieces["citations"] = [pieces.pop("citation")]
    return pieces


def _count(members: Details, name: str) -> int | None:
    value = members.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
