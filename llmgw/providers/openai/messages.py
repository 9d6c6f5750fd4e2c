"""Writing a conversation for OpenAI-like hosts.

What came over the same protocol goes back as it came: `provider_details` are merged in last. From another
protocol only what has a field of ours is written, and what is left out or altered is noted. The messages of a
stored conversation go the one way or the other, each by itself.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, assert_never

from llmgw.providers.details import deepen, member_at, note_details, was_read
from llmgw.providers.openai.call_ids import CallIds
from llmgw.providers.openai.media import media_part
from llmgw.providers.openai.quirks import quirks_of
from llmgw.providers.openai.transcript import Transcript
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import (
    ContentPart,
    Details,
    MediaPart,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    Role,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.openai_seals import EXTRA_CONTENT, REASONING_DETAILS
from llmgw.types.target import Target

PROTOCOL: Final = "openai"

TOOL_CALL_KIND: Final = "tool_call"
"""`kind` of an opaque part that is a tool call of an unknown type."""

GEMINI: Final = "gemini"
"""The protocol whose thought signatures Google's OpenAI-compatible endpoint wants back."""

Spoken: TypeAlias = TextPart | RefusalPart | ReasoningPart | MediaPart | ToolCallPart | OpaquePart

_REASONING_MEMBERS: Final = ("reasoning_content", "reasoning")
_SAID: Final = ("tool_calls", "refusal", "function_call", "audio")
"""Members without which an assistant's message must have a content."""
_TEXT: Final = {"type", "text"}
PLAIN_ROLES: Final[frozenset[Role]] = frozenset({"system", "user", "assistant"})
"""Who is told alike by all hosts."""


class MessageWriter:
    """Writes messages for one target, noting what of them it cannot be told.

    `native` tells that they came over this protocol, `stored` that their conversation is a stored one: there an
    assistant's message may be an answer that no caller ever sent.
    """

    def __init__(
        self, target: Target, losses: Losses, ids: CallIds, *, native: bool, stored: bool = False
    ) -> None:
        self._target = target
        self._quirks = quirks_of(target)
        self._losses = losses
        self._native = native
        self._stored = stored
        self._keeps_seals = native and self._quirks.reasoning_details
        self._ids = ids

    def write(self, message: Message, position: int, written: Transcript) -> None:
        """Add what a message becomes: one message, or several for the results of tools, or none.

        Raises:
            UnsupportedParameter: a part belongs to another protocol.
        """
        place = f"/messages/{position}"
        body = self._head(message, place)
        parts = message.parts
        if (
            len(parts) == 1
            and isinstance(only := parts[0], TextPart)
            and _is_plain(only)
            and (only.text or not self._stored)
        ):
            body["content"] = only.text
            written.add(self._with_details(body, place, message.provider_details), place)
            return
        rest: list[tuple[str, Spoken]] = []
        results = False
        for number, part in enumerate(parts):
            if isinstance(part, ToolResultPart):
                results = True
                rest += self._result(part, message, f"{place}/parts/{number}", body, written)
            else:
                rest.append((f"{place}/parts/{number}", part))
        if results and not rest:
            return
        if results and message.role == "tool":
            body["role"] = "user"  # what stood in a result and cannot be told in one
        calls = self._parts(rest, body)
        says_nothing = body["content"] is None and body.keys() <= {"role", "name", "content"}
        if self._native or message.role != "assistant" or not says_nothing:
            body = self._with_details(body, place, message.provider_details)
            if not self._stored or message.role != "assistant" or self._speaks(body, place):
                written.add(body, place, calls)

    def _head(self, message: Message, place: str) -> Details:
        """Write who speaks, by the role the host knows, and by name where it takes names."""
        body: Details = {"role": message.role}
        if message.role == "developer" and not self._quirks.developer_role:
            body["role"] = "system"
            self._losses.note(LossCode.DEVELOPER_AS_SYSTEM, place)
        if message.name is not None:
            if self._quirks.message_names or message.role in {"tool", "function"}:
                body["name"] = message.name
            else:
                self._losses.note(LossCode.NAME_DROPPED, place)
        return body

    def _result(
        self, part: ToolResultPart, message: Message, place: str, head: Details, written: Transcript
    ) -> list[tuple[str, Spoken]]:
        """Write one tool result; return the media in it that only a user message can hold."""
        told: list[tuple[str, ContentPart]] = []
        media: list[tuple[str, Spoken]] = []
        for number, item in enumerate(part.content):
            where = f"{place}/content/{number}"
            if isinstance(item, MediaPart) and not self._native and item.text is None:
                self._losses.note(LossCode.RESULT_MEDIA_FLATTENED, where)
                media.append((where, item))
            else:
                told.append((where, item))
        if media:
            media.insert(0, (place, TextPart(text=f"What tool call {part.call_id} returned:")))
            if not told:
                told.append((place, TextPart(text="The result is in the message that follows.")))
        body = {**head, "role": "tool", "tool_call_id": self._ids.of(part.call_id, place)}
        content = self._content(told) if told else ""
        if not self._native:
            content = _as_text(content, between="\n")
            if part.is_error:
                self._losses.note(LossCode.ERROR_FLAG_FLATTENED, place)
                content = f"Error: {content}" if isinstance(content, str) else content
        body["content"] = content
        body = self._with_details(body, place, part.provider_details, message.provider_details)
        written.add_result(body, place)
        return media

    def _parts(self, parts: list[tuple[str, Spoken]], body: Details) -> dict[str, str]:
        """Sort the parts of a message into its members; returns the places of the calls in it, by their ids."""
        content: list[tuple[str, ContentPart | RefusalPart]] = []
        calls: list[Json] = []
        places: list[str] = []
        for place, part in parts:
            match part:
                case ReasoningPart():
                    self._reasoning(part, place, body)
                case ToolCallPart():
                    calls.append(self._tool_call(part, place))
                    places.append(place)
                case OpaquePart(kind=kind) if kind == TOOL_CALL_KIND and part.protocol == PROTOCOL:
                    calls.append(self._opaque(part, place))
                    places.append(place)
                case OpaquePart() if body["role"] == "assistant" and part.protocol != PROTOCOL:
                    self._losses.note(LossCode.BUILTIN_UNTRANSLATABLE, place)
                case RefusalPart() if not (self._native and "type" in part.provider_details):
                    body["refusal"] = part.text
                case TextPart(text="", seal=Seal()) if not self._native:
                    # All it held was its seal.
                    self._losses.note(LossCode.REASONING_OPAQUE_DROPPED, place)
                case TextPart() | MediaPart() | OpaquePart() | RefusalPart():
                    content.append((place, part))
                case _:
                    assert_never(part)
        body["content"] = self._content(content) if content else None
        if body["role"] == "assistant" and (not self._native or (self._stored and _is_cut(body["content"]))):
            body["content"] = _as_text(body["content"], between="")
        if calls:
            body["tool_calls"] = calls
            if self._quirks.reasoning_beside_calls and self._quirks.reasoning_member is not None:
                body.setdefault(self._quirks.reasoning_member, "")
        return {str(call.get("id")): place for call, place in zip(calls, places, strict=True)}

    def _speaks(self, body: Details, place: str) -> bool:
        """Whether an assistant's message says what hosts take for something; reasoning alone needs a content."""
        if body["content"] or any(body.get(name) for name in _SAID):
            return True
        if any(body.get(name) for name in (*_REASONING_MEMBERS, REASONING_DETAILS)):
            body["content"] = ""
            return True
        if body["content"] is not None:
            self._losses.note(LossCode.EMPTY_DROPPED, place)
        return False

    def _reasoning(self, part: ReasoningPart, place: str, body: Details) -> None:
        """Write reasoning where the host wants it back; its seal goes only to a host that gives such out itself."""
        member = self._quirks.reasoning_member
        loses_seal = part.seal is not None and not self._keeps_seals
        if member is None or (not part.text and (loses_seal or not self._native)):
            lost = LossCode.REASONING_TEXT_DROPPED if part.seal is None else LossCode.REASONING_OPAQUE_DROPPED
            self._losses.note(lost, place)
            return
        body[member] = f"{body.get(member, '')}{part.text}"
        if loses_seal:
            self._losses.note(LossCode.REASONING_AS_TEXT, place)

    def _content(self, parts: Iterable[tuple[str, ContentPart | RefusalPart]]) -> Json:
        """Write content: one plain text as a string, anything else as a list."""
        parts = tuple(parts)
        if len(parts) == 1 and isinstance(only := parts[0][1], TextPart):
            written = self._part(only, parts[0][0])
            return (
                only.text if written.keys() == {"type", "text"} and not self._says_list(only) else [written]
            )
        return [self._part(part, place) for place, part in parts]

    def _says_list(self, part: TextPart) -> bool:
        """Whether a caller of this protocol wrote a lone text as a list; hosts all take a string."""
        return self._native and "type" in part.provider_details

    def _part(self, part: ContentPart | RefusalPart, place: str) -> Json:
        match part:
            case TextPart():
                if part.seal is not None and not self._keeps_seals:
                    self._losses.note(LossCode.REASONING_OPAQUE_DROPPED, place)
                return self._with_details({"type": "text", "text": part.text}, place, part.provider_details)
            case RefusalPart():
                return self._with_details(
                    {"type": "refusal", "refusal": part.text}, place, part.provider_details
                )
            case MediaPart(text=str(words)):
                self._losses.note(LossCode.DOCUMENT_AS_TEXT, place)
                note_details(part.provider_details, place, self._losses)
                title = f"{part.filename}\n\n" if part.filename else ""
                return {"type": "text", "text": f"{title}{words}"}
            case MediaPart(file_id=str()) if not self._native:
                member = member_at(place)
                raise UnsupportedParameter(
                    f"{member} names a file of another provider", param=member, pointer=place
                )
            case MediaPart():
                return self._with_details(media_part(part, place), place, part.provider_details)
            case OpaquePart():
                return self._opaque(part, place)
            case _:
                assert_never(part)

    def _tool_call(self, part: ToolCallPart, place: str) -> Json:
        body: Details = {"name": part.name}
        body["input" if part.kind == "custom" else "arguments"] = part.arguments
        call: Details = {"id": self._ids.of(part.id, place), "type": part.kind, part.kind: body}
        if part.seal is not None:
            if self._quirks.thought_signatures and part.seal.protocol == GEMINI:
                call["extra_content"] = {"google": {"thought_signature": part.seal.value}}
            else:
                self._losses.note(LossCode.REASONING_OPAQUE_DROPPED, place)
        return self._with_details(call, place, part.provider_details)

    def _opaque(self, part: OpaquePart, place: str) -> Json:
        bound_elsewhere = (part.provider is not None and part.provider != self._target.provider) or (
            part.model is not None and part.model != self._target.model
        )
        if part.protocol != PROTOCOL or bound_elsewhere:
            member = member_at(place)
            raise UnsupportedParameter(
                f"{member} is a part of type {part.kind!r} that {self._target.name} cannot be sent",
                param=member,
                pointer=place,
            )
        return part.value

    def _with_details(self, body: Details, place: str, *details: Details) -> Details:
        if self._native:
            for members in details:
                deepen(body, members)
            if "role" in body:
                self._leave_reasoning(body, place)
        else:
            for members in details:
                note_details(members, place, self._losses)
        return body

    def _leave_reasoning(self, body: Details, place: str) -> None:
        """Take out of a message what the host does not want of reasoning; its parts were written before."""
        if self._quirks.reasoning_member is None:
            for name in _REASONING_MEMBERS:
                body.pop(name, None)
        if not self._keeps_seals:
            details = body.pop(REASONING_DETAILS, None)
            if details and not was_read(details):
                self._losses.note(LossCode.REASONING_OPAQUE_DROPPED, place)
        if self._stored and body["role"] == "assistant" and not self._quirks.thought_signatures:
            # Google's endpoint gives its answers such members, and knows them alone.
            for name in (EXTRA_CONTENT, "thought_signature"):
                if body.pop(name, None) is not None:
                    self._losses.note(LossCode.REASONING_OPAQUE_DROPPED, place)


def _is_cut(content: Json) -> bool:
    """Whether content is a list of several texts and nothing else: an answer whose pieces stood apart."""
    return (
        isinstance(content, list)
        and len(content) > 1
        and all(isinstance(item, dict) and item.keys() == _TEXT for item in content)
    )


def _is_plain(part: TextPart) -> bool:
    """Whether a text is nothing but its words."""
    return part.seal is None and not part.provider_details


def _as_text(content: Json, *, between: str) -> Json:
    """Join content that is all text: of assistants and tools many hosts take a string only."""
    if isinstance(content, list) and all(item["type"] == "text" for item in content):
        return between.join(item["text"] for item in content)
    return content
