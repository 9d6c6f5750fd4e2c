"""Which thresholds of a budget a charge crosses."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from llmgw.policy.spending.crossing import Spent, crossed, mark_nano
from llmgw.policy.spending.values import AMOUNT_MAX, Budget

amounts = st.integers(0, AMOUNT_MAX)
thresholds = st.lists(st.integers(1, 100), unique=True, min_size=1, max_size=5).map(tuple)


def _budget(amount: int) -> Budget:
    return Budget(scope="team", name="search", window="month", amount_nano=amount)


@given(amounts, thresholds, st.lists(amounts, max_size=20))
def test_of_charges_one_after_the_other_one_crosses_each_threshold(
    amount: int, percents: tuple[int, ...], costs: list[int]
) -> None:
    """Each threshold that is reached in the end was crossed by one charge, and no other was crossed."""
    budget = _budget(amount)
    spents = [sum(costs[:n]) for n in range(len(costs) + 1)]
    told = [
        each.percent
        for before, after in pairwise(spents)
        for each in crossed((Spent(budget, after, after - before),), percents)
    ]
    reached = [each for each in percents if 0 < mark_nano(amount, each) <= spents[-1]]
    assert sorted(told) == sorted(reached)


def test_a_threshold_is_reached_by_the_nano_usd_that_makes_it_true() -> None:
    """80 % of 101 are 80.8: 80 are less, 81 are enough."""
    budget = _budget(101)
    assert crossed((Spent(budget, 80, 80),), (80,)) == ()
    assert crossed((Spent(budget, 81, 1),), (80,)) == ((budget, 80, 81),)


def test_a_refund_crosses_nothing() -> None:
    """What is taken back passes thresholds downwards, which nobody is told."""
    assert crossed((Spent(_budget(100), 10, -90),), (50, 80, 100)) == ()
