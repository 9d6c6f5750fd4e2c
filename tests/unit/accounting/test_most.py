"""No answer costs more than what is held back for it, whatever its tokens are and however it was served."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.accounting.prices.catalogue import PROVIDERS, catalogue
from llmgw.types.event import Usage
from llmgw.types.message import Details
from llmgw.types.money import LongPrices, ModelPrices, Reach, Spent, Tier, TokenPrices
from msgspec.structs import replace

AT_S: Final = 1_795_780_800
"""2026-11-27 12:00 UTC."""
TIERS: Final = ("", "default", "batch", "flex", "priority", "fast", "ON_DEMAND_PRIORITY")
KINDS: Final = {kind: ProviderPrices(kind, {}) for kind in PROVIDERS}
MODELS: Final = sorted(
    (kind, entry.id) for kind, name in PROVIDERS.items() for entry in catalogue().providers[name].models
)

_TOKENS: Final = st.one_of(
    st.integers(0, 2_000),
    st.sampled_from((100_000, 100_001, 200_000, 200_001, 272_001)),
    st.integers(0, 10**7),
)
_USD: Final = st.one_of(st.none(), st.floats(0, 500), st.sampled_from((0.0, 1e-9, 0.1, 30.0)))


def _split(draw: st.DrawFn, whole: int, parts: int) -> list[int]:
    """Parts that are together no more than the whole."""
    found = []
    for _ in range(parts):
        part = draw(st.integers(0, whole))
        found.append(part)
        whole -= part
    return found


def _openai(given: list[int], made: list[int], searches: int) -> Details:
    return {
        "prompt_tokens_details": {"image_tokens": given[3]},
        "completion_tokens_details": {"image_tokens": made[2]},
        "cache_creation": {"ephemeral_1h_input_tokens": given[4]},
        "server_tool_use": {"web_search_requests": searches},
        "cached_tokens_details": {"audio_tokens": given[0] // 2},
    }


def _gemini(given: list[int], made: list[int]) -> Details:
    return {
        "promptTokenCount": sum(given),
        "promptTokensDetails": [
            {"modality": "IMAGE", "tokenCount": given[3]},
            {"modality": "VIDEO", "tokenCount": given[5]},
        ],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": made[2]}],
    }


@st.composite
def usages(draw: st.DrawFn, input_tokens: int, output_tokens: int, searches: int) -> Usage:
    """What a provider may say it used within those tokens."""
    taken, given_back = draw(st.integers(0, input_tokens)), draw(st.integers(0, output_tokens))
    given, made = _split(draw, taken, 6), _split(draw, given_back, 4)
    details = draw(
        st.sampled_from((_openai(given, made, draw(st.integers(0, searches))), _gemini(given, made), {}))
    )
    speed: Details = {"speed": "fast"} if draw(st.booleans()) else {}
    return Usage(
        input_tokens=taken,
        output_tokens=given_back,
        cached_read_tokens=given[0],
        cache_write_tokens=given[1] + given[4],
        audio_input_tokens=given[2],
        reasoning_tokens=made[0],
        audio_output_tokens=made[1],
        provider_details={**details, **speed},
    )


def _holds(prices: ProviderPrices, model: str, data: st.DataObject) -> None:
    """Draw what is held back and what is used, and compare."""
    tokens = data.draw(_TOKENS), data.draw(_TOKENS)
    searches = data.draw(st.integers(0, 20))
    at_s = AT_S + data.draw(st.integers(0, 86_400))
    later = at_s + data.draw(st.integers(0, 1_800))
    usage, words = data.draw(usages(*tokens, searches)), data.draw(st.booleans())
    if words:
        # No media went in, and no cache was asked to be kept for an hour.
        usage = replace(usage, audio_input_tokens=None, provider_details={"speed": "fast"})
    most = prices.most(model, *tokens, at_s, Reach(searches=searches, words_only=words))
    charge = prices.charge(
        Spent(usage=usage, model=model, tier=data.draw(st.sampled_from(TIERS)), at_s=later)
    )
    assert charge is None or most is None or charge.nano <= most, (model, usage, charge, most)


@given(which=st.sampled_from(MODELS), data=st.data())
def test_no_published_price_is_above_the_most(which: tuple[str, str], data: st.DataObject) -> None:
    """Every tier, step, kind of token and hour of the day."""
    kind, model = which
    _holds(KINDS[kind], model, data)


@pytest.mark.parametrize("tier", TIERS)
def test_every_entry_of_the_catalogue_is_bounded(tier: str) -> None:
    """All models, at each length of input at which prices change, with the dearest kinds of tokens."""
    told = 0
    for kind, model in MODELS:
        prices = KINDS[kind]
        for taken in (1_000, 128_001, 200_001, 272_001, 1_000_000):
            for hour in range(2, 24, 6):
                spent = _dear(taken)
                at_s = AT_S + 3600 * hour
                charges = [
                    prices.charge(Spent(usage=usage, model=model, tier=tier, at_s=at_s)) for usage in spent
                ]
                most = prices.most(model, taken, 5_000, at_s, Reach(searches=3))
                known = [charge.nano for charge in charges if charge is not None]
                assert most is None or all(nano <= most for nano in known), (kind, model)
                told += bool(known) and most is not None
    assert told > 5_000


def _dear(taken: int) -> tuple[Usage, ...]:
    """Usages of one kind of token each."""
    searched: Details = {"server_tool_use": {"web_search_requests": 3}}
    hour: Details = {"cache_creation": {"ephemeral_1h_input_tokens": taken}}
    pictures: Details = {
        "promptTokenCount": taken,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5_000}],
    }
    every: dict[str, Any] = {"input_tokens": taken, "output_tokens": 5_000}
    return (
        Usage(**every, provider_details=searched),
        Usage(**every, cache_write_tokens=taken, provider_details=hour),
        Usage(**every, cache_write_tokens=taken, reasoning_tokens=5_000),
        Usage(**every, audio_input_tokens=taken, audio_output_tokens=5_000),
        Usage(**every, provider_details=pictures),
    )


def test_a_price_that_is_known_has_a_most() -> None:
    """A model that sells input and output is bounded: nothing that is charged goes unheld."""
    for kind, model in MODELS:
        charge = KINDS[kind].charge(
            Spent(usage=Usage(input_tokens=9, output_tokens=9), model=model, at_s=AT_S)
        )
        most = KINDS[kind].most(model, 9, 9, AT_S)
        assert (charge is None) == (most is None), (kind, model)


@st.composite
def _tokens(draw: st.DrawFn) -> dict[str, float]:
    return {name: usd for name in TokenPrices.__struct_fields__ if (usd := draw(_USD)) is not None}


@st.composite
def own_prices(draw: st.DrawFn) -> ModelPrices:
    """Prices of an operator."""
    words: list[Tier] = ["batch", "flex", "priority", "fast"]
    tiers = {word: TokenPrices(**draw(_tokens())) for word in draw(st.sets(st.sampled_from(words)))}
    long = tuple(
        LongPrices(over=over, **draw(_tokens()))
        for over in draw(st.lists(st.sampled_from((1_000, 100_000, 200_000)), unique=True, max_size=3))
    )
    things = {name: usd for name in ("request", "web_search") if (usd := draw(_USD)) is not None}
    return ModelPrices(**draw(_tokens()), **things, tiers=tiers, long=long)


@given(own=own_prices(), any_model=st.booleans(), data=st.data())
def test_no_price_of_an_operator_is_above_the_most(
    own: ModelPrices,
    any_model: bool,
    data: st.DataObject,
) -> None:
    """Tiers, long input and fees, for a named model and for all of a provider."""
    _holds(ProviderPrices("openai", {"*" if any_model else "m": own}), "m", data)


@pytest.mark.parametrize(
    ("prices", "most"),
    [
        (ProviderPrices("ollama", {}, free=True), 0),
        (ProviderPrices("openai", {}), None),
        (ProviderPrices("openai", {"m": ModelPrices(input=1)}), None),
        (
            ProviderPrices("openai", {"m": ModelPrices(input=1, output=2, request=10)}),
            10_000 + 20_000 + 10_000_000,
        ),
        (ProviderPrices("ollama", {"*": ModelPrices(input=1, output=2)}, free=True), 30_000),
    ],
)
def test_what_is_held_back_is_known_free_or_unknown(prices: ProviderPrices, most: int | None) -> None:
    """Nothing for free models, None where a side of the call has no price."""
    assert prices.most("m", 10, 10, AT_S) == most


def test_words_are_held_at_the_price_of_words() -> None:
    """Sound and a cache of an hour are dearer, and cannot come of a call that has none of them."""
    words = Reach(words_only=True)
    assert KINDS["anthropic"].most("claude-sonnet-4-5", 1_000, 0, AT_S) == 6_000_000
    assert KINDS["anthropic"].most("claude-sonnet-4-5", 1_000, 0, AT_S, words) == 3_750_000
    assert KINDS["gemini"].most("gemini-2.5-flash", 1_000, 0, AT_S) == 1_000_000
    assert KINDS["gemini"].most("gemini-2.5-flash", 1_000, 0, AT_S, words) == 300_000


def test_prices_change_at_full_quarters_of_an_hour_only() -> None:
    """So that what is remembered for a quarter is right to its end."""
    for provider in catalogue().providers.values():
        for entry in provider.models:
            for period in (*entry.periods, *entry.variants):
                assert not any(moment % 900 for moment in (period.start, *(period.between or ())))


def test_a_deployment_is_held_at_the_price_of_the_model_that_answered() -> None:
    """From its first answer on; a dearer one counts from then on, a cheaper one does not."""
    prices = ProviderPrices("azure", {})

    def answered(name: str) -> int | None:
        usage = Usage(input_tokens=1_000, output_tokens=1_000)
        charge = prices.charge(Spent(usage=usage, model="my-own", answered=name, at_s=AT_S))
        most = prices.most("my-own", 1_000, 1_000, AT_S)
        assert charge is None or (most is not None and charge.nano <= most)
        return most

    assert prices.most("my-own", 1_000, 1_000, AT_S) is None
    assert answered("unheard-of") is None
    assert answered("gpt-4.1-mini-2025-04-14") == prices.most("gpt-4.1-mini", 1_000, 1_000, AT_S)
    assert answered("gpt-4.1-2025-04-14") == prices.most("gpt-4.1", 1_000, 1_000, AT_S)
    cheap = prices.most("gpt-4.1-nano", 1_000, 1_000, AT_S) or 0
    prices.charge(Spent(usage=Usage(input_tokens=1), model="gpt-4.1", answered="gpt-4.1-nano", at_s=AT_S))
    assert (prices.most("gpt-4.1", 1_000, 1_000, AT_S) or 0) > cheap
    for number in range(2_000):
        prices.charge(Spent(usage=Usage(input_tokens=1), model=f"d{number}", answered="gpt-4.1", at_s=AT_S))
    assert prices.most("d0", 1_000, 1_000, AT_S) is None
    assert prices.most("d1999", 1_000, 1_000, AT_S) == prices.most("gpt-4.1", 1_000, 1_000, AT_S)


def test_the_operators_price_for_a_deployment_is_the_price() -> None:
    """Whoever answers."""
    prices = ProviderPrices("azure", {"my-own": ModelPrices(input=1, output=1)})
    prices.charge(Spent(usage=Usage(input_tokens=1), model="my-own", answered="gpt-4.1", at_s=AT_S))
    assert prices.most("my-own", 500, 500, AT_S) == 1_000_000
