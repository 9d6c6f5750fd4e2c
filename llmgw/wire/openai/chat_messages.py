"""Reading the conversation of a chat completion request.

Known parts become typed parts; a part, tool call or member that only some host knows is kept as it came. The
forms of content stay apart: a string is a bare text part, a list of one text says so in `provider_details`.
"""

import re
from typing import Final, get_args

from llmgw.types.errors import InvalidRequest
from llmgw.types.feature import Feature
from llmgw.types.json import Json
from llmgw.types.message import (
    ContentPart,
    Details,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.openai_seals import call_seal, reasoning_parts, with_seals
from llmgw.wire.members import (
    array,
    member_object,
    members_of,
    missing,
    needed_text,
    text,
    unknown,
    wrong_type,
)

PROTOCOL: Final = "openai"

CACHE_MARK: Final = "cache_control"
"""Anthropic's mark on a part, which hosts in front of its models take (OpenRouter)."""

TOOL_CALL_KIND: Final = "tool_call"
"""`kind` of an opaque part that is a tool call of an unknown type."""

_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_PLAIN_ROLES: Final[dict[str, Role]] = {"user": "user", "system": "system", "developer": "developer"}
_MESSAGE: Final = frozenset({"role", "content", "name"})
_ASSISTANT: Final = _MESSAGE | {"refusal", "reasoning_content", "reasoning", "tool_calls"}
_TOOL: Final = _MESSAGE | {"tool_call_id"}
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL | re.ASCII)


class Conversation:
    """Reads messages and notes which features they need, each with the member that does."""

    def __init__(self) -> None:
        self.needs: dict[Feature, str] = {}
        self.cache_marks = 0

    def messages(self, value: Json) -> tuple[Message, ...]:
        """Read the `messages` member.

        Raises:
            InvalidRequest: it is not a conversation; `param` names the member.
        """
        if value is None:
            raise missing("messages")
        if not isinstance(value, list):
            raise wrong_type("messages", "an array of objects", value)
        if not value:
            raise InvalidRequest(
                "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
                "array instead.",
                param="messages",
            )
        return tuple(
            [
                _plain_message(item) or self._message(item, f"messages[{number}]")
                for number, item in enumerate(value)
            ]
        )

    def _message(self, value: Json, place: str) -> Message:
        members = member_object(value, place)
        path = f"{place}."
        role = _role(members, path)
        name = text(members, "name", path)
        match role:
            case "assistant":
                return Message(
                    role=role,
                    parts=self._assistant(members, path),
                    name=name,
                    provider_details=_odd_content(members) | unknown(members, _ASSISTANT),
                )
            case "tool":
                call_id = needed_text(members, "tool_call_id", path)
                result = ToolResultPart(call_id=call_id, content=self._needed_content(members, path))
                details = _odd_content(members) | unknown(members, _TOOL)
                return Message(role=role, parts=(result,), name=name, provider_details=details)
            case "function":
                name = needed_text(members, "name", path)
                content_parts = self._content(members, path)
            case _:
                content_parts = self._needed_content(members, path)
        details = _odd_content(members) | unknown(members, _MESSAGE)
        return Message(role=role, parts=content_parts, name=name, provider_details=details)

    def _assistant(self, members: Details, path: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        sealed = reasoning_parts(members.get("reasoning_details"))
        if sealed:
            text(members, "reasoning_content", path)
            parts += sealed
        else:
            parts += _plain_reasoning(members, path)
        content = members.get("content")
        if isinstance(content, list):
            parts += (self._assistant_part(item, f"{path}content[{n}]") for n, item in enumerate(content))
            _mark_lone_text(parts, content)
        elif content is not None:
            parts += self._content(members, path)
        refusal = text(members, "refusal", path)
        if refusal is not None:
            parts.append(RefusalPart(text=refusal))
        for number, call in enumerate(array(members, "tool_calls", path) or ()):
            parts.append(_tool_call(call, f"{path}tool_calls[{number}]"))
        return with_seals(parts, members.get("reasoning_details"))

    def _assistant_part(self, value: Json, place: str) -> Part:
        if (
            isinstance(value, dict)
            and value.get("type") == "refusal"
            and isinstance(value.get("refusal"), str)
        ):
            # `type` tells that it stood in the content, not at the message's own member.
            return RefusalPart(text=value["refusal"], provider_details=unknown(value, ("refusal",)))
        return self._part(value, place)

    def _needed_content(self, members: Details, path: str) -> tuple[ContentPart, ...]:
        if members.get("content") is None:
            if "content" in members:
                raise wrong_type(f"{path}content", "a string or an array", None)
            raise missing(f"{path}content")
        return self._content(members, path)

    def _content(self, members: Details, path: str) -> tuple[ContentPart, ...]:
        content = members.get("content")
        match content:
            case None:
                return ()
            case str():
                return (TextPart(text=content),)
            case list():
                parts: list[Part] = [
                    self._part(item, f"{path}content[{number}]") for number, item in enumerate(content)
                ]
                _mark_lone_text(parts, content)
                return tuple(part for part in parts if isinstance(part, TextPart | MediaPart | OpaquePart))
            case _:
                raise wrong_type(f"{path}content", "a string or an array", content)

    def _part(self, value: Json, place: str) -> ContentPart:
        part = member_object(value, place)
        path = f"{place}."
        kind = needed_text(part, "type", path)
        match kind:
            case "text":
                words = text(part, "text", path)
                if words is None:
                    raise missing(f"{path}text")
                details = unknown(part, ("type", "text"))
                if details and CACHE_MARK in details:
                    self.cache_marks += 1
                return TextPart(text=words, provider_details=details)
            case "image_url":
                self.needs.setdefault(Feature.IMAGES, place)
                return _by_url("image", part, path)
            case "video_url":
                self.needs.setdefault(Feature.VIDEO, place)
                return _by_url("video", part, path)
            case "input_audio":
                self.needs.setdefault(Feature.AUDIO_IN, place)
                return _audio(part, path)
            case "file":
                self.needs.setdefault(Feature.FILES, place)
                return _file(part, path)
            case _:
                return OpaquePart(protocol=PROTOCOL, kind=kind, value=part)


def _plain_reasoning(members: Details, path: str) -> list[Part]:
    parts: list[Part] = []
    plain, other = text(members, "reasoning_content", path), members.get("reasoning")
    if plain is not None and plain != other:
        parts.append(ReasoningPart(text=plain))
    if isinstance(other, str):
        parts.append(ReasoningPart(text=other, member="reasoning"))
    return parts


def _plain_message(value: Json) -> Message | None:
    """Read a message of role and text alone, which most are, with no words ready for what may be wrong with it."""
    if value.__class__ is not dict or len(value) != 2:
        return None
    content, role = value.get("content"), value.get("role")
    if content.__class__ is not str or role.__class__ is not str or role not in _PLAIN_ROLES:
        return None
    return Message(role=_PLAIN_ROLES[role], parts=(TextPart(text=content),))


def _role(members: Details, path: str) -> Role:
    role = needed_text(members, "role", path)
    for known in _ROLES:
        if role == known:
            return known
    listed = ", ".join(f"'{known}'" for known in _ROLES)
    raise InvalidRequest(
        f"Invalid value for '{path}role': '{role[:64]}'. Supported values are: {listed}.",
        param=f"{path}role",
    )


def _odd_content(members: Details) -> Details:
    """An empty list has no parts to be told by, and an object as reasoning no field."""
    odd: Details = {}
    if members.get("content") == []:
        odd["content"] = []
    reasoning = members.get("reasoning")
    if reasoning is not None and not isinstance(reasoning, str):
        odd["reasoning"] = reasoning
    return odd


def _mark_lone_text(parts: list[Part], content: list[Json]) -> None:
    if len(content) == 1 and isinstance(lone := parts[-1], TextPart) and not lone.provider_details:
        parts[-1] = TextPart(text=lone.text, provider_details={"type": "text"})


def _tool_call(value: Json, place: str) -> Part:
    call = member_object(value, place)
    path = f"{place}."
    kind = text(call, "type", path) or "function"
    if kind not in {"function", "custom"}:
        return OpaquePart(protocol=PROTOCOL, kind=TOOL_CALL_KIND, value=call)
    body = members_of(call, kind, path)
    if body is None:
        raise missing(f"{path}{kind}")
    text_name = "input" if kind == "custom" else "arguments"
    details = unknown(call, ("id", "type", kind))
    seal = call_seal(details) if details else None
    inner = unknown(body, ("name", text_name))
    if inner:
        details[kind] = inner
    return ToolCallPart(
        id=needed_text(call, "id", path),
        name=needed_text(body, "name", f"{path}{kind}."),
        arguments=text(body, text_name, f"{path}{kind}.") or "",
        kind="custom" if kind == "custom" else "function",
        seal=seal,
        provider_details=details,
    )


def _by_url(kind: str, part: Details, path: str) -> MediaPart:
    member = f"{kind}_url"
    source = part.get(member)
    details = unknown(part, ("type", member))
    detail: str | None = None
    if isinstance(source, str):
        # The short form some hosts take: kept as it came, for the way back.
        url = needed_text(part, member, path)
        details[member] = source
    else:
        members = members_of(part, member, path)
        if members is None:
            raise missing(f"{path}{member}")
        inner = unknown(members, ("url", "detail"))
        if inner:
            details[member] = inner
        url = needed_text(members, "url", f"{path}{member}.")
        detail = text(members, "detail", f"{path}{member}.")
    data = _DATA_URL.fullmatch(url)
    return MediaPart(
        kind="image" if kind == "image" else "video",
        url=None if data else url,
        base64=data[2] if data else None,
        media_type=data[1] if data else None,
        detail=detail,
        provider_details=details,
    )


def _audio(part: Details, path: str) -> MediaPart:
    sound = members_of(part, "input_audio", path)
    if sound is None:
        raise missing(f"{path}input_audio")
    path = f"{path}input_audio."
    details = unknown(part, ("type", "input_audio"))
    inner = unknown(sound, ("data", "format"))
    if inner:
        details["input_audio"] = inner
    return MediaPart(
        kind="audio",
        base64=needed_text(sound, "data", path),
        media_type=f"audio/{needed_text(sound, 'format', path)}",
        provider_details=details,
    )


def _file(part: Details, path: str) -> MediaPart:
    file = members_of(part, "file", path)
    if file is None:
        raise missing(f"{path}file")
    path = f"{path}file."
    file_id, data = text(file, "file_id", path), text(file, "file_data", path)
    if not file_id and not data:
        raise missing(f"{path}file_data")
    details = unknown(part, ("type", "file"))
    inner = unknown(file, ("file_data", "file_id", "filename"))
    if data and file_id:
        inner["file_id"] = file_id
    if inner:
        details["file"] = inner
    data_url = _DATA_URL.fullmatch(data) if data else None
    by_url = data is not None and data_url is None and data.startswith(("http://", "https://", "data:"))
    return MediaPart(
        kind="file",
        url=data if by_url else None,
        base64=data_url[2] if data_url else None if by_url else data or None,
        media_type=data_url[1] if data_url else None,
        file_id=None if data else file_id,
        filename=text(file, "filename", path),
        provider_details=details,
    )
