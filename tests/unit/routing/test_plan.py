"""Who is tried, in which order."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.routing.catalog import Alias
from llmgw.routing.plan import plan
from llmgw.types.errors import NoHealthyTarget, UnsupportedParameter
from llmgw.types.feature import Feature
from llmgw.types.target import Target
from tests.unit.routing.targets import alias, target


class Resting:
    """Health in which the named targets rest so many seconds."""

    def __init__(self, **rests: float) -> None:
        self._rests = rests

    def rest_s(self, target: Target) -> float:
        """As `HealthView`."""
        return self._rests.get(target.provider, 0.0)


WELL = Resting()
A, B, C = (
    target("a/m", Feature.TOOLS),
    target("b/m", Feature.SEED),
    target("c/m", Feature.TOOLS, Feature.SEED),
)


def order(alias: Alias, draw: float = 0.0, health: Resting = WELL) -> str:
    """Plan a call without needs and spell the providers in order."""
    return "".join(each.provider for each in plan(alias, {}, health, draw))


def test_ordered_is_as_listed() -> None:
    """Weights and the draw change nothing."""
    listed = alias((A, 1), (B, 9), (C, 5), strategy="ordered")
    assert order(listed, 0.0) == order(listed, 0.99) == "abc"


def test_weighted_begins_with_the_drawn_one() -> None:
    """The drawn target comes first, the others by falling weight, equals as listed."""
    drawn = alias((A, 1), (B, 6), (C, 3))
    assert [order(drawn, draw) for draw in (0.0, 0.05, 0.1, 0.5, 0.75, 0.999)] == [
        "abc",
        "abc",
        "bca",
        "bca",
        "cba",
        "cba",
    ]
    assert order(alias((A, 1), (B, 1), (C, 1)), 0.5) == "bac"


def test_weight_zero_is_a_fallback_only() -> None:
    """A target of weight 0 is never drawn, but still tried last; if all are 0 the order is the listed one."""
    drawn = alias((A, 0), (B, 1))
    assert {order(drawn, number / 100) for number in range(100)} == {"ba"}
    assert order(alias((A, 0), (B, 0)), 0.7) == "ab"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_the_shares_are_exactly_the_weights(weights: list[int]) -> None:
    """Draws spread evenly over [0, 1) begin with each target exactly as often as it weighs."""
    drawn = alias(*((target(f"p{index}/m"), weight) for index, weight in enumerate(weights)))
    total = sum(weights)
    counts = Counter(plan(drawn, {}, WELL, (step + 0.5) / total)[0].provider for step in range(total))
    assert counts == Counter({f"p{index}": weight for index, weight in enumerate(weights)})


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=6).filter(any),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_shares_are_intervals_in_listed_order(weights: list[int], one: float, other: float) -> None:
    """[0, 1) is cut into one interval per target, in listed order, and every plan names every target once."""
    drawn = alias(*((target(f"p{index}/m"), weight) for index, weight in enumerate(weights)))
    low, high = (plan(drawn, {}, WELL, draw) for draw in sorted((one, other)))
    names = [each.target.name for each in drawn.targets]
    assert names.index(low[0].name) <= names.index(high[0].name)
    assert weights[names.index(high[0].name)] > 0
    assert sorted(each.name for each in high) == sorted(names)


def test_the_weights_of_resting_targets_are_shared_by_the_rest() -> None:
    """Shares are those of the targets left."""
    drawn = alias((A, 98), (B, 1), (C, 1))
    health = Resting(a=3.0)
    assert [order(drawn, draw, health) for draw in (0.0, 0.49, 0.5, 0.99)] == ["bc", "bc", "cb", "cb"]


def test_targets_without_a_needed_feature_are_left_out() -> None:
    """Only targets that have all the features remain, in order."""
    listed = alias((A, 1), (B, 1), (C, 1), strategy="ordered")
    needs = {Feature.TOOLS: "tools"}
    assert plan(listed, needs, WELL, 0.0) == (A, C)
    assert plan(listed, needs | {Feature.SEED: "seed"}, WELL, 0.0) == (C,)


def test_a_feature_nobody_has() -> None:
    """The request member that needs it is named, with the feature."""
    with pytest.raises(UnsupportedParameter, match="json_schema") as refused:
        plan(
            alias((A, 1), (C, 1)), {Feature.TOOLS: "tools", Feature.JSON_SCHEMA: "response_format"}, WELL, 0.0
        )
    assert refused.value.param == "response_format"


def test_features_nobody_has_together() -> None:
    """Where each feature is somewhere but all are nowhere, the one that the first target lacks is named."""
    with pytest.raises(UnsupportedParameter, match="together with all of: seed, tools") as refused:
        plan(alias((A, 1), (B, 1)), {Feature.TOOLS: "tools", Feature.SEED: "seed"}, WELL, 0.0)
    assert refused.value.param == "seed"


def test_all_rest() -> None:
    """The soonest of the able ones says when to come back; one that lacks a feature does not count."""
    listed = alias((A, 1), (B, 1), (C, 1), strategy="ordered")
    with pytest.raises(NoHealthyTarget) as resting:
        plan(listed, {Feature.TOOLS: "tools"}, Resting(a=4.0, b=1.0, c=2.5), 0.0)
    assert resting.value.retry_after_s == 2.5
