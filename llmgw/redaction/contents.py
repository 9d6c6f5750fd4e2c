"""The words of a call as they may be kept: bounded, without secrets and personal data unless all may be told."""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmgw.redaction.cutting import cut_bytes, encode_within, shorten
from llmgw.redaction.documents import redact_body, redact_json
from llmgw.redaction.text import redact
from llmgw.types.call import Call
from llmgw.types.completion import Completion
from llmgw.types.content import WITH_WORDS, Content
from llmgw.types.json import Json

MESSAGES: Final = "messages"
"""The dialect of what a call made for another asked: our own messages."""

_MORE: Final = 8192
"""Bytes beyond the bound that are looked at, so that none of a secret is left where it is cut."""
_NUMBERS: Final = re.compile(r"(?:-?[0-9]{1,12}\s*+,\s*+){3,}+-?[0-9]{1,12}")


class Captured(Struct, frozen=True, kw_only=True):
    """One call's words: `request` in the dialect `wire`, for the address `path`; `answer` in JSON, b"" for none.

    The answer has `complete`, and what a `Completion` has but its raw bytes and facts. `request_cut` and
    `answer_cut` tell that there was more; a request that was cut cannot be asked again, and is no JSON any more.
    """

    wire: str
    path: str
    request: bytes
    answer: bytes
    complete: bool
    request_cut: bool = False
    answer_cut: bool = False


def captured(call: Call) -> Captured | None:
    """Return what may be kept of a call's words; None where none may."""
    content = call.content
    if content is None or call.capture not in WITH_WORDS:
        return None
    redacting = call.capture == "redacted"
    request, request_cut = _request(content, redacting=redacting)
    answer, answer_cut = _answer(content, redacting=redacting)
    return Captured(
        wire=content.wire or MESSAGES,
        path=content.path,
        request=request,
        answer=answer,
        complete=content.complete,
        request_cut=request_cut,
        answer_cut=answer_cut or content.overheard,
    )


def _request(content: Content, *, redacting: bool) -> tuple[bytes, bool]:
    limit = content.max_bytes
    if not content.wire:
        return _document(msgspec.to_builtins(list(content.told)), limit, redacting=redacting)
    body = content.body
    if redacting:
        if len(body) <= limit:
            body = redact_body(body)
        else:
            # Cut before it is read: reading 32 MiB would hold up everybody else.
            text = body[: limit + _MORE].decode("utf-8", "ignore").replace("\\/", "/")
            body = redact(_NUMBERS.sub('"[redacted:numbers]"', text)).encode("utf-8", "replace")
    return cut_bytes(body, limit), len(body) > limit or len(content.body) > limit


def _answer(content: Content, *, redacting: bool) -> tuple[bytes, bool]:
    completion = content.answer
    if completion is None:
        return b"", False
    told: dict[str, Any] = msgspec.to_builtins(_lean(completion, redacting=redacting))
    for empty in [name for name, value in told.items() if value in (None, [], {}, "")]:
        del told[empty]
    return _document({"complete": content.complete, **told}, content.max_bytes, redacting=redacting)


def _lean(completion: Completion, *, redacting: bool) -> Completion:
    """Without what is told twice; without vectors, too, where words may be read from them that must not be told."""
    vectors = () if redacting else completion.vectors
    return replace(completion, raw=b"", facts={}, vectors=vectors)


def _document(value: Json, limit: int, *, redacting: bool) -> tuple[bytes, bool]:
    short = shorten(value, limit + _MORE)
    written, was_cut = encode_within(redact_json(short) if redacting else short, limit)
    return written, was_cut or short != value
