"""What OpenAI-like hosts count: their usage objects as `Usage`."""

from collections.abc import Iterable
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.types.event import Usage
from llmgw.types.json import Json
from llmgw.types.message import Details

_READS: Final = ("cached_tokens",)
_READS_OUTSIDE: Final = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot, Together
    "num_cached_tokens",  # Mistral
)
_WRITES: Final = (
    "cache_write_tokens",  # OpenRouter
    "cache_creation_input_tokens",  # Alibaba
)
_WRITES_OUTSIDE: Final = ("cache_creation_input_tokens",)  # hosts in front of Anthropic
_NOTHING: Final[Details] = {}


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class _Prompt(Struct, gc=False, forbid_unknown_fields=True):
    cached_tokens: _Count | None = None
    audio_tokens: _Count | None = None


class _Completion(Struct, gc=False, forbid_unknown_fields=True):
    reasoning_tokens: _Count | None = None
    audio_tokens: _Count | None = None
    accepted_prediction_tokens: Json = None
    rejected_prediction_tokens: Json = None


_NO_PROMPT: Final = _Prompt()
_NO_COMPLETION: Final = _Completion()


class _Usual(Struct, gc=False, forbid_unknown_fields=True):
    """A usage object as OpenAI has it, and nothing besides: read in one step."""

    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None


def usage_from(details: Details) -> Usage:
    """Read a usage object; the places where hosts differ are named with their names.

    Tokens that `total_tokens` has beyond prompt and completion are output that the host does not count as such:
    xAI and Gemini leave reasoning out of `completion_tokens`.
    """
    try:
        usual = msgspec.convert(details, _Usual)
    except (ValueError, OverflowError):
        return _odd(details)
    if usual.total_tokens > usual.prompt_tokens + usual.completion_tokens:
        return _odd(details)
    prompt = usual.prompt_tokens_details or _NO_PROMPT
    completion = usual.completion_tokens_details or _NO_COMPLETION
    return Usage(
        input_tokens=usual.prompt_tokens,
        output_tokens=usual.completion_tokens,
        cached_read_tokens=prompt.cached_tokens,
        reasoning_tokens=completion.reasoning_tokens,
        audio_input_tokens=prompt.audio_tokens,
        audio_output_tokens=completion.audio_tokens,
        provider_details=details,
    )


def _odd(details: Details) -> Usage:
    """Read any other usage object, member by member."""
    prompt = _count(details, "prompt_tokens")
    completion = _count(details, "completion_tokens")
    total = _count(details, "total_tokens")
    reads = _part(details, "prompt_tokens_details")
    writes = _part(details, "completion_tokens_details")
    reasoning = _count(writes, "reasoning_tokens")
    if reasoning is None:
        reasoning = _count(details, "reasoning_tokens")
    if prompt is not None and completion is not None and total is not None:
        uncounted = total - prompt - completion
        if uncounted > 0 and (reasoning is None or reasoning == uncounted):
            completion += uncounted
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_read_tokens=_first(reads, _READS, details, _READS_OUTSIDE),
        cache_write_tokens=_first(reads, _WRITES, details, _WRITES_OUTSIDE),
        reasoning_tokens=reasoning,
        audio_input_tokens=_count(reads, "audio_tokens") if reads else None,
        audio_output_tokens=_count(writes, "audio_tokens") if writes else None,
        provider_details=details,
    )


def _part(details: Details, name: str) -> Details:
    part = details.get(name)
    return part if isinstance(part, dict) else _NOTHING


def _count(details: Details, name: str) -> int | None:
    value: Json = details.get(name)
    # The class itself, as a boolean is an int too.
    return value if value.__class__ is int and value >= 0 else None


def _first(part: Details, inside: Iterable[str], details: Details, outside: Iterable[str]) -> int | None:
    """The first count under one of the names inside the part, else under one outside it."""
    for place, names in ((part, inside), (details, outside)):
        for name in names:
            if name in place and (count := _count(place, name)) is not None:
                return count
    return None
