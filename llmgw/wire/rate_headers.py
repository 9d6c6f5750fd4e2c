"""What answers say of the caller's limits, in the headers that its dialect's clients read."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, TypeAlias

from llmgw.types.allotment import Allotment, RateRoom
from llmgw.types.money import usd
from llmgw.wire.anthropic.seals import PROTOCOL as ANTHROPIC
from llmgw.wire.base import WireFormat

Headers: TypeAlias = list[tuple[bytes, bytes]]
_Dialect: TypeAlias = Callable[[str, RateRoom, float], tuple[tuple[str, str], ...]]


def rate_headers(wire: WireFormat, facts: Allotment, now_s: float) -> Headers:
    """Write the headers of the tightest limits; `now_s` is unix seconds. Without any limit there are none."""
    return [(name.encode(), value.encode()) for name, value in _told(wire, facts, now_s)]


def _told(wire: WireFormat, facts: Allotment, now_s: float) -> Iterator[tuple[str, str]]:
    write = _DIALECTS.get(wire.name, _openai)
    for noun, room in (("requests", facts.requests), ("tokens", facts.tokens)):
        if room is not None:
            yield from write(noun, room, now_s)
    if facts.budget_left_nano is not None:
        yield "x-llmgw-budget-left-usd", usd(max(0, facts.budget_left_nano))


def _openai(noun: str, room: RateRoom, _now_s: float) -> tuple[tuple[str, str], ...]:
    return (
        (f"x-ratelimit-limit-{noun}", str(room.limit)),
        (f"x-ratelimit-remaining-{noun}", str(max(0, room.remaining))),
        (f"x-ratelimit-reset-{noun}", duration(room.reset_s)),
    )


def _anthropic(noun: str, room: RateRoom, now_s: float) -> tuple[tuple[str, str], ...]:
    # Whole seconds, as Anthropic writes them; up, so that who waits until then does not come too early.
    at = datetime.fromtimestamp(math.ceil(now_s + room.reset_s), UTC)
    return (
        (f"anthropic-ratelimit-{noun}-limit", str(room.limit)),
        (f"anthropic-ratelimit-{noun}-remaining", str(max(0, room.remaining))),
        (f"anthropic-ratelimit-{noun}-reset", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )


_DIALECTS: Final[dict[str, _Dialect]] = {ANTHROPIC: _anthropic}
"""By the name of a dialect; whatever is not here has OpenAI's headers, which others took over."""


def duration(seconds: float) -> str:
    """Write a length of time as OpenAI does: `20ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`; no shorter than it is."""
    thousandths = max(0, math.ceil(seconds * 1000))
    if 0 < thousandths < 1000:
        return f"{thousandths}ms"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
