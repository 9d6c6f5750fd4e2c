"""Writing images and documents for Anthropic's models.

https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support
"""

import base64
import binascii
from typing import Final

from llmgw.providers.details import member_at
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details, MediaPart

_IMAGES: Final = {"/9j/": "image/jpeg", "iVBO": "image/png", "R0lG": "image/gif", "UklG": "image/webp"}
"""The media types that are taken, by the first letters of such an image in base64."""
_PDF: Final = "application/pdf"
_PDF_START: Final = "JVBE"
_PLAIN: Final = "text/plain"


def native_media(part: MediaPart) -> Details:
    """Write a part that came over this protocol; what has no field of ours is for `provider_details` to add."""
    block: Details = {"type": "image" if part.kind == "image" else "document", "source": _source(part)}
    if part.filename is not None:
        block["title"] = part.filename
    return block


def foreign_media(part: MediaPart, pointer: str, losses: Losses) -> Details:
    """Write a part that came over another protocol.

    Raises:
        UnsupportedParameter: it is of a kind, or by a reference, that cannot be told.
    """
    if part.kind not in {"image", "file"}:
        raise _refusal(f"{part.kind} is not taken", pointer)
    if part.file_id is not None:
        raise _refusal("it names a file of another provider", pointer)
    if part.url is not None and not part.url.startswith(("https://", "http://")):
        raise _refusal("only http and https URLs are fetched", pointer)
    if part.kind == "image":
        if part.detail not in {None, "auto"}:
            losses.note(LossCode.DETAILS_DROPPED, pointer)
        return {"type": "image", "source": _image_source(part, pointer)}
    block: Details = {"type": "document", "source": _document_source(part, pointer)}
    if part.filename:
        block["title"] = part.filename
    return block


def _source(part: MediaPart) -> Details:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.text is not None:
        return {"type": "text", "media_type": part.media_type or _PLAIN, "data": part.text}
    return {"type": "base64", "media_type": part.media_type, "data": part.base64}


def _image_source(part: MediaPart, pointer: str) -> Details:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    data = part.base64 or ""
    media_type = (part.media_type or _IMAGES.get(data[:4], "")).replace("image/jpg", "image/jpeg")
    if media_type not in _IMAGES.values():
        raise _refusal(f"an image of type {media_type or 'unknown'} is not taken", pointer)
    return {"type": "base64", "media_type": media_type, "data": data}


def _document_source(part: MediaPart, pointer: str) -> Details:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.text is not None:
        return {"type": "text", "media_type": _PLAIN, "data": part.text}
    data = part.base64 or ""
    media_type = part.media_type or (_PDF if data.startswith(_PDF_START) else "")
    if media_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": data}
    if media_type.startswith("text/") or media_type == "application/json":
        try:
            text = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _refusal("a text document must be UTF-8 in base64", pointer) from None
        return {"type": "text", "media_type": _PLAIN, "data": text}
    raise _refusal(f"a document of type {media_type or 'unknown'} is not taken", pointer)


def _refusal(why: str, pointer: str) -> UnsupportedParameter:
    place = member_at(pointer)
    return UnsupportedParameter(f"{place} cannot be sent to Anthropic: {why}", param=place, pointer=pointer)
