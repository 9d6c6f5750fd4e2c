"""What was asked and answered, as spans say it: the JSON of the GenAI conventions, in few bytes and still JSON.

As of commit 2b902ce14e7fa9d3d97cac49de02bae6917c02ae of open-telemetry/semantic-conventions-genai
(model/gen-ai/gen-ai-input-messages.json, gen-ai-output-messages.json, gen-ai-system-instructions.json). The newest
messages are told first, and a part or message of the type `truncated` stands where others are missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import DecodeError
from msgspec.json import decode

from llmgw.redaction import redact_json
from llmgw.redaction.cutting import CUT, cut_text, encode_list, shorten
from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import MAX_ATTRIBUTE_BYTES, Facts
from llmgw.types.call import Call
from llmgw.types.completion import Choice
from llmgw.types.content import WITH_WORDS
from llmgw.types.event import FinishReason
from llmgw.types.json import Json
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_LOOKED_AT: Final = 2 * MAX_ATTRIBUTE_BYTES
"""Bytes of one text that are looked at: more than are told, so that none of a secret is left where it is cut."""
_MAX_PARTS: Final = 64
_SYSTEM: Final = frozenset({"system", "developer"})
_MODALITIES: Final = {"image": "image", "audio": "audio", "video": "video", "file": "document"}
_REASONS: Final[dict[FinishReason, str]] = {"tool_calls": "tool_call"}
"""Reasons that the conventions call otherwise."""
_MARK: Final[dict[str, Json]] = {"type": "truncated"}
_MARK_MESSAGE: Final[dict[str, Json]] = {"role": "system", "parts": [_MARK]}


def has_words(call: Call) -> bool:
    """Whether there are words that may be told."""
    return call.content is not None and call.capture in WITH_WORDS


def content_attributes(call: Call) -> Facts:
    """Attributes of the logical call with words, where they may be told; else none.

    What is cut is said by `semconv.LLMGW_TRUNCATED`. Takes milliseconds: not for the event loop.
    """
    content = call.content
    if content is None or not has_words(call):
        return {}
    clean = call.capture == "redacted"
    system, messages = _parted(content.told)
    answer = content.answer
    said = {
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS: _written(_parts_of(system), _MARK, clean=clean),
        semconv.GEN_AI_INPUT_MESSAGES: _written(
            map(_message, reversed(messages)), _MARK_MESSAGE, clean=clean, from_end=True
        ),
        semconv.GEN_AI_OUTPUT_MESSAGES: _written(
            map(_output, answer.choices if answer is not None else ()), _MARK_MESSAGE, clean=clean
        ),
    }
    cut = any(text is not None and (CUT in text or '"truncated"' in text) for text in said.values())
    return {**said, semconv.LLMGW_CONTENT_REF: call.id, semconv.LLMGW_TRUNCATED: cut or None}


def _written(values: Iterable[Json], mark: Json, *, clean: bool, from_end: bool = False) -> str | None:
    told = (redact_json(value) if clean else value for value in values)
    written = encode_list(told, MAX_ATTRIBUTE_BYTES, mark=mark, from_end=from_end)
    return None if written == b"[]" else written.decode()


def _parted(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Part what stands before a conversation from the conversation."""
    for place, message in enumerate(messages):
        if message.role not in _SYSTEM:
            return messages[:place], messages[place:]
    return messages, ()


def _parts_of(messages: Iterable[Message]) -> Iterator[Json]:
    for message in messages:
        yield from _parts(message.parts)


def _message(message: Message) -> Json:
    role = "tool" if message.role == "function" else message.role
    told: dict[str, Json] = {"role": role, "parts": list(_parts(message.parts))}
    if message.name is not None:
        told["name"] = _short(message.name)
    return told


def _output(choice: Choice) -> Json:
    reason = choice.reason
    told: dict[str, Json] = {"role": choice.message.role, "parts": list(_parts(choice.message.parts))}
    if reason is not None:
        told["finish_reason"] = _REASONS.get(reason, reason)
    return told


def _parts(parts: Sequence[Part]) -> Iterator[Json]:
    yield from map(_part, parts[:_MAX_PARTS])
    if len(parts) > _MAX_PARTS:
        yield _MARK


def _part(part: Part) -> Json:
    match part:
        case TextPart(text=text):
            return {"type": "text", "content": _short(text)}
        case ReasoningPart(text=text):
            return {"type": "reasoning", "content": _short(text)}
        case RefusalPart(text=text):
            return {"type": "refusal", "content": _short(text)}
        case ToolCallPart():
            arguments = _arguments(part.arguments)
            return {
                "type": "tool_call",
                "id": _short(part.id),
                "name": _short(part.name),
                "arguments": arguments,
            }
        case ToolResultPart():
            return {
                "type": "tool_call_response",
                "id": _short(part.call_id),
                "response": list(_parts(part.content)),
            }
        case MediaPart():
            return _media(part)
        case OpaquePart(kind=kind):
            # Sealed, or of one vendor: what it is is all that can be said of it in the conventions' words.
            return {"type": cut_text(kind, 64) or "unknown"}


def _media(part: MediaPart) -> Json:
    """What was shown, but for its bytes."""
    if part.text is not None:
        return {"type": "text", "content": _short(part.text)}
    told: dict[str, Json] = {"modality": _MODALITIES[part.kind]}
    if part.media_type is not None:
        told["mime_type"] = cut_text(part.media_type, 256)
    if part.file_id is not None:
        return {"type": "file", **told, "file_id": cut_text(part.file_id, 512)}
    if part.url is not None and not part.url.startswith("data:"):
        return {"type": "uri", **told, "uri": _short(part.url)}
    size = part.size or len(part.base64 or part.url or "")
    return {"type": "blob", **told, "content": "", "characters": size}


def _arguments(text: str) -> Any:
    """Arguments as the JSON they should be, else as text."""
    if len(text) > MAX_ATTRIBUTE_BYTES:
        return _short(text)
    try:
        return shorten(decode(text.encode("utf-8", "replace")), _LOOKED_AT)[0]
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return _short(text)


def _short(text: str) -> str:
    return cut_text(text, _LOOKED_AT)
