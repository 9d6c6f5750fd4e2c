"""Targets to route to, and a clock to do it by."""

from llmgw.routing.catalog import Alias, ProviderTemplate, Strategy, WeightedTarget
from llmgw.types.feature import Feature
from llmgw.types.target import Endpoint, Target


class Time:
    """A clock for one test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def template(name: str = "acme", *features: Feature, max_concurrency: int = 4) -> ProviderTemplate:
    """Make a provider."""
    return ProviderTemplate(
        name=name,
        kind="openai_compatible",
        protocol="openai_chat",
        endpoint=Endpoint(base_url="http://127.0.0.1:1/v1"),
        features=frozenset(features),
        max_concurrency=max_concurrency,
    )


def target(name: str = "acme/model", *features: Feature, max_concurrency: int = 4) -> Target:
    """Make a target named `provider/model`."""
    provider, _, model = name.partition("/")
    return template(provider, *features, max_concurrency=max_concurrency).target(model)


def alias(*targets: tuple[Target, int], strategy: Strategy = "weighted") -> Alias:
    """Make an alias of targets and weights."""
    weighted = tuple(WeightedTarget(target=target, weight=weight) for target, weight in targets)
    return Alias(name="smart", strategy=strategy, targets=weighted)
