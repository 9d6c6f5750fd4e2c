"""The prices at work: the operator's before the published ones, looked up once for each model."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from llmgw.accounting.prices.catalogue import PROVIDERS, Entry, Period, Prices, Variant, catalogue
from llmgw.accounting.prices.cost import REPORTING, lines_of, reported, served_as
from llmgw.accounting.prices.dearest import Ceiling, ceiling_of, most_of
from llmgw.accounting.prices.rates import Served, Tariff, names
from llmgw.types import json
from llmgw.types.money import ANYTHING, Charge, ModelPrices, Reach, Spent, Tier, TokenPrices, Unknown, total

ANY: Final = "*"
"""Stands for every model of a provider that is not named."""
_REMEMBERED: Final = 4096
_WHEN: Final[Mapping[Tier, tuple[tuple[str, str], ...]]] = {
    "batch": (("processing", "batch"),),
    "flex": (("service_tier", "flex"),),
    "priority": (("service_tier", "priority"),),
    "fast": (("service_tier", "fast"), ("speed", "fast")),
}
_ANSWERED: Final = 512
"""Models asked of which it is remembered who answered."""
_QUARTER: Final = 900
"""Prices change at full quarters of an hour only."""
_AHEAD: Final = 3
"""Quarters of an hour that a bound holds for, as an answer is charged at the prices of a later moment."""
_Source: TypeAlias = Literal["genai-prices", "config"]
_FREE: Final = Charge(nano=0, lines=(), source="local")


class ProviderPrices:
    """What the models of one provider cost: `own` are the operator's prices by model, or by `*`.

    `free` says that nobody bills for its models: they cost nothing where the operator says nothing else.
    """

    def __init__(
        self, kind: str, own: Mapping[str, ModelPrices], *, free: bool = False, unknown: Unknown = "allow"
    ) -> None:
        self._kind = kind
        self._own = {model: (Tariff(_entry(model, prices)), _digest(prices)) for model, prices in own.items()}
        self._free = free
        self._refuse = unknown == "refuse"
        if kind in PROVIDERS:
            catalogue().read(kind)
        # Callers and providers choose these names, so what is remembered of them is bounded.
        self._published = lru_cache(maxsize=_REMEMBERED)(self._find)
        self._answered: dict[str, str] = {}
        self._ceiling = lru_cache(maxsize=_REMEMBERED)(self._find_ceiling)

    def knows(self, model: str) -> bool:
        """Whether the model has a price."""
        return self._free or model in self._own or ANY in self._own or self._published(model) is not None

    def forbids(self, model: str) -> bool:
        """Whether the model may not be asked, as it has no price."""
        return self._refuse and not self.knows(model)

    def charge(self, spent: Spent) -> Charge | None:
        """What an answer costs; None where that is not known.

        The operator's price comes first, then what the provider itself says it charges, then the published price
        of the model that answered, then that of the model that was asked: deployments have names of their own.
        """
        if spent.answered != self._answered.get(spent.model, spent.model):
            self._remember(spent)
        if self._own:
            own = self._own.get(spent.model) or self._own.get(spent.answered) or self._own.get(ANY)
            if own is not None:
                tariff, digest = own
                return _charged(spent, tariff, "config", digest)
        if self._free:
            return _FREE
        if self._kind in REPORTING:
            said = reported(self._kind, spent.usage.provider_details)
            if said is not None:
                return Charge(nano=total((said,)), lines=(said,), source="provider", model=spent.answered)
        tariff_found = (self._published(spent.answered) if spent.answered else None) or self._published(
            spent.model
        )
        if tariff_found is None:
            return None
        return _charged(spent, tariff_found, "genai-prices", catalogue().version)

    def most(
        self, model: str, input_tokens: int, output_tokens: int, at_s: int, reach: Reach = ANYTHING
    ) -> int | None:
        """Nano-USD that no answer of the model within those tokens costs more than, for half an hour from `at_s`.

        Dearest of all kinds of tokens, ways of serving the call and steps of its length; where another model
        answered before, as in deployments, the dearer of the two. None where the price is not known. Not bounded
        is what a provider says itself that it charges, and what a model costs that answers for the first time.
        """
        ceiling = self._ceiling(model, at_s // _QUARTER)
        most = None if ceiling is None else most_of(ceiling, input_tokens, output_tokens, reach)
        answered = self._answered.get(model)
        if answered is not None and model not in self._own:
            other = self._ceiling(answered, at_s // _QUARTER)
            dearer = None if other is None else most_of(other, input_tokens, output_tokens, reach)
            if dearer is not None and (most is None or dearer > most):
                return dearer
        return 0 if ceiling is None and self._free else most

    def _remember(self, spent: Spent) -> None:
        """Note which model answers in place of another, where it has a price."""
        if spent.answered and (spent.answered in self._own or self._published(spent.answered) is not None):
            self._answered[spent.model] = spent.answered
            if len(self._answered) > _ANSWERED:
                self._answered.pop(next(iter(self._answered)))

    def _find_ceiling(self, model: str, quarter: int) -> Ceiling | None:
        own = self._own.get(model) or self._own.get(ANY)
        tariff = own[0] if own is not None else None if self._free else self._published(model)
        if tariff is None:
            return None
        moments = [_QUARTER * (quarter + ahead) for ahead in range(_AHEAD)]
        return ceiling_of([prices for moment in moments for prices in tariff.possible(moment)])

    def _find(self, model: str) -> Tariff | None:
        entry = catalogue().find(self._kind, model)
        tariff = None if entry is None else Tariff(entry)
        return tariff if tariff is not None and tariff.counts_tokens else None


def _charged(spent: Spent, tariff: Tariff, source: _Source, version: str) -> Charge | None:
    served = served_as(spent.tier, spent.usage.provider_details)
    lines = lines_of(spent.usage, tariff.schedule(spent.at_s, served))
    if lines is None:
        return None
    return Charge(
        nano=total(lines),
        lines=lines,
        source=source,
        version=version,
        model=tariff.id,
        tier=_tier(served) if served and tariff.variants(spent.at_s, served) else "",
    )


def _tier(served: Served) -> str:
    return "+".join(dict.fromkeys(word for _, word in served))


def _entry(model: str, prices: ModelPrices) -> Entry:
    """The operator's prices in the form of the catalogue."""
    return Entry(
        id=model,
        periods=(Period(prices=_prices(prices)),),
        variants=tuple(
            Variant(prices=_prices(changed), when={name: word})
            for tier, changed in prices.tiers.items()
            for name, word in _WHEN[tier]
        ),
    )


def _prices(given: TokenPrices) -> Prices:
    members = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not None}
    long = given.long if isinstance(given, ModelPrices) else ()
    found: Prices = {}
    for name, member in names(members):
        steps = tuple(
            (each.over, _text(dearer))
            for each in sorted(long, key=lambda each: each.over)
            if (dearer := getattr(each, member, None)) is not None
        )
        base = _text(members[member])
        found[name] = (base, steps) if steps else base
    return found


def _text(value: float) -> str:
    return f"{value:.9f}"


def _digest(prices: ModelPrices) -> str:
    return hashlib.blake2b(json.encode(prices), digest_size=8).hexdigest()
