"""Where providers' seals stand in OpenAI's dialect, which has no place for them: in requests and in answers alike.

Reasoning takes OpenRouter's `reasoning_details`: items of a `type`, told apart by `format`
(https://openrouter.ai/docs/guides/best-practices/reasoning-tokens). A tool call's thought signature stands where
Google's OpenAI-compatible endpoint has it, in `extra_content` (https://ai.google.dev/gemini-api/docs/thought-signatures).
"""

from typing import Final

from msgspec import structs

from llmgw.types.json import Json
from llmgw.types.message import Details, Part, ReasoningPart, Seal, TextPart, ToolCallPart

FORMATS: Final = {"anthropic": "anthropic-claude-v1", "gemini": "google-gemini-v1"}
"""The `format` of items by the protocol that sealed them."""

REASONING_DETAILS: Final = "reasoning_details"
"""OpenRouter's member for reasoning with what proves it, and the `member` of the parts read from it."""

EXTRA_CONTENT: Final = "extra_content"
"""Google's member for what the dialect lacks."""

_PROTOCOLS: Final = {form: protocol for protocol, form in FORMATS.items()}
_GOOGLE: Final = "google"


def reasoning_parts(details: Json) -> list[Part]:
    """Read `reasoning_details` as reasoning with its seals; nothing where it holds other things, too."""
    if not isinstance(details, list):
        return []
    parts: list[Part] = []
    for item in details:
        form = item.get("format") if isinstance(item, dict) else None
        protocol = _PROTOCOLS.get(form) if isinstance(form, str) else None
        if protocol is None:
            return []
        match item:
            case {"type": "reasoning.text", "text": str(text)}:
                signature = item.get("signature")
                seal = Seal(protocol=protocol, value=signature) if isinstance(signature, str) else None
                parts.append(ReasoningPart(text=text, member=REASONING_DETAILS, seal=seal))
            case {"type": "reasoning.encrypted", "data": str(data)}:
                if protocol == "anthropic":
                    seal = Seal(protocol=protocol, value=data, kind="encrypted")
                    parts.append(ReasoningPart(text="", member=REASONING_DETAILS, seal=seal))
            case _:
                return []
    return parts


def with_seals(parts: list[Part], details: Json) -> tuple[Part, ...]:
    """Put Gemini's signatures that stand in `reasoning_details` on the parts they belong to.

    One with a tool call's id belongs to that call, the last of that id that has none yet; one without to the text.
    """
    if not isinstance(details, list):
        return tuple(parts)
    texts, calls = _unsealed(parts)
    for item in details:
        match item:
            case {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": str(data)}:
                seal = Seal(protocol=_PROTOCOLS["google-gemini-v1"], value=data)
            case _:
                continue
        call_id = item.get("id")
        if isinstance(call_id, str):
            if places := calls.get(call_id):
                place = places.pop()
                parts[place] = structs.replace(parts[place], seal=seal)
        elif texts:
            parts[texts[-1]] = structs.replace(parts[texts[-1]], seal=seal)
    return tuple(parts)


def _unsealed(parts: list[Part]) -> tuple[list[int], dict[str, list[int]]]:
    """Find, once for all seals, where the texts stand, and by their ids the calls without a seal."""
    texts: list[int] = []
    calls: dict[str, list[int]] = {}
    for place, part in enumerate(parts):
        if isinstance(part, TextPart):
            texts.append(place)
        elif isinstance(part, ToolCallPart) and part.seal is None:
            calls.setdefault(part.id, []).append(place)
    return texts, calls


def call_seal(details: Details) -> Seal | None:
    """Take a tool call's thought signature out of its unknown members, in place."""
    match details.get(EXTRA_CONTENT):
        case {"google": {"thought_signature": str(value), **beside}, **others}:
            if beside:
                others[_GOOGLE] = beside
            if others:
                details[EXTRA_CONTENT] = others
            else:
                del details[EXTRA_CONTENT]
            return Seal(protocol=_PROTOCOLS["google-gemini-v1"], value=value)
        case _:
            return None
