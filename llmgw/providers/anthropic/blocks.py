"""Writing the parts of a conversation as Anthropic's content blocks.

https://platform.claude.com/docs/en/api/messages/create
"""

import re
from collections.abc import Iterable
from typing import Final, assert_never

from llmgw.providers.anthropic.media import foreign_media, native_media
from llmgw.providers.anthropic.models import profile_of
from llmgw.providers.arguments import arguments_of
from llmgw.providers.details import deepen, member_at, note_details
from llmgw.providers.tool_ids import ToolIds
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import (
    Details,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.target import Target

PROTOCOL: Final = "anthropic"

_TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_ID: Final = 128
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What a tool may be called."""


class BlockWriter:
    """Writes parts for one target; `native` tells that they came over this protocol.

    Natively all is sent as it came but seals of other protocols, and ids that do not fit. Otherwise only what
    has a field of ours is written, and the rest is noted. In a `stored` conversation native texts are never
    blank, either: answers may be, and the vendor would refuse all that follows.
    """

    def __init__(self, target: Target, losses: Losses, *, native: bool, stored: bool = False) -> None:
        self.profile = profile_of(target.model)
        self.losses = losses
        self.ids = ToolIds(_TOOL_ID, _LONGEST_ID, losses)
        self._target = target
        self.native = native
        self._keeps_blanks = native and not stored

    def block(self, part: Part, pointer: str, *, assistant: bool) -> Details | None:
        """Write one part; None where it is left out, which is noted.

        Raises:
            UnsupportedParameter: the part cannot be sent, and leaving it out would change what is asked.
        """
        match part:
            case TextPart():
                self._part_from_its_seal(part.seal, pointer)
                if part.seal is not None and not part.text:
                    return None
                return self._text(part.text, part.provider_details, pointer)
            case RefusalPart():
                self.losses.note(LossCode.REFUSAL_AS_TEXT, pointer)
                return self._text(part.text, part.provider_details, pointer)
            case ReasoningPart():
                return self._reasoning(part, pointer)
            case MediaPart():
                return self._media(part, pointer, assistant=assistant)
            case ToolCallPart():
                return self.call(part, self.ids.of(part.id, pointer), pointer)
            case ToolResultPart():
                return self.result(part, self.ids.of(part.call_id, pointer), pointer)
            case OpaquePart():
                return self._opaque(part, pointer, assistant=assistant)
            case _:
                assert_never(part)

    def blocks(self, parts: Iterable[Part], pointer: str, *, assistant: bool) -> list[Json]:
        """Write parts in their order; `pointer` is the place that holds them.

        Raises:
            UnsupportedParameter: see `block`.
        """
        written: list[Json] = []
        for number, part in enumerate(parts):
            block = self.block(part, f"{pointer}/{number}", assistant=assistant)
            if block is not None:
                written.append(block)
        return written

    def call(self, part: ToolCallPart, call_id: str, pointer: str) -> Details:
        """Write a tool call under the id given.

        Raises:
            UnsupportedParameter: no tool can be called so.
        """
        self._part_from_its_seal(part.seal, pointer)
        if not self.native and not TOOL_NAME.fullmatch(part.name):
            place = member_at(pointer)
            raise UnsupportedParameter(
                f"{place} calls a tool by a name that is not taken", param=place, pointer=pointer
            )
        block: Details = {"type": "tool_use", "id": call_id, "name": part.name}
        block["input"] = arguments_of(part, pointer, self.losses)
        return self._with(part.provider_details, block, pointer)

    def result(self, part: ToolResultPart, call_id: str, pointer: str) -> Details:
        """Write a tool's result under the id given; an empty one has no content.

        Raises:
            UnsupportedParameter: the result holds what cannot be sent.
        """
        block: Details = {"type": "tool_result", "tool_use_id": call_id}
        if len(part.content) == 1 and is_bare(part.content[0]):
            only = part.content[0]
            block["content"] = only.text if isinstance(only, TextPart) else ""
        elif part.content:
            content = self.blocks(part.content, f"{pointer}/content", assistant=False)
            if content:
                block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return self._with(part.provider_details, block, pointer)

    def keeps(self, part: Part) -> bool:
        """Whether what the part was sealed with or thought can be sent; so it is where there is no such thing."""
        match part:
            case ReasoningPart(seal=None):
                return not self.profile.signed
            case ReasoningPart(seal=Seal() as seal):
                return seal.protocol == PROTOCOL and bool(
                    seal.value or seal.kind == "encrypted" or not self.profile.signed
                )
            case TextPart(seal=seal) | ToolCallPart(seal=seal):
                return seal is None
            case _:
                return True

    def _text(self, text: str, details: Details, pointer: str) -> Details | None:
        if not self._keeps_blanks and not text.strip():
            self.losses.note(LossCode.EMPTY_DROPPED, pointer)
            note_details(details, pointer, self.losses)
            return None
        return self._with(details, {"type": "text", "text": text}, pointer)

    def _reasoning(self, part: ReasoningPart, pointer: str) -> Details | None:
        seal = part.seal
        if seal is not None and seal.protocol != PROTOCOL:
            self.losses.note(LossCode.REASONING_OPAQUE_DROPPED, pointer)
            return None
        if seal is not None and seal.kind == "encrypted":
            return self._with(
                part.provider_details, {"type": "redacted_thinking", "data": seal.value}, pointer
            )
        signature = seal.value if seal is not None else ""
        if not self.keeps(part):
            # The vendor verifies the signature: without one the request is refused.
            if part.text:
                self.losses.note(LossCode.REASONING_TEXT_DROPPED, pointer)
            return None
        block: Details = {"type": "thinking", "thinking": part.text, "signature": signature}
        return self._with(part.provider_details, block, pointer)

    def _media(self, part: MediaPart, pointer: str, *, assistant: bool) -> Details | None:
        if self.native:
            return self._with(part.provider_details, native_media(part), pointer)
        if assistant:
            # An assistant's turn may hold neither images nor documents.
            self.losses.note(LossCode.MEDIA_DROPPED, pointer)
            return None
        return self._with(part.provider_details, foreign_media(part, pointer, self.losses), pointer)

    def _opaque(self, part: OpaquePart, pointer: str, *, assistant: bool) -> Details | None:
        bound_elsewhere = (part.provider is not None and part.provider != self._target.provider) or (
            part.model is not None and part.model != self._target.model
        )
        if part.protocol == PROTOCOL and not bound_elsewhere and isinstance(part.value, dict):
            return part.value
        if assistant:
            self.losses.note(LossCode.BUILTIN_UNTRANSLATABLE, pointer)
            return None
        place = member_at(pointer)
        raise UnsupportedParameter(
            f"{place} is a part of type {part.kind!r} that {self._target.name} cannot be sent",
            param=place,
            pointer=pointer,
        )

    def _part_from_its_seal(self, seal: Seal | None, pointer: str) -> None:
        if seal is not None:
            self.losses.note(LossCode.REASONING_OPAQUE_DROPPED, pointer)

    def _with(self, details: Details, block: Details, pointer: str) -> Details:
        if not details:
            return block
        if self.native:
            deepen(block, details)
        else:
            note_details(details, pointer, self.losses)
        return block


def is_bare(part: Part) -> bool:
    """Whether a part is a text that says nothing besides, so that it may stand as a string."""
    return isinstance(part, TextPart) and not part.provider_details and part.seal is None
