"""What the lint of prompts learns of the configuration at work."""

from typing import Any

import pytest
from llmgw.accounting.tokens import TokenCounter
from llmgw.gateway.linting import models_of
from llmgw.prompts.gates.lint import Models
from llmgw.routing.catalog import Alias, Catalog, WeightedTarget
from llmgw.types.feature import Feature
from msgspec.structs import replace
from tests.unit.routing.targets import target, template


@pytest.fixture(scope="module")
def models() -> Models:
    """An alias with two targets of which one takes less, and one whose targets say nothing."""

    def alias(name: str, *windows: int | None) -> Alias:
        targets: list[Any] = [
            WeightedTarget(target=replace(target(f"acme/{name}{n}"), window=window))
            for n, window in enumerate(windows)
        ]
        return Alias(name=name, targets=tuple(targets))

    known = Catalog([template("acme", Feature.CHAT)], [alias("smart", 8000, None, 4000), alias("dark", None)])
    return models_of(known, TokenCounter())


def test_models_are_those_that_calls_may_name(models: Models) -> None:
    """Aliases, and models of providers by name; nothing else."""
    assert [models.known(name) for name in ("smart", "acme/any", "smrt", "")] == [True, True, False, False]


def test_the_window_is_the_smallest_of_those_that_may_answer(models: Models) -> None:
    """A target that says nothing of its own does not count; where none says anything it is not known."""
    assert (models.window("smart"), models.window("dark")) == (4000, None)


def test_tokens_are_counted_for_a_model(models: Models) -> None:
    """None of no text, and more of more."""
    assert models.tokens("smart", "") == 0
    assert 0 < models.tokens("smart", "one") < models.tokens("smart", "one two three four")
