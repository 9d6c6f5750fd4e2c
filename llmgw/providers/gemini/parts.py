"""Writing the parts of a conversation as Gemini's, for one target.

https://ai.google.dev/api/caching#Part
"""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from llmgw.providers.arguments import arguments_of
from llmgw.providers.details import member_at, note_details
from llmgw.providers.gemini.ids import is_made
from llmgw.providers.gemini.models import is_among, profile_of
from llmgw.providers.gemini.quirks import quirks_of
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import (
    Details,
    MediaKind,
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

PROTOCOL: Final = "gemini"

FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
"""What a function may be called: https://ai.google.dev/api/caching#FunctionDeclaration."""

_SIGNATURE: Final = "thoughtSignature"
_TYPES: Final[dict[MediaKind, str]] = {
    "image": "image/jpeg",
    "audio": "audio/wav",
    "video": "video/mp4",
    "file": "application/pdf",
}
"""What media are taken for that do not say."""
_ENDINGS: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/m4a",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_IN_RESULTS: Final[frozenset[MediaKind]] = frozenset({"image", "file"})


class Response(Struct, frozen=True):
    """A function's response, and the media of the result that it could not hold."""

    part: Details
    media: list[Details]


class PartWriter:
    """Writes parts for one target and notes what of them it is not told.

    `native` tells that they are of this protocol, which only messages of stored conversations are. It changes
    little: of what an answer's parts say without a field of ours, requests take few members.
    """

    def __init__(self, target: Target, losses: Losses, *, native: bool = False) -> None:
        self.profile = profile_of(target.model)
        self.losses = losses
        self._target = target
        self._quirks = quirks_of(target)
        self._takes_ids = is_among(target.model, self._quirks.call_id_models)
        self._taken_back = self._quirks.part_members if native else frozenset[str]()

    def part(self, part: Part, pointer: str, *, assistant: bool) -> Details | None:
        """Write one part; None where it is left out, which is noted.

        Raises:
            UnsupportedParameter: the part cannot be sent, and leaving it out would change what is asked.
        """
        match part:
            case TextPart(text=text):
                more = self._details(part.provider_details, pointer)
                signature = self._signature(part.seal, pointer)
                if not text and not signature:
                    self.losses.note(LossCode.EMPTY_DROPPED, pointer)
                    return None
                return {"text": text, **signature, **more}
            case RefusalPart(text=text):
                self.losses.note(LossCode.REFUSAL_AS_TEXT, pointer)
                return {"text": text} if text else None
            case ReasoningPart():
                return self._thought(part, pointer)
            case MediaPart(text=str()):
                return self._document(part, pointer)
            case MediaPart():
                return self._media(part, pointer)
            case ToolCallPart():
                return self.call(part, pointer)
            case OpaquePart():
                return self._opaque(part, pointer, assistant=assistant)
            case ToolResultPart():
                raise self._refusal(pointer, "a result of a tool, which a model does not say")

    def call(self, part: ToolCallPart, pointer: str) -> Details:
        """Write a function call.

        Raises:
            UnsupportedParameter: the function has a name that Gemini does not take.
        """
        if not FUNCTION_NAME.fullmatch(part.name):
            raise self._refusal(pointer, "a call of a function whose name Gemini does not take")
        more = self._details(part.provider_details, pointer)
        call: Details = {"name": part.name, "args": arguments_of(part, pointer, self.losses)}
        if self.has_id(part.id):
            call["id"] = part.id
        return {"functionCall": call, **self._signature(part.seal, pointer), **more}

    def has_id(self, call_id: str) -> bool:
        """Whether the target is told this id of a call."""
        return self._takes_ids and bool(call_id) and not is_made(call_id)

    def response(self, part: ToolResultPart, name: str, pointer: str) -> Response:
        """Write the result of a call of the function `name`.

        Raises:
            UnsupportedParameter: the result holds what cannot be sent.
        """
        note_details(part.provider_details, pointer, self.losses)
        texts: list[str] = []
        inside: list[Json] = []
        beside: list[Details] = []
        for number, item in enumerate(part.content):
            where = f"{pointer}/content/{number}"
            if isinstance(item, TextPart):
                note_details(item.provider_details, where, self.losses)
                texts.append(item.text)
                continue
            written = self.part(item, where, assistant=False)
            if written is None:
                continue
            if "text" in written:
                texts.append(written["text"])
            elif self.profile.result_media and isinstance(item, MediaPart) and item.kind in _IN_RESULTS:
                inside.append(written)
            else:
                self.losses.note(LossCode.RESULT_MEDIA_FLATTENED, where)
                beside.append(written)
        response = self.plain_response(part.call_id, name, "\n".join(texts), failed=part.is_error)
        if inside:
            response["functionResponse"]["parts"] = inside
        return Response(response, beside)

    def plain_response(self, call_id: str, name: str, text: str, *, failed: bool) -> Details:
        """Write a result that is a text."""
        response: Details = {"name": name, "response": {"error" if failed else "output": text}}
        if self.has_id(call_id):
            response["id"] = call_id
        return {"functionResponse": response}

    def _document(self, part: MediaPart, pointer: str) -> Details | None:
        """Write a document that is plain text as text."""
        note_details(part.provider_details, pointer, self.losses)
        text = f"{part.filename}\n\n{part.text}" if part.filename else part.text
        self.losses.note(LossCode.DOCUMENT_AS_TEXT if text else LossCode.EMPTY_DROPPED, pointer)
        return {"text": text} if text else None

    def _media(self, part: MediaPart, pointer: str) -> Details:
        """Write an image, sound, film or document; refuse one that is where the target cannot get it."""
        more = self._details(part.provider_details, pointer)
        if part.detail not in {None, "auto"} or part.filename is not None:
            self.losses.note(LossCode.DETAILS_DROPPED, pointer)
        if part.base64 is not None:
            kind = part.media_type or _by_ending(part.filename or "") or _TYPES[part.kind]
            return {"inlineData": {"mimeType": kind, "data": part.base64}, **more}
        if part.url is None:
            raise self._refusal(pointer, "a file of another provider")
        return {"fileData": self._file(part.url, part, pointer), **more}

    def _file(self, url: str, part: MediaPart, pointer: str) -> Details:
        scheme, path = _split(url)
        fetched = is_among(self._target.model, self._quirks.url_models) or is_among(
            url, self._quirks.own_urls
        )
        if scheme not in self._quirks.url_schemes or not fetched:
            raise self._refusal(
                pointer, "at an address from which the model does not fetch; send it as base64"
            )
        kind = part.media_type or _by_ending(path)
        if kind is None and self._quirks.media_type_needed:
            kind = _TYPES[part.kind]
        return {"fileUri": url} if kind is None else {"mimeType": kind, "fileUri": url}

    def _thought(self, part: ReasoningPart, pointer: str) -> Details | None:
        """Write reasoning as the model's thought; what another vendor sealed is not taken for one."""
        if part.seal is not None and part.seal.protocol != PROTOCOL:
            self.losses.note(LossCode.REASONING_OPAQUE_DROPPED, pointer)
            return None
        more = self._details(part.provider_details, pointer)
        signature = self._signature(part.seal, pointer)
        return {"text": part.text, "thought": True, **signature, **more} if part.text or signature else None

    def _details(self, members: Details, pointer: str) -> Details:
        """What of a part's further members the target takes; the others are noted."""
        if not members:
            return members
        taken = {name: value for name, value in members.items() if name in self._taken_back}
        if len(taken) < len(members):
            others = {name: value for name, value in members.items() if name not in taken}
            note_details(others, pointer, self.losses)
        return taken

    def _signature(self, seal: Seal | None, pointer: str) -> Details:
        if seal is None:
            return {}
        if seal.protocol == PROTOCOL:
            return {_SIGNATURE: seal.value}
        self.losses.note(LossCode.REASONING_OPAQUE_DROPPED, pointer)
        return {}

    def _opaque(self, part: OpaquePart, pointer: str, *, assistant: bool) -> Details | None:
        bound_elsewhere = (
            (part.provider is not None and part.provider != self._target.provider)
            or (part.model is not None and part.model != self._target.model)
            or part.kind in self._quirks.unknown_parts
        )
        if part.protocol == PROTOCOL and not bound_elsewhere and isinstance(part.value, dict):
            return part.value
        if assistant:
            self.losses.note(LossCode.BUILTIN_UNTRANSLATABLE, pointer)
            return None
        raise self._refusal(pointer, f"a part of type {part.kind!r} that {self._target.name} cannot be sent")

    @staticmethod
    def _refusal(pointer: str, what: str) -> UnsupportedParameter:
        place = member_at(pointer)
        return UnsupportedParameter(f"{place} is {what}", param=place, pointer=pointer)


def _split(url: str) -> tuple[str, str]:
    """The scheme and the path of an address; nothing of what is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.path


def _by_ending(path: str) -> str | None:
    return _ENDINGS.get(path.rpartition(".")[2].lower())
