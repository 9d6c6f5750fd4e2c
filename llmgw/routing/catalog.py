"""What callers may name as a model, and which targets stand behind it."""

import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.routing.windows import window_of
from llmgw.types.context import Policy
from llmgw.types.errors import ModelNotFound
from llmgw.types.feature import Feature
from llmgw.types.money import Pricing
from llmgw.types.target import Endpoint, Quirks, Target, Timeouts

Strategy: TypeAlias = Literal["ordered", "weighted"]

MAX_MODEL: Final = 256
"""Longest model name a caller may give a provider, in characters."""

_REMEMBERED: Final = 1024
_SHOWN: Final = 64


class WeightedTarget(Struct, frozen=True, kw_only=True):
    """One target of an alias; `weight` counts with strategy `weighted`, 0 making it a fallback only."""

    target: Target
    weight: float = 1.0


class Alias(Struct, frozen=True, kw_only=True):
    """A caller's name for a model, and who may answer it."""

    name: str
    strategy: Strategy = "ordered"
    targets: tuple[WeightedTarget, ...]
    policy: Policy | None = None
    """How stored conversations are treated that this alias continues, where they leave it open."""


class ProviderTemplate(Struct, frozen=True, kw_only=True):
    """A configured provider: a target for any model it may have."""

    name: str
    kind: str
    protocol: str
    endpoint: Endpoint
    features: frozenset[Feature]
    quirks: Quirks = Quirks()
    timeouts: Timeouts = Timeouts()
    windows: Mapping[str, int] = {}
    """Tokens that models take, by name, where the operator knows better than `window_of`."""
    max_concurrency: int = 256
    prices: Pricing | None = None

    def target(self, model: str) -> Target:
        """Name a model of this provider."""
        return Target(
            name=f"{self.name}/{model}",
            provider=self.name,
            kind=self.kind,
            protocol=self.protocol,
            model=model,
            endpoint=self.endpoint,
            features=self.features,
            quirks=self.quirks,
            timeouts=self.timeouts,
            window=self.windows.get(model) or window_of(model),
            max_concurrency=self.max_concurrency,
            prices=self.prices,
        )


class Catalog:
    """Aliases and providers of one configuration; never changes, a reload makes another.

    Args:
        providers: the configured providers, each name once.
        aliases: the configured aliases, each name once.
    """

    def __init__(self, providers: Iterable[ProviderTemplate], aliases: Iterable[Alias]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._aliases = {alias.name: alias for alias in aliases}
        self._models = tuple(sorted(self._aliases))
        # Callers choose these names, so what is remembered of them is bounded.
        self._direct = lru_cache(maxsize=_REMEMBERED)(self._make_direct)

    def resolve(self, model: str) -> Alias:
        """Find what a caller named: an alias, or `provider/model` with any model of a configured provider.

        Raises:
            ModelNotFound: it is neither.
        """
        alias = self._aliases.get(model)
        return alias if alias is not None else self._direct(model)

    def models(self) -> tuple[str, ...]:
        """Name the aliases, sorted; what providers have besides is theirs to list."""
        return self._models

    def targets(self) -> tuple[Target, ...]:
        """List the targets of all aliases, each once, in the order of the configuration."""
        listed = {
            weighted.target.name: weighted.target
            for alias in self._aliases.values()
            for weighted in alias.targets
        }
        return tuple(listed.values())

    def _make_direct(self, name: str) -> Alias:
        provider_name, slash, model = name.partition("/")
        provider = self._providers.get(provider_name)
        if provider is None or not slash:
            raise ModelNotFound(self._unknown(name), param="model")
        if not model or len(model) > MAX_MODEL or not model.isprintable():
            raise ModelNotFound(
                f"after {provider_name}/ comes a model name of 1 to {MAX_MODEL} printable characters",
                param="model",
            )
        return Alias(name=name, targets=(WeightedTarget(target=provider.target(model)),))

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
        near = [alias for alias in self._aliases if alias[:1].casefold() == name[:1].casefold()][:_SHOWN]
        close = difflib.get_close_matches(name[:_SHOWN], near, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"no alias and no provider/model is named {shown!r}{hint}"
