"""What callers may name."""

import pytest
from llmgw.routing.catalog import Alias, Catalog, WeightedTarget
from llmgw.types.errors import ModelNotFound
from llmgw.types.feature import Feature
from tests.unit.routing.targets import target, template


def catalog() -> Catalog:
    """Two providers and three aliases, one of which looks like provider/model."""
    smart = Alias(name="smart", targets=(WeightedTarget(target=target("acme/big")),))
    fast = Alias(
        name="fast",
        strategy="weighted",
        targets=(
            WeightedTarget(target=target("acme/small"), weight=9),
            WeightedTarget(target=target("acme/big"), weight=1),
        ),
    )
    shadow = Alias(name="acme/old", targets=(WeightedTarget(target=target("other/new")),))
    return Catalog([template("acme", Feature.CHAT), template("other")], [smart, fast, shadow])


def test_an_alias_is_found_by_its_exact_name() -> None:
    """An alias wins, also over a provider/model of the same name."""
    assert [each.target.name for each in catalog().resolve("fast").targets] == ["acme/small", "acme/big"]
    assert catalog().resolve("acme/old").targets[0].target.name == "other/new"


@pytest.mark.parametrize("model", ["m", "org/model", "a/b/c", "m:latest", "Qwen 2", "模型", "x" * 256])
def test_any_model_of_a_configured_provider(model: str) -> None:
    """After the first slash comes the model, whatever it is; the rest is the provider's."""
    found = catalog().resolve(f"acme/{model}")
    (only,) = found.targets
    assert found.name == only.target.name == f"acme/{model}"
    assert (only.target.provider, only.target.model) == ("acme", model)
    assert only.target.features == {Feature.CHAT}
    assert only.target.endpoint == template("acme").endpoint


@pytest.mark.parametrize(
    "model",
    [
        "",
        "/",
        "acme",
        "acme/",
        "nobody/m",
        "/m",
        "acme/" + "x" * 257,
        "acme/a\nb",
        "acme/a\0",
        "acme/\u2028",
        "Smart",
    ],
)
def test_unknown_models(model: str) -> None:
    """Anything else is `ModelNotFound` on the member `model`, in a message of bounded length."""
    with pytest.raises(ModelNotFound) as unknown:
        catalog().resolve(model)
    assert unknown.value.param == "model"
    assert len(unknown.value.message) < 300
    assert unknown.value.message.isprintable()


def test_a_slip_of_the_pen_gets_a_hint() -> None:
    """A name close to an alias is answered with that alias; nothing else of the configuration is told."""
    with pytest.raises(ModelNotFound, match="did you mean smart\\?") as unknown:
        catalog().resolve("smrat")
    assert "acme" not in unknown.value.message
    with pytest.raises(ModelNotFound) as unknown:
        catalog().resolve("zzz")
    assert "mean" not in unknown.value.message


def test_what_is_remembered_of_names_callers_invent_is_bounded() -> None:
    """Ten thousand invented models do not grow the catalog beyond a thousand entries."""
    rich = catalog()
    for number in range(10_000):
        rich.resolve(f"acme/m{number}")
    assert rich._direct.cache_info().currsize == 1024
    assert rich.resolve("acme/m1") == rich.resolve("acme/m1")


def test_lists() -> None:
    """Aliases are listed as models by name, and their targets once each in order."""
    rich = catalog()
    assert rich.models() == ("acme/old", "fast", "smart")
    assert [each.name for each in rich.targets()] == ["acme/big", "acme/small", "other/new"]
