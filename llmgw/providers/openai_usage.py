"""What OpenAI-like hosts count: their usage objects as `Usage`."""

from llmgw.types.event import Usage
from llmgw.types.json import Json
from llmgw.types.message import Details


def usage_from(details: Details) -> Usage:
    """Read a usage object; the places where hosts differ are named at each count.

    Tokens that `total_tokens` has beyond prompt and completion are output that the host does not count as such:
    xAI and Gemini leave reasoning out of `completion_tokens`.
    """
    prompt, completion, total = (
        _count(details, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    reads = _part(details, "prompt_tokens_details")
    writes = _part(details, "completion_tokens_details")
    reasoning = _first(_count(writes, "reasoning_tokens"), _count(details, "reasoning_tokens"))
    if prompt is not None and completion is not None and total is not None:
        uncounted = total - prompt - completion
        if uncounted > 0 and reasoning in {None, uncounted}:
            completion += uncounted
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_read_tokens=_first(
            _count(reads, "cached_tokens"),
            _count(details, "prompt_cache_hit_tokens"),  # DeepSeek
            _count(details, "cached_tokens"),  # Moonshot, Together
            _count(details, "num_cached_tokens"),  # Mistral
        ),
        cache_write_tokens=_first(
            _count(reads, "cache_write_tokens"),  # OpenRouter
            _count(reads, "cache_creation_input_tokens"),  # Alibaba
            _count(details, "cache_creation_input_tokens"),  # hosts in front of Anthropic
        ),
        reasoning_tokens=reasoning,
        audio_input_tokens=_count(reads, "audio_tokens"),
        audio_output_tokens=_count(writes, "audio_tokens"),
        provider_details=details,
    )


def _part(details: Details, name: str) -> Details:
    part = details.get(name)
    return part if isinstance(part, dict) else {}


def _count(details: Details, name: str) -> int | None:
    value: Json = details.get(name)
    return (
        value if isinstance(value, int) and value is not True and value is not False and value >= 0 else None
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)
