"""What is said: messages made of typed parts.

Nothing a caller or provider sends is lost: a member without a field here rides in `provider_details` of the
smallest value it belongs to, and a part of an unknown type becomes an `OpaquePart`. In JSON these structs take no
member they do not know, as it would be dropped without a word.

The parts are `schemas/context/1/part.json` in Python; tests prove that both accept the same documents.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.types.json import Json
from llmgw.types.scalars import Count, Digest

Details: TypeAlias = dict[str, Json]
"""Members without a field of ours, keyed as they came; never interpreted outside their own protocol."""

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
"""`function` is the OpenAI role that `tool` replaced; it is still in old transcripts."""

MediaKind: TypeAlias = Literal["image", "audio", "video", "file"]


class Seal(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A provider's proof over a part it made, unreadable to all others.

    It goes back byte for byte with its part, and only to the protocol that made it. A `signature` stands beside
    what it signs (Anthropic's thinking, any part of Gemini's); what is `encrypted` is all there is of its part
    (Anthropic's redacted thinking), whose text is then empty.
    """

    protocol: str
    value: str
    kind: Literal["signature", "encrypted"] = "signature"


class TextPart(
    Struct, frozen=True, kw_only=True, tag="text", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """Plain text."""

    text: str
    seal: Seal | None = None
    provider_details: Details = {}


class RefusalPart(
    Struct, frozen=True, kw_only=True, tag="refusal", omit_defaults=True, forbid_unknown_fields=True
):
    """The model's words for why it does not answer."""

    text: str
    provider_details: Details = {}


class ReasoningPart(
    Struct, frozen=True, kw_only=True, tag="reasoning", omit_defaults=True, forbid_unknown_fields=True
):
    """Reasoning the provider shows in the clear; `member` is the name it came under, for the way back."""

    text: str
    member: str = "reasoning_content"
    seal: Seal | None = None
    provider_details: Details = {}


class MediaPart(
    Struct, frozen=True, kw_only=True, tag="media", omit_defaults=True, forbid_unknown_fields=True
):
    """An image, sound, film or document by exactly one of `url`, `base64`, `file_id` or, if plain, `text`.

    `base64` stays the caller's text: the bytes are never decoded here. `media_type` is an IANA type; audio of
    the OpenAI wire has `audio/<format>`. In a stored turn `blob` may stand for `base64` or `text`: the digest
    under which the context keeps it, `size` characters long. No invocation holds one.
    """

    kind: MediaKind
    url: str | None = None
    base64: str | None = None
    file_id: str | None = None
    text: str | None = None
    blob: Digest | None = None
    size: Count | None = None
    media_type: str | None = None
    filename: str | None = None
    detail: str | None = None
    provider_details: Details = {}

    def __post_init__(self) -> None:
        """Raises: ValueError: if there is no content, or more than one."""
        if (self.url, self.base64, self.file_id, self.text, self.blob).count(None) != 4:
            raise ValueError(
                "media are given by exactly one of `url`, `base64`, `file_id`, `text` and `blob`"
            )


class ToolCallPart(
    Struct, frozen=True, kw_only=True, tag="tool_call", omit_defaults=True, forbid_unknown_fields=True
):
    """A call the model wants made; `arguments` is its raw string, which need not be valid JSON."""

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    seal: Seal | None = None
    provider_details: Details = {}


class OpaquePart(
    Struct, frozen=True, kw_only=True, tag="opaque", omit_defaults=True, forbid_unknown_fields=True
):
    """A part only its own protocol understands: signed thinking, encrypted reasoning, a vendor's invention.

    `value` is the part as it came. `provider` and `model`, where set, bind it further: it is sent only there.
    """

    protocol: str
    kind: str
    value: Json
    provider: str | None = None
    model: str | None = None


ContentPart: TypeAlias = TextPart | MediaPart | OpaquePart


class ToolResultPart(
    Struct, frozen=True, kw_only=True, tag="tool_result", omit_defaults=True, forbid_unknown_fields=True
):
    """What a tool answered to the call `call_id`; `is_error` is the tool's own word for failure."""

    call_id: str
    content: tuple[ContentPart, ...]
    is_error: bool = False
    provider_details: Details = {}


Part: TypeAlias = (
    TextPart | RefusalPart | ReasoningPart | MediaPart | ToolCallPart | ToolResultPart | OpaquePart
)


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One utterance by one role, parts in order.

    `protocol` names the one whose members are in the `provider_details` of the message and its parts; empty
    means the one the invocation came over. Stored conversations mix them.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    protocol: str = ""
    provider_details: Details = {}

    @property
    def text(self) -> str:
        """Its words: the plain text among its parts."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))
