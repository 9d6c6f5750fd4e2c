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
_Names: TypeAlias = tuple[bytes, bytes, bytes]
"""The headers of a limit, of what remains of it, and of when it is whole again."""
_Dialect: TypeAlias = Callable[[_Names, RateRoom, float], Headers]


def rate_headers(wire: WireFormat, facts: Allotment, now_s: float) -> Headers:
    """Write the headers of the tightest limits; `now_s` is unix seconds. Without any limit there are none."""
    write, of_requests, of_tokens = _DIALECTS.get(wire.name, _OPENAI)
    headers: Headers = []
    if facts.requests is not None:
        headers += write(of_requests, facts.requests, now_s)
    if facts.tokens is not None:
        headers += write(of_tokens, facts.tokens, now_s)
    if facts.budget_left_nano is not None:
        headers.append((b"x-llmgw-budget-left-usd", usd(max(0, facts.budget_left_nano)).encode()))
    return headers


def _openai(names: _Names, room: RateRoom, _now_s: float) -> Headers:
    limit, remaining, reset = names
    return [
        (limit, b"%d" % room.limit),
        (remaining, b"%d" % max(0, room.remaining)),
        (reset, duration(room.reset_s).encode()),
    ]


def _anthropic(names: _Names, room: RateRoom, now_s: float) -> Headers:
    limit, remaining, reset = names
    # Whole seconds, as Anthropic writes them; up, so that who waits until then does not come too early.
    at = datetime.fromtimestamp(math.ceil(now_s + room.reset_s), UTC)
    return [
        (limit, b"%d" % room.limit),
        (remaining, b"%d" % max(0, room.remaining)),
        (reset, at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
    ]


_OPENAI: Final[tuple[_Dialect, _Names, _Names]] = (
    _openai,
    (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
)
_DIALECTS: Final[dict[str, tuple[_Dialect, _Names, _Names]]] = {
    ANTHROPIC: (
        _anthropic,
        (
            b"anthropic-ratelimit-requests-limit",
            b"anthropic-ratelimit-requests-remaining",
            b"anthropic-ratelimit-requests-reset",
        ),
        (
            b"anthropic-ratelimit-tokens-limit",
            b"anthropic-ratelimit-tokens-remaining",
            b"anthropic-ratelimit-tokens-reset",
        ),
    )
}
"""By the name of a dialect; whatever is not here has OpenAI's headers, which others took over."""


def duration(seconds: float) -> str:
    """Write a length of time as OpenAI does: `20ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`; no shorter than it is."""
    thousandths = max(0, math.ceil(seconds * 1000))
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    whole, part = divmod(rest, 1000)
    shown = f"{whole}.{part:03d}".rstrip("0") + "s" if part else f"{whole}s"
    if not minutes:
        return shown
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{shown}" if hours else f"{minutes}m{shown}"
