"""The sum for one answer: what its provider counted, times the rates of its model.

What a provider counts apart is charged in full at its own rate, the rest of the input or output at the plain one;
where the parts are more than the whole, no rest is left. Nothing is ever negative.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from llmgw.accounting.prices.rates import Rates, Schedule, Served
from llmgw.types.event import Usage
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.money import YOCTO, Line, LineKind

_NOTHING: Final[Details] = {}
_MODALITIES: Final[Mapping[Json, str]] = {
    "IMAGE": "image", 2: "image", "VIDEO": "video", 3: "video", "AUDIO": "audio", 4: "audio",
}  # fmt: skip
"""Gemini's, by name and by number."""
_MOST_REPORTED: Final = 10**6
"""US dollars above which a provider's own sum for one answer is not believed."""
_PLAIN_TIERS: Final = frozenset({"", "default"})
_SERVED: Final = frozenset({"service_tier", "serviceTier", "trafficType", "speed"})
"""Members that say how a call was served."""
_OF_GEMINI: Final = frozenset({"promptTokenCount", "totalTokenCount"})
_APART: Final = _OF_GEMINI | {
    "cache_creation", "server_tool_use", "server_tool_use_details", "citation_tokens", "num_search_queries",
}  # fmt: skip
_GIVEN_APART: Final = frozenset({"image_tokens", "video_tokens", "cached_tokens_details"})
_MADE_APART: Final = frozenset({"image_tokens"})
"""Members of a usage object, and of its two parts, that `Apart` is read from: most answers have none of them."""


class Apart(NamedTuple):
    """What is counted in the provider's own usage object beside what all count."""

    write_1h: int = 0
    cached_audio: int = 0
    images: int = 0
    cached_images: int = 0
    videos: int = 0
    images_made: int = 0
    videos_made: int = 0
    citations: int = 0
    searches: int = 0


_NONE_APART: Final = Apart()


def lines_of(usage: Usage, schedule: Schedule) -> tuple[Line, ...] | None:
    """Charge for what was counted; None where nothing was, or something that is counted has no price."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    taken = usage.input_tokens or 0
    rates = schedule[0][1]
    for over, dearer in schedule:
        if taken > over:
            rates = dearer
    apart = apart_of(usage.provider_details)
    lines: list[Line] = []
    if apart is _NONE_APART and not (
        usage.cache_write_tokens or usage.audio_input_tokens or usage.audio_output_tokens
    ):
        return tuple(lines) if _plain(lines, usage, rates) else None
    if not _input(lines, usage, apart, rates) or not _output(lines, usage, apart, rates):
        return None
    _add(lines, "web_search", apart.searches, rates.web_search)
    _add(lines, "request", 1, rates.request)
    return tuple(lines)


def _plain(lines: list[Line], usage: Usage, rates: Rates) -> bool:
    """Charge for words alone, as `_input` and `_output` do; False where something has no price."""
    left, cached = usage.input_tokens or 0, usage.cached_read_tokens
    if cached:
        rate = rates.input if rates.cached_input is None else rates.cached_input
        left -= _add(lines, "cached_input", cached, rate)
    if left > 0:
        if rates.input is None:
            return False
        lines.append(Line("input", left, rates.input))
    left, reasoned = usage.output_tokens or 0, usage.reasoning_tokens
    if reasoned:
        left -= _add(lines, "reasoning", reasoned, rates.reasoning)
    if left > 0:
        if rates.output is None:
            return False
        lines.append(Line("output", left, rates.output))
    if rates.request is not None:
        lines.append(Line("request", 1, rates.request))
    return True


def _input(lines: list[Line], usage: Usage, apart: Apart, rates: Rates) -> bool:
    """Charge for what was said; False where that has no price."""
    taken = left = usage.input_tokens or 0
    cached, written = usage.cached_read_tokens or 0, usage.cache_write_tokens or 0
    plain = rates.input
    if rates.audio_input is not None and usage.audio_input_tokens:
        # Where more is counted than was said, some of it must be both.
        overlap = min(cached, usage.audio_input_tokens, cached + written + usage.audio_input_tokens - taken)
        both = min(cached, max(apart.cached_audio, overlap))
        heard = max(0, usage.audio_input_tokens - both)
        left -= _add(lines, "audio_input", heard, rates.audio_input)
        if rates.cached_audio_input is not None:
            cached -= _add(lines, "cached_audio_input", both, rates.cached_audio_input)
            left -= both
    if rates.image_input is not None and apart.images:
        both = min(cached, apart.images, apart.cached_images)
        left -= _add(lines, "image_input", apart.images - both, rates.image_input)
        if rates.cached_image_input is not None:
            cached -= _add(lines, "cached_image_input", both, rates.cached_image_input)
            left -= both
    left -= _add(lines, "video_input", apart.videos, rates.video_input)
    rate = plain if rates.cached_input is None else rates.cached_input
    left -= _add(lines, "cached_input", cached, rate)
    short = plain if rates.cache_write is None else rates.cache_write
    long = min(written, apart.write_1h)
    left -= _add(
        lines, "cache_write_1h", long, short if rates.cache_write_1h is None else rates.cache_write_1h
    )
    left -= _add(lines, "cache_write_5m", written - long, short)
    _add(lines, "input", left, plain)
    return plain is not None or left <= 0


def _output(lines: list[Line], usage: Usage, apart: Apart, rates: Rates) -> bool:
    """Charge for what was answered; False where that has no price."""
    left = usage.output_tokens or 0
    left -= _add(lines, "reasoning", usage.reasoning_tokens or 0, rates.reasoning)
    left -= _add(lines, "audio_output", usage.audio_output_tokens or 0, rates.audio_output)
    left -= _add(lines, "image_output", apart.images_made, rates.image_output)
    left -= _add(lines, "video_output", apart.videos_made, rates.video_output)
    _add(lines, "citation", apart.citations, rates.citation)
    _add(lines, "output", left, rates.output)
    return rates.output is not None or left <= 0


def _add(lines: list[Line], kind: LineKind, quantity: int, rate: int | None) -> int:
    """Add a line where there is something to charge for; returns how much of it is charged."""
    if rate is None or quantity <= 0:
        return 0
    lines.append(Line(kind, quantity, rate))
    return quantity


def apart_of(details: Details) -> Apart:
    """Read what only some providers count, from their usage object as it came."""
    given, made = _part(details, "prompt_tokens_details"), _part(details, "completion_tokens_details")
    if _APART.isdisjoint(details) and _GIVEN_APART.isdisjoint(given) and _MADE_APART.isdisjoint(made):
        return _NONE_APART
    if not _OF_GEMINI.isdisjoint(details):
        return _of_gemini(details)
    held = _part(details, "cache_creation")
    tools = _part(details, "server_tool_use") or _part(details, "server_tool_use_details")
    citations = _count(details, "citation_tokens")
    searches = _count(tools, "web_search_requests") or _count(details, "num_search_queries")
    if not (given or made or held or citations or searches):
        return _NONE_APART
    both = _part(given, "cached_tokens_details")
    return Apart(
        write_1h=_count(held, "ephemeral_1h_input_tokens"),
        cached_audio=_count(both, "audio_tokens"),
        images=_count(given, "image_tokens"),
        cached_images=_count(both, "image_tokens"),
        videos=_count(given, "video_tokens"),
        images_made=_count(made, "image_tokens"),
        citations=citations,
        searches=searches,
    )


def _of_gemini(details: Details) -> Apart:
    given = _by_modality(details.get("promptTokensDetails"))
    held = _by_modality(details.get("cacheTokensDetails"))
    made = _by_modality(details.get("candidatesTokensDetails"))
    return Apart(
        cached_audio=held.get("audio", 0),
        images=given.get("image", 0),
        cached_images=held.get("image", 0),
        videos=given.get("video", 0),
        images_made=made.get("image", 0),
        videos_made=made.get("video", 0),
    )


def _by_modality(listed: Json) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            word = each.get("modality")
            kind = _MODALITIES.get(word) if isinstance(word, str | int) else None
            if kind is not None:
                found[kind] = found.get(kind, 0) + _count(each, "tokenCount")
    return found


def _part(details: Details, name: str) -> Details:
    part = details.get(name)
    return part if isinstance(part, dict) else _NOTHING


def _count(details: Details, name: str) -> int:
    value: Json = details.get(name)
    # The class itself, as a boolean is an int too.
    return value if value.__class__ is int and value >= 0 else 0


REPORTING: Final = frozenset({"openrouter", "perplexity"})
"""Kinds of providers that say what they charge."""


def reported(kind: str, details: Details) -> Line | None:
    """What the provider itself says it charges, where it is one that does: OpenRouter and Perplexity.

    Not where OpenRouter was given a key of the operator's own: then another bills for most of it.
    """
    if kind == "openrouter" and not details.get("is_byok"):
        said = details.get("cost")
    elif kind == "perplexity":
        said = _part(details, "cost").get("total_cost")
    else:
        return None
    if said.__class__ not in {int, float}:
        return None
    try:
        amount = Decimal(repr(said))
    except InvalidOperation:
        return None
    if not 0 <= amount <= _MOST_REPORTED:
        return None
    numerator, denominator = amount.as_integer_ratio()
    return Line("reported", 1, numerator * YOCTO // denominator)


def served_as(tier: str, details: Details) -> Served:
    """Say in the catalogue's words how a call was served: as the usage says, else as `tier`, the answer's own."""
    if tier in _PLAIN_TIERS and _SERVED.isdisjoint(details):
        return ()
    found: list[tuple[str, str]] = []
    match _word(tier, details):
        case "batch" | "BATCH":
            found.append(("processing", "batch"))
        case "flex" | "priority" | "fast" as word:
            found.append(("service_tier", word))
        case "ON_DEMAND_FLEX" | "ON_DEMAND_PRIORITY" as word:
            found.append(("service_tier", word.removeprefix("ON_DEMAND_").lower()))
        case _:
            pass
    if details.get("speed") == "fast":
        found.append(("speed", "fast"))
    return tuple(found)


def _word(tier: str, details: Details) -> str:
    for name in ("service_tier", "serviceTier", "trafficType"):
        said = details.get(name)
        if isinstance(said, str):
            return said
    return tier
