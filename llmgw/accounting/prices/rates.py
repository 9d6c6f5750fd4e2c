"""What one model charges for each kind of token, at one moment and for one way of serving a call."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgw.accounting.prices.catalogue import Entry, Prices
from llmgw.types.money import YOCTO

_TOKENS: Final = YOCTO // 10**6
_THINGS: Final = YOCTO // 10**3

_MEMBERS: Final = {
    "input_mtok": ("input", _TOKENS),
    "output_mtok": ("output", _TOKENS),
    "cache_read_mtok": ("cached_input", _TOKENS),
    "cache_write_mtok": ("cache_write", _TOKENS),
    "cache_write_1h_mtok": ("cache_write_1h", _TOKENS),
    "input_audio_mtok": ("audio_input", _TOKENS),
    "cache_audio_read_mtok": ("cached_audio_input", _TOKENS),
    "input_image_mtok": ("image_input", _TOKENS),
    "cache_image_read_mtok": ("cached_image_input", _TOKENS),
    "input_video_mtok": ("video_input", _TOKENS),
    "output_reasoning_mtok": ("reasoning", _TOKENS),
    "output_audio_mtok": ("audio_output", _TOKENS),
    "output_image_mtok": ("image_output", _TOKENS),
    "output_video_mtok": ("video_output", _TOKENS),
    "output_citation_mtok": ("citation", _TOKENS),
    "web_searches_kcount": ("web_search", _THINGS),
    "requests_kcount": ("request", _THINGS),
}
"""Rates by the catalogue's names; prices of what no usage of a chat or an embedding counts are passed over."""


class Rates(Struct, frozen=True, gc=False):
    """Yocto-USD for one token or thing; None where there is no price of its own."""

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    audio_input: int | None = None
    cached_audio_input: int | None = None
    image_input: int | None = None
    cached_image_input: int | None = None
    video_input: int | None = None
    reasoning: int | None = None
    audio_output: int | None = None
    image_output: int | None = None
    video_output: int | None = None
    citation: int | None = None
    web_search: int | None = None
    request: int | None = None


Schedule: TypeAlias = tuple[tuple[int, Rates], ...]
"""Rates by the most input tokens to which they do not apply, ascending; the first from -1."""
Served: TypeAlias = tuple[tuple[str, str], ...]
"""How a call was served, in the catalogue's words: `("processing", "batch")`."""


class Tariff:
    """What one model charges, over time and for every way of serving a call."""

    __slots__ = ("_entry", "_made", "_only")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        # Of most models the price has never changed.
        self._only = schedule_of(entry.periods[0].prices) if len(entry.periods) == 1 else None
        self._made: dict[tuple[int, tuple[int, ...]], Schedule] = {}

    @property
    def id(self) -> str:
        """The model's name in the list of prices."""
        return self._entry.id

    def schedule(self, at_s: int, served: Served) -> Schedule:
        """The rates at a unix second."""
        entry = self._entry
        if self._only is not None and not (served and entry.variants):
            return self._only
        period = self._period(at_s)
        variants = self.variants(at_s, served) if served and entry.variants else ()
        known = self._made.get((period, variants))
        if known is None:
            prices = dict(entry.periods[period].prices)
            for number in reversed(variants):
                prices.update(entry.variants[number].prices)
            known = self._made[period, variants] = schedule_of(prices)
        return known

    def variants(self, at_s: int, served: Served) -> tuple[int, ...]:
        """The variants that apply, those that come first going before."""
        return tuple(
            number
            for number, variant in enumerate(self._entry.variants)
            if variant.holds(at_s) and variant.when.items() <= frozenset(served)
        )

    def possible(self, at_s: int) -> tuple[Prices, ...]:
        """All prices that may hold at a unix second, for whatever way of serving a call."""
        entry = self._entry
        held = [each.prices for each in entry.variants if each.holds(at_s)]
        return (entry.periods[self._period(at_s)].prices, *held)

    def _period(self, at_s: int) -> int:
        periods = self._entry.periods
        for number in range(len(periods) - 1, 0, -1):
            if periods[number].holds(at_s):
                return number
        return 0

    @property
    def counts_tokens(self) -> bool:
        """Whether there is a price for tokens at all: some models are sold by the hour or the page."""
        return any(
            "input_mtok" in each.prices or "output_mtok" in each.prices for each in self._entry.periods
        )


def schedule_of(prices: Prices) -> Schedule:
    """Turn prices into rates, exactly."""
    base: dict[str, int] = {}
    steps: dict[int, dict[str, int]] = {}
    for name, price in prices.items():
        if name not in _MEMBERS:
            continue
        member, unit = _MEMBERS[name]
        first, others = (price, ()) if isinstance(price, str) else price
        base[member] = _rate(first, unit)
        for over, replaced in others:
            steps.setdefault(over, {})[member] = _rate(replaced, unit)
    schedule = [(-1, Rates(**base))]
    for over, changed in sorted(steps.items()):
        schedule.append((over, replace(schedule[-1][1], **changed)))
    return tuple(schedule)


def _rate(price: str, unit: int) -> int:
    numerator, denominator = Decimal(price).as_integer_ratio()
    return numerator * unit // denominator


def names(members: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """The catalogue's name for each rate that is among the members, and that rate."""
    for name, (member, _) in _MEMBERS.items():
        if member in members:
            yield name, member
