"""What calls cost: whole nano-USD, and how they come about.

Rates are whole yocto-USD (10^-24) for one token or one thing, so that each published price is exact; what a call
comes to is rounded once, half to even, to nano-USD (10^-9).
"""

from decimal import Decimal
from typing import Annotated, Final, Literal, Protocol, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.event import Usage

NANO: Final = 10**9
"""Nano-USD in a US dollar."""
YOCTO: Final = 10**24
_IN_NANO: Final = YOCTO // NANO
_EXACT_DIGITS: Final = 15
"""Decimal digits that come back out of a float as they went in."""

LineKind: TypeAlias = Literal[
    "input", "cached_input", "cache_write_5m", "cache_write_1h", "audio_input", "cached_audio_input", "image_input",
    "cached_image_input", "video_input", "output", "reasoning", "audio_output", "image_output", "video_output",
    "citation", "web_search", "request", "reported",
]  # fmt: skip
"""What a line charges for: tokens, but for the last three; `reported` is the provider's own sum."""

Unknown: TypeAlias = Literal["allow", "refuse"]
"""Whether models without a price are asked."""
Tier: TypeAlias = Literal["batch", "flex", "priority", "fast"]
Usd: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000)]


class TokenPrices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars for a million tokens each; nine decimals count."""

    input: Usd | None = None
    """What is said to the model."""
    output: Usd | None = None
    """What it answers."""
    cached_input: Usd | None = None
    """Input read from the provider's cache; without it as `input`."""
    cache_write: Usd | None = None
    """Input written to the cache; without it as `input`."""
    cache_write_1h: Usd | None = None
    """The same for an hour; without it as `cache_write`."""
    reasoning: Usd | None = None
    """Output that is reasoning; without it as `output`."""
    audio_input: Usd | None = None
    """Sound; without it as `input`."""
    audio_output: Usd | None = None
    """Sound; without it as `output`."""
    image_input: Usd | None = None
    """Pictures; without it as `input`."""
    image_output: Usd | None = None
    """Pictures; without it as `output`."""


class LongPrices(TokenPrices, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other prices for all tokens of a call whose input is long; what is left out stays."""

    over: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    """The most input tokens to which they do not apply."""


class ModelPrices(TokenPrices, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model costs: US dollars for a million tokens each."""

    request: Usd | None = None
    """US dollars for a thousand calls, beside their tokens."""
    web_search: Usd | None = None
    """US dollars for a thousand searches of the web that the provider makes."""
    long: Annotated[tuple[LongPrices, ...], Meta(max_length=10)] = ()
    """Prices of calls whose input is long."""
    tiers: dict[Tier, TokenPrices] = {}
    """Prices of calls that the provider says it served in another way; what is left out stays."""


class Line(Struct, frozen=True, gc=False):
    """One part of a charge: `quantity` times `rate` yocto-USD."""

    kind: LineKind
    quantity: int
    rate: int


class Charge(Struct, frozen=True, kw_only=True):
    """What one answer costs.

    `source` names the list of prices and `version` its state: `genai-prices` and its version, `config` and the
    digest of the entry, `provider` where the provider says what it charges, `local` for models nobody bills for.
    `model` is the entry in that list, `tier` how the provider says it served the call, where that has a price.
    """

    nano: int
    lines: tuple[Line, ...]
    source: Literal["genai-prices", "config", "provider", "local"]
    version: str = ""
    model: str = ""
    tier: str = ""

    @property
    def prices(self) -> str:
        """The list of prices and its state: `genai-prices@0.2.3`."""
        return f"{self.source}@{self.version}" if self.version else self.source


class Spent(Struct, frozen=True, kw_only=True):
    """What a provider says it used for an answer: asked for `model`, it named `answered`.

    `tier` is how it says it served the call, `at_s` when it was asked, in unix seconds.
    """

    usage: Usage
    model: str
    answered: str = ""
    tier: str = ""
    at_s: int


class Reach(Struct, frozen=True, kw_only=True, gc=False):
    """What a call may be charged for beside plain tokens.

    `searches` are those of the web that its provider may make. `words_only` says that there are no media in it, and
    that it asks for no cache.
    """

    searches: int = 0
    words_only: bool = False


ANYTHING: Final = Reach()
"""All kinds of tokens, but no searches."""


class Pricing(Protocol):
    """What one provider's models cost."""

    def knows(self, model: str) -> bool:
        """Whether the model has a price."""

    def forbids(self, model: str) -> bool:
        """Whether the model may not be asked, as it has no price."""

    def charge(self, spent: Spent) -> Charge | None:
        """What an answer costs; None where that is not known."""

    def most(
        self, model: str, input_tokens: int, output_tokens: int, at_s: int, reach: Reach = ANYTHING
    ) -> int | None:
        """Nano-USD that an answer within those tokens costs at most, asked at a unix second.

        None where the price is not known, 0 where nobody bills.
        """


def total(lines: tuple[Line, ...]) -> int:
    """Add lines up, and round once, half to even, to nano-USD."""
    yocto = 0
    for line in lines:
        yocto += line.quantity * line.rate
    whole, rest = divmod(yocto, _IN_NANO)
    if 2 * rest > _IN_NANO or (2 * rest == _IN_NANO and whole & 1):
        whole += 1
    return whole


def usd(nano: int) -> str:
    """Write an amount that is not negative in US dollars, without an exponent and without idle zeros."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") if rest else str(whole)


def signed_usd(nano: int) -> str:
    """Write an amount in US dollars that may be negative."""
    return f"-{usd(-nano)}" if nano < 0 else usd(nano)


def nano_of(dollars: float) -> int:
    """Read an amount that people wrote in US dollars, exactly: 0.1 is 100,000,000.

    Raises:
        ValueError: it has more than nine decimals, or more digits than a float keeps.
    """
    amount = Decimal(repr(dollars)).normalize()
    nano = amount.scaleb(9)
    if nano != int(nano):
        raise ValueError("an amount in US dollars has at most nine decimals")
    if len(amount.as_tuple().digits) > _EXACT_DIGITS:
        raise ValueError(f"an amount in US dollars has at most {_EXACT_DIGITS} digits")
    return int(nano)
