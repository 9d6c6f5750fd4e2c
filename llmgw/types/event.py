"""How an answer arrives: one sequence of events for streams and whole answers alike.

Order: one `Start`; deltas and `ChoiceEnd`s per choice; one `Finish`. Only `Finish` means success. A stream
that ends otherwise raised an error. An event's `extra` carries members without a field, by the place they
came from, so that a wire of the protocol that `Start` names can write them back; other wires pass them over.

Where a protocol's answers are lists of parts, deltas carry the number of theirs in `part`, rising from 0 within
a choice: pieces with different numbers never join. Protocols that only have one text leave it 0.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.types.json import Json
from llmgw.types.message import Details, OpaquePart, Seal

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


class Extra(Struct, frozen=True, kw_only=True):
    """Unknown members of one provider chunk: of the chunk itself, the choice, its delta or message, one part."""

    chunk: Details = {}
    choice: Details = {}
    delta: Details = {}
    part: Details = {}


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens the provider reports; None where it does not say, 0 where it says zero.

    `input_tokens` includes cached reads and writes, `output_tokens` includes reasoning, as OpenAI counts.
    `provider_details` is the provider's usage object as it came.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    provider_details: Details = {}


class Start(Struct, frozen=True, kw_only=True):
    """The provider began; carries no content, so it commits to nothing."""

    id: str
    model: str
    created: int
    """Unix seconds; 0 where the provider does not say."""
    protocol: str = ""
    """The provider protocol whose details the events of this answer carry."""
    extra: Extra | None = None


class TextDelta(Struct, frozen=True, kw_only=True):
    """A piece of the answer's text; `logprobs` is the choice's logprobs object of this piece."""

    text: str
    choice: int = 0
    part: int = 0
    logprobs: Json = None
    extra: Extra | None = None


class RefusalDelta(Struct, frozen=True, kw_only=True):
    """A piece of a refusal."""

    text: str
    choice: int = 0
    logprobs: Json = None
    extra: Extra | None = None


class ReasoningDelta(Struct, frozen=True, kw_only=True):
    """A piece of reasoning shown in the clear; `member` is the name it came under."""

    text: str
    choice: int = 0
    part: int = 0
    member: str = "reasoning_content"
    extra: Extra | None = None


class ToolCallDelta(Struct, frozen=True, kw_only=True):
    """A piece of tool call number `index`; `id` and `name` come with its first piece."""

    index: int
    choice: int = 0
    part: int = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    kind: Literal["function", "custom"] | None = None
    call_details: Details = {}
    extra: Extra | None = None


class Sealed(Struct, frozen=True, kw_only=True):
    """The provider's seal over the part just told: that of tool call `call`, else the choice's last one.

    An `encrypted` seal is a part of its own, which nothing else is told of.
    """

    seal: Seal
    choice: int = 0
    part: int = 0
    call: int | None = None


class Opaque(Struct, frozen=True, kw_only=True):
    """A whole part that only its own protocol understands: a server tool's call or result, say."""

    value: OpaquePart
    choice: int = 0
    part: int = 0


class Detail(Struct, frozen=True, kw_only=True):
    """Members without a field of ours in a chunk that says nothing else; may carry content (audio, say)."""

    extra: Extra
    choice: int = 0
    logprobs: Json = None
    has_content: bool = False


class ChoiceEnd(Struct, frozen=True, kw_only=True):
    """Choice number `choice` is whole; `native_reason` is the provider's word."""

    reason: FinishReason
    native_reason: str
    choice: int = 0
    logprobs: Json = None
    extra: Extra | None = None


class UsageReport(Struct, frozen=True, kw_only=True):
    """Usage so far; the last one counts."""

    usage: Usage
    extra: Extra | None = None


class Vector(Struct, frozen=True, kw_only=True):
    """One embedding: floats, or base64 of little-endian float32, as the provider answered."""

    index: int
    embedding: list[float] | str
    provider_details: Details = {}


class Vectors(Struct, frozen=True, kw_only=True):
    """The whole answer to an `EmbeddingInvocation`."""

    items: tuple[Vector, ...]


class Finish(Struct, frozen=True, kw_only=True):
    """The answer is whole; `facts` are the gateway's own, told to the caller under `llmgw`."""

    usage: Usage | None = None
    facts: Details = {}


StreamEvent: TypeAlias = (
    Start
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ToolCallDelta
    | Sealed
    | Opaque
    | Detail
    | ChoiceEnd
    | UsageReport
    | Vectors
    | Finish
)


def is_content(event: StreamEvent) -> bool:
    """Whether the event carries an answer, after which no other target may be tried."""
    match event:
        case TextDelta(text=text) | RefusalDelta(text=text) | ReasoningDelta(text=text):
            return bool(text)
        case Detail(has_content=has_content):
            return has_content
        case ToolCallDelta() | Sealed() | Opaque() | ChoiceEnd() | Vectors() | Finish():
            return True
        case _:
            return False
