"""What answers say of the caller's limits, in the headers that its dialect's clients read."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

from llmgw.types.allotment import Allotment, RateRoom
from llmgw.types.money import usd
from llmgw.wire.anthropic.seals import PROTOCOL as ANTHROPIC
from llmgw.wire.base import WireFormat

Headers: TypeAlias = list[tuple[bytes, bytes]]
_Dialect: TypeAlias = Callable[[bytes, RateRoom, float], Headers]


def rate_headers(wire: WireFormat, facts: Allotment, now_s: float) -> Headers:
    """Write the headers of the tightest limits; `now_s` is unix seconds. Without any limit there are none."""
    write = _DIALECTS.get(wire.name, _openai)
    headers: Headers = []
    if facts.requests is not None:
        headers += write(b"requests", facts.requests, now_s)
    if facts.tokens is not None:
        headers += write(b"tokens", facts.tokens, now_s)
    if facts.budget_left_nano is not None:
        headers.append((b"x-llmgw-budget-left-usd", usd(max(0, facts.budget_left_nano)).encode()))
    return headers


def _openai(noun: bytes, room: RateRoom, _now_s: float) -> Headers:
    return [
        (b"x-ratelimit-limit-" + noun, b"%d" % room.limit),
        (b"x-ratelimit-remaining-" + noun, b"%d" % max(0, room.remaining)),
        (b"x-ratelimit-reset-" + noun, duration(room.reset_s).encode()),
    ]


def _anthropic(noun: bytes, room: RateRoom, now_s: float) -> Headers:
    # Whole seconds, as Anthropic writes them; up, so that who waits until then does not come too early.
    at = datetime.fromtimestamp(math.ceil(now_s + room.reset_s), UTC)
    return [
        (b"anthropic-ratelimit-%b-limit" % noun, b"%d" % room.limit),
        (b"anthropic-ratelimit-%b-remaining" % noun, b"%d" % max(0, room.remaining)),
        (b"anthropic-ratelimit-%b-reset" % noun, at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
    ]


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
