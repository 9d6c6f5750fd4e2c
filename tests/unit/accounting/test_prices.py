"""What calls cost: exact, rounded once, never negative, and by whose price."""

import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.accounting.prices.catalogue import PROVIDERS, Entry, Period, catalogue
from llmgw.accounting.prices.cost import lines_of
from llmgw.accounting.prices.rates import Rates, Tariff
from llmgw.providers.registry import ROWS
from llmgw.types.event import Usage
from llmgw.types.money import YOCTO, Charge, Line, LongPrices, ModelPrices, Spent, TokenPrices, total, usd

NOON = 1_795_780_800
"""2026-11-27 12:00 UTC."""
_COUNTS = st.one_of(st.none(), st.integers(min_value=0, max_value=10**12))
_RATES = st.one_of(st.none(), st.integers(min_value=0, max_value=10**21))


def spent(usage: Usage, model: str = "m", **facts: Any) -> Spent:
    """What was used for an answer."""
    return Spent(usage=usage, model=model, at_s=NOON, **facts)


def charged(prices: ProviderPrices, usage: Usage, model: str = "m", **facts: Any) -> Charge:
    """What an answer costs that has a price."""
    charge = prices.charge(spent(usage, model, **facts))
    assert charge is not None
    return charge


def test_every_row_of_the_catalogue_is_there() -> None:
    """Each kind with published prices is a registry row, and a provider of the catalogue."""
    assert PROVIDERS.keys() <= ROWS.keys()
    assert set(PROVIDERS.values()) <= catalogue().providers.keys()


def test_every_published_price_is_a_whole_rate() -> None:
    """No rate is rounded: each model's rates, turned back, are its prices."""
    for provider in catalogue().providers.values():
        for entry in provider.models:
            for period in (*entry.periods, *entry.variants):
                rates = Tariff(Entry(id="m", periods=(Period(prices=period.prices),))).schedule(NOON, ())
                price = period.prices.get("input_mtok")
                if isinstance(price, str):
                    assert rates[0][1].input == Fraction(price) * YOCTO / 10**6


def test_prices_need_neither_pydantic_nor_the_package() -> None:
    """Looking a price up imports nothing that opens sockets or makes requests slow."""
    program = (
        "import sys; from llmgw.accounting.prices.book import ProviderPrices;"
        "assert ProviderPrices('openai', {}).knows('gpt-4o');"
        "print(sorted({'pydantic', 'genai_prices', 'httpx', 'aiohttp', 'requests'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("yocto", "nano"),
    [(0, 0), (5 * 10**14, 0), (5 * 10**14 + 1, 1), (15 * 10**14, 2), (25 * 10**14, 2), (10**15, 1)],
)
def test_a_sum_is_rounded_half_to_even(yocto: int, nano: int) -> None:
    """Once, to whole nano-USD."""
    assert total((Line("input", 1, yocto),)) == nano


def test_a_million_small_calls_cost_what_they_cost_together() -> None:
    """A5: where a token costs whole nano-USD nothing is lost in a million roundings."""
    prices = ProviderPrices("openai", {})
    one = charged(prices, Usage(input_tokens=1, output_tokens=0), "gpt-4o")
    many = charged(prices, Usage(input_tokens=10**6, output_tokens=0), "gpt-4o")
    assert many.nano == 10**6 * one.nano == 2_500_000_000


@pytest.mark.parametrize(
    ("nano", "said"),
    [(0, "0"), (1, "0.000000001"), (82_500, "0.0000825"), (10**9, "1"), (1_500_000_000, "1.5")],
)
def test_dollars_are_written_without_exponents(nano: int, said: str) -> None:
    """As a header can carry them."""
    assert usd(nano) == said


@given(
    taken=_COUNTS, given_back=_COUNTS, parts=st.lists(_COUNTS, min_size=5, max_size=5),
    rates=st.lists(_RATES, min_size=9, max_size=9),
)  # fmt: skip
def test_no_charge_is_negative_or_below_its_whole(
    taken: int | None, given_back: int | None, parts: list[int | None], rates: list[int | None]
) -> None:
    """Whatever providers count: no line is negative, and no counted token is left out."""
    usage = Usage(
        input_tokens=taken,
        output_tokens=given_back,
        cached_read_tokens=parts[0],
        cache_write_tokens=parts[1],
        reasoning_tokens=parts[2],
        audio_input_tokens=parts[3],
        audio_output_tokens=parts[4],
    )
    names = ("cached_input", "cache_write", "cache_write_1h", "audio_input", "cached_audio_input")
    schedule = ((-1, Rates(input=rates[0], output=rates[1], **dict(zip(names, rates[2:], strict=False)))),)
    lines = lines_of(usage, schedule)
    if lines is None:
        missing_input = rates[0] is None and bool(taken or parts[0] or parts[1] or parts[3])
        missing_output = rates[1] is None and bool(given_back)
        assert missing_input or missing_output or (taken is None and given_back is None)
        return
    assert all(line.quantity > 0 and line.rate >= 0 for line in lines)
    out = {"output", "reasoning", "audio_output"}
    assert sum(line.quantity for line in lines if line.kind not in out) >= (taken or 0)
    assert sum(line.quantity for line in lines if line.kind in out) >= (given_back or 0)
    assert total(lines) >= 0


def test_the_operators_price_goes_first() -> None:
    """By the name that was asked, then by the one that answered, then by `*`; else the published one."""
    prices = ProviderPrices(
        "openai",
        {
            "mine": ModelPrices(input=1, output=1),
            "gpt-4o": ModelPrices(input=2, output=2),
            "*": ModelPrices(input=3, output=3),
        },
    )
    usage = Usage(input_tokens=1000, output_tokens=0)
    assert charged(prices, usage, "mine", answered="gpt-4o").nano == 1_000_000
    assert charged(prices, usage, "other", answered="gpt-4o").nano == 2_000_000
    named = charged(prices, usage, "other", answered="unheard-of")
    assert (named.nano, named.source, named.model) == (3_000_000, "config", "*")
    assert len(named.version) == 16
    published = charged(ProviderPrices("openai", {}), usage, "gpt-4o")
    assert published.prices == f"genai-prices@{catalogue().version}"


def test_what_answered_goes_before_what_was_asked() -> None:
    """An alias of the provider's costs what the model behind it costs, a deployment what its model does."""
    usage = Usage(input_tokens=1000, output_tokens=0)
    azure = ProviderPrices("azure", {})
    assert charged(azure, usage, "my-deployment", answered="gpt-4o-2024-08-06").model == "gpt-4o"
    assert charged(azure, usage, "gpt-4o", answered="something-internal").model == "gpt-4o"


def test_long_input_is_dearer_as_a_whole() -> None:
    """From one token more on, all tokens have the other rates; a rate that is not named stays."""
    own = ModelPrices(input=1, cached_input=0.1, output=4, long=(LongPrices(over=100, input=2, output=6),))
    prices = ProviderPrices("openai", {"m": own})
    at_most = Usage(input_tokens=100, cached_read_tokens=10, output_tokens=10)
    above = Usage(input_tokens=101, cached_read_tokens=10, output_tokens=10)
    assert charged(prices, at_most).nano == 90 * 1000 + 10 * 100 + 10 * 4000
    assert charged(prices, above).nano == 91 * 2000 + 10 * 100 + 10 * 6000


@pytest.mark.parametrize(
    ("facts", "details", "tier"),
    [
        ({"tier": "flex"}, {}, "flex"),
        ({"tier": "default"}, {}, ""),
        ({}, {"service_tier": "batch"}, "batch"),
        ({}, {"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"tier": "priority"}, {}, ""),
    ],
)
def test_calls_are_charged_by_the_tier_they_were_served_in(
    facts: dict[str, str], details: dict[str, Any], tier: str
) -> None:
    """As the answer or its usage says; a tier without a price costs what it costs else."""
    tiers: Any = {"flex": TokenPrices(input=0.5), "batch": TokenPrices(input=0.5)}
    prices = ProviderPrices("openai", {"m": ModelPrices(input=1, output=4, tiers=tiers)})
    usage = Usage(input_tokens=1000, output_tokens=100, provider_details=details)
    charge = charged(prices, usage, **facts)
    assert charge.tier == tier
    assert charge.nano == (500_000 if tier else 1_000_000) + 400_000


def test_prices_are_those_of_the_moment() -> None:
    """The last period that holds counts; one of the day comes back every day, over midnight too."""
    tariff = Tariff(
        Entry(
            id="m",
            periods=(
                Period(prices={"input_mtok": "1"}),
                Period(start=NOON, prices={"input_mtok": "2"}),
                Period(between=(23 * 3600, 3600), prices={"input_mtok": "3"}),
            ),
        )
    )

    def at(moment: int) -> int | None:
        rate = tariff.schedule(moment, ())[0][1].input
        return None if rate is None else rate // 10**18

    night = NOON + 12 * 3600
    assert [at(NOON - 1), at(NOON), at(night - 3601), at(night - 3600), at(night), at(night + 3600)] == [
        1, 2, 2, 3, 3, 2,
    ]  # fmt: skip


def test_a_providers_own_sum_is_believed_within_reason() -> None:
    """OpenRouter and Perplexity tell one; nonsense is passed over, and an operator's key is billed elsewhere."""
    router = ProviderPrices("openrouter", {})

    def told(**details: Any) -> Charge | None:
        usage = Usage(input_tokens=1, output_tokens=1, provider_details=details)
        return router.charge(spent(usage, "openai/unheard-of"))

    said = told(cost=0.0000123)
    assert said is not None
    assert (said.nano, said.source) == (12_300, "provider")
    for nonsense in (-1, 1e300, "1", True, None):
        assert told(cost=nonsense) is None
    assert told(cost=0.5, is_byok=True) is None
    usage = Usage(input_tokens=1, output_tokens=1, provider_details={"cost": {"total_cost": 0.006}})
    assert charged(ProviderPrices("perplexity", {}), usage, "sonar").nano == 6_000_000


def test_models_without_a_price_have_no_cost() -> None:
    """None, not zero; they are asked unless the operator forbids it."""
    usage = Usage(input_tokens=1, output_tokens=1)
    for kind in ("openai", "openai_compatible", "litellm_proxy"):
        prices = ProviderPrices(kind, {})
        assert prices.charge(spent(usage, "unheard-of")) is None
        assert not prices.knows("unheard-of")
        assert not prices.forbids("unheard-of")
        assert ProviderPrices(kind, {}, unknown="refuse").forbids("unheard-of")


def test_models_on_ones_own_machine_cost_nothing() -> None:
    """Unless their operator says otherwise."""
    usage = Usage(input_tokens=1_000, output_tokens=1)
    free = charged(ProviderPrices("ollama", {}, free=True, unknown="refuse"), usage)
    assert (free.nano, free.prices) == (0, "local")
    own = {"*": ModelPrices(input=1, output=0)}
    assert charged(ProviderPrices("ollama", own, free=True), usage).nano == 1_000_000


def test_what_nobody_counted_has_no_cost() -> None:
    """A provider that does not say what it used leaves the cost unknown; one that says zero, zero."""
    prices = ProviderPrices("openai", {})
    assert prices.charge(spent(Usage(), "gpt-4o")) is None
    assert charged(prices, Usage(input_tokens=0, output_tokens=0), "gpt-4o").nano == 0
    # An embedding has no price for output: it has none.
    assert charged(prices, Usage(input_tokens=10), "text-embedding-3-small").nano == 200
    assert prices.charge(spent(Usage(input_tokens=1, output_tokens=1), "text-embedding-3-small")) is None
