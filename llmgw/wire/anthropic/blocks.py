"""Reading the content blocks of an Anthropic request.

Known blocks become typed parts; a block that only the vendor knows is kept as it came. The forms of content
stay apart: a string is a bare text part, a list of one text says so in `provider_details`.
Shapes: https://platform.claude.com/docs/en/api/messages/create
"""

from typing import Final

from llmgw.types import json
from llmgw.types.feature import Feature
from llmgw.types.json import Json
from llmgw.types.message import (
    ContentPart,
    Details,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.wire.anthropic.ids import original_id
from llmgw.wire.anthropic.inputs import Inputs
from llmgw.wire.anthropic.members import (
    array,
    at,
    flag,
    member_object,
    needed_members,
    needed_name,
    needed_text,
    refusal,
    text,
)
from llmgw.wire.anthropic.seals import PROTOCOL, THINKING, signature_seal, take_redacted
from llmgw.wire.members import unknown

CACHE_MARK: Final = "cache_control"

_REDACTED: Final = "redacted_thinking"
_SAID_BY: Final = {
    "tool_use": "assistant",
    THINKING: "assistant",
    _REDACTED: "assistant",
    "tool_result": "user",
}
"""The blocks that only one role may say."""

_PDF: Final = "application/pdf"
"""What a document by address is."""


class Blocks:
    """Reads content and notes the features and cache marks in it; `body` is the request that it stands in."""

    def __init__(self, body: bytes) -> None:
        self._inputs = Inputs(body)
        self.needs: dict[Feature, str] = {}
        self.cache_marks = 0

    def parts(self, content: Json, place: str, role: str) -> tuple[Part, ...]:
        """Read a string or a list of blocks.

        Raises:
            InvalidRequest: it is neither, or a block is not what its type promises.
        """
        if isinstance(content, str):
            return (TextPart(text=content),)
        if not isinstance(content, list):
            raise refusal(place, "Input should be a valid string or a valid list")
        parts: list[Part] = []
        for number, item in enumerate(content):
            where = f"{place}.{number}"
            block = member_object(item, where)
            kind = needed_name(block, "type", where)
            self.note_mark(block)
            if _SAID_BY.get(kind, role) != role:
                raise refusal(where, f"`{kind}` blocks can only be in `{_SAID_BY[kind]}` messages")
            if kind == _REDACTED:
                take_redacted(needed_text(block, "data", where), unknown(block, ("type", "data")), parts)
            else:
                parts.append(self._part(kind, block, where))
        if len(content) == 1:
            _mark_lone_text(parts)
        return tuple(parts)

    def note_mark(self, members: Details) -> None:
        """Count the cache mark of a block or tool, if it has one."""
        if members.get(CACHE_MARK) is not None:
            self.cache_marks += 1

    def _part(self, kind: str, block: Details, place: str) -> Part:
        match kind:
            case "text":
                details = unknown(block, ("type", "text"))
                return TextPart(text=needed_text(block, "text", place), provider_details=details)
            case "image":
                image = _by_source("image", block, place)
                if isinstance(image, MediaPart):
                    self.needs.setdefault(Feature.IMAGES, place)
                return image
            case "document":
                document = _by_source("file", block, place)
                # Plain text is within reach of every model.
                if isinstance(document, MediaPart) and document.text is None:
                    self.needs.setdefault(Feature.FILES, place)
                return document
            case "tool_use":
                return self._tool_call(block, place)
            case "tool_result":
                return self._tool_result(block, place)
            case "thinking":
                return ReasoningPart(
                    text=needed_text(block, THINKING, place),
                    member=THINKING,
                    seal=signature_seal(text(block, "signature", place)),
                    provider_details=unknown(block, ("type", THINKING, "signature")),
                )
            case _:
                return OpaquePart(protocol=PROTOCOL, kind=kind, value=block)

    def _tool_call(self, block: Details, place: str) -> ToolCallPart:
        given = needed_members(block, "input", place)
        return ToolCallPart(
            id=original_id(needed_name(block, "id", place)),
            name=needed_name(block, "name", place),
            arguments=self._inputs.at(place) or json.encode(given).decode(),
            provider_details=unknown(block, ("type", "id", "name", "input")),
        )

    def _tool_result(self, block: Details, place: str) -> ToolResultPart:
        details = unknown(block, ("type", "tool_use_id", "content", "is_error"))
        content = block.get("content")
        parts: tuple[Part, ...] = ()
        if content == []:
            details["content"] = content
        elif content is not None:
            parts = self.parts(content, at(place, "content"), "tool")
        return ToolResultPart(
            call_id=original_id(needed_name(block, "tool_use_id", place)),
            content=tuple(part for part in parts if isinstance(part, ContentPart)),
            is_error=flag(block, "is_error", place) or False,
            provider_details=details,
        )


def _mark_lone_text(parts: list[Part]) -> None:
    lone = parts[0]
    if isinstance(lone, TextPart) and not lone.provider_details and lone.seal is None:
        parts[0] = TextPart(text=lone.text, provider_details={"type": "text"})


def _by_source(kind: str, block: Details, place: str) -> MediaPart | OpaquePart:
    """Read an image or document; one whose source has no field of ours stays as it came."""
    source = needed_members(block, "source", place)
    where = at(place, "source")
    form = needed_name(source, "type", where)
    given: dict[str, str | None]
    match form:
        case "base64":
            given = {
                "base64": needed_text(source, "data", where),
                "media_type": needed_name(source, "media_type", where),
            }
        case "url":
            given = {
                "url": needed_name(source, "url", where),
                "media_type": _PDF if kind == "file" else None,
            }
        case "file":
            given = {"file_id": needed_name(source, "file_id", where)}
        case "text" if kind == "file":
            given = {
                "text": needed_text(source, "data", where),
                "media_type": text(source, "media_type", where) or "text/plain",
            }
        case "content" if kind == "file":
            _check_content(source, where)
            return OpaquePart(protocol=PROTOCOL, kind="document", value=block)
        case _:
            return OpaquePart(protocol=PROTOCOL, kind=needed_name(block, "type", place), value=block)
    known = ["type", "source"]
    filename = None
    if kind == "file":
        filename = text(block, "title", place)
        known.append("title")
    details = unknown(block, known)
    more = unknown(source, ("type", "data", "media_type", "url", "file_id"))
    if more:
        details["source"] = more
    return MediaPart(
        kind="image" if kind == "image" else "file",
        filename=filename,
        provider_details=details,
        **given,  # type: ignore[arg-type]  # names of texts only
    )


def _check_content(source: Details, place: str) -> None:
    if not isinstance(source.get("content"), str) and array(source, "content", place) is None:
        raise refusal(at(place, "content"), "Field required")
