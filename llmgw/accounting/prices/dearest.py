"""The dearest that tokens of a model can be, whatever they turn out to be and however the call is served."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from llmgw.accounting.prices.catalogue import Prices
from llmgw.accounting.prices.rates import Rates, schedule_of
from llmgw.types.money import YOCTO, Reach

_NANO: Final = YOCTO // 10**9

_WORDS: Final = ("input", "cached_input", "cache_write")
"""What words may be charged as by hosts that fill their caches unasked; for an hour nobody does so."""
_INPUT: Final = (
    *_WORDS,
    "cache_write_1h",
    "audio_input",
    "cached_audio_input",
    "image_input",
    "cached_image_input",
    "video_input",
)
_OUTPUT: Final = ("output", "reasoning", "audio_output", "image_output", "video_output")

_CITATIONS: Final = 100_000
"""Tokens of citations that are held back where a model charges for them: nothing bounds them."""
_UNASKED_SEARCHES: Final = 30
"""Searches of a model that charges for citations, as it searches whether or not it is told to."""


class Dearest(Struct, frozen=True, gc=False):
    """Yocto-USD for one token of each side, and for one call; None where a side has no price."""

    input: int | None
    words: int | None
    """Of input where there are only words."""
    output: int | None
    search: int
    once: int


Ceiling = tuple[tuple[int, Dearest], ...]
"""By the most input tokens to which they do not apply, ascending; none is below the one before."""


def ceiling_of(possible: Iterable[Prices]) -> Ceiling:
    """The dearest rates among prices that may hold, at every length of the input."""
    schedules = [schedule_of(prices) for prices in possible]
    starts = sorted({over for schedule in schedules for over, _ in schedule})
    return tuple(
        (start, _dearest([rates for schedule in schedules for over, rates in schedule if over <= start]))
        for start in starts
    )


def most_of(ceiling: Ceiling, input_tokens: int, output_tokens: int, reach: Reach) -> int | None:
    """Nano-USD above which no answer within those tokens is, rounded up; None where a side has no price."""
    found = ceiling[0][1]
    for over, dearer in ceiling:
        if input_tokens > over:
            found = dearer
    yocto = found.once + reach.searches * found.search
    if input_tokens > 0:
        rate = found.words if reach.words_only else found.input
        if rate is None:
            return None
        yocto += input_tokens * rate
    if output_tokens > 0:
        if found.output is None:
            return None
        yocto += output_tokens * found.output
    return -(-yocto // _NANO)


def _dearest(among: list[Rates]) -> Dearest:
    def most(name: str) -> int | None:
        return max((rate for rates in among if (rate := getattr(rates, name)) is not None), default=None)

    def side(plain: str, names: tuple[str, ...]) -> int | None:
        # What has no price of its own counts at the plain rate, so without that the side has none.
        return None if most(plain) is None else max(most(name) or 0 for name in names)

    citation, search = most("citation") or 0, most("web_search") or 0
    once = (most("request") or 0) + _CITATIONS * citation
    return Dearest(
        input=side("input", _INPUT),
        words=side("input", _WORDS),
        output=side("output", _OUTPUT),
        search=search,
        once=once + (_UNASKED_SEARCHES * search if citation else 0),
    )
