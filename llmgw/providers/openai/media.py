"""Writing images, sound, film and documents for OpenAI-like hosts."""

from typing import assert_never

from llmgw.providers.details import member_at
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.message import Details, MediaPart


def media_part(part: MediaPart, pointer: str) -> Details:
    """Write a media part as the OpenAI reference has it, or as the hosts do that take films.

    Raises:
        UnsupportedParameter: the part cannot be told in this protocol.
    """
    match part.kind:
        case "image":
            image: Details = {"url": _url(part, pointer, "image/png")}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case "audio":
            if part.base64 is None:
                raise _refusal("is audio by reference; send it as base64", pointer)
            sound = (part.media_type or "audio/wav").removeprefix("audio/")
            return {"type": "input_audio", "input_audio": {"data": part.base64, "format": sound}}
        case "video":
            return {"type": "video_url", "video_url": {"url": _url(part, pointer, "video/mp4")}}
        case "file":
            file: Details = {}
            if part.file_id is not None:
                file["file_id"] = part.file_id
            elif part.base64 is not None and part.media_type is None:
                file["file_data"] = part.base64
            else:
                file["file_data"] = _url(part, pointer, "application/octet-stream")
            if part.filename is not None:
                file["filename"] = part.filename
            return {"type": "file", "file": file}
        case _:
            assert_never(part.kind)


def _url(part: MediaPart, pointer: str, media_type: str) -> str:
    if part.url is not None:
        return part.url
    if part.base64 is None:
        raise _refusal("names a file of another provider", pointer)
    return f"data:{part.media_type or media_type};base64,{part.base64}"


def _refusal(what: str, pointer: str) -> UnsupportedParameter:
    place = member_at(pointer)
    return UnsupportedParameter(f"{place} {what}", param=place, pointer=pointer)
