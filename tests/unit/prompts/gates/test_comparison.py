"""Comparing two versions on the same cases: exact chances, and verdicts that never pass for want of cases."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.prompts.gates.comparison import Tally, compared, p_value, verdict
from llmgw.types.prompt import PromptGate

MIN = 20


def tally(passed: int, failed: int = 0, *, cost: float | None = None) -> Tally:
    """So many cases that passed, then so many that failed."""
    return Tally(passed=(True,) * passed + (False,) * failed, cost=cost)


@given(wins=st.integers(0, 7), losses=st.integers(0, 7))
def test_the_chance_is_that_of_all_tosses_as_far_from_even(wins: int, losses: int) -> None:
    """Counted over every outcome of as many tosses of a coin, those at least as uneven are the p-value."""
    tosses = wins + losses
    uneven = abs(wins - losses)
    outcomes = list(product((0, 1), repeat=tosses))
    as_uneven = sum(abs(2 * sum(outcome) - tosses) >= uneven for outcome in outcomes)
    assert p_value(wins, losses) == Fraction(as_uneven, len(outcomes))


@given(wins=st.integers(0, 500), losses=st.integers(0, 500))
def test_the_chance_is_symmetric_and_a_share(wins: int, losses: int) -> None:
    """Which version is called new makes no difference, and no chance is above 1."""
    assert p_value(wins, losses) == p_value(losses, wins)
    assert 0 < p_value(wins, losses) <= 1


def test_a_chance_from_the_tables() -> None:
    """Nine of ten tosses alike: 2 * (1 + 10) / 1024."""
    assert p_value(9, 1) == Fraction(22, 1024)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_pairs_are_counted_once_each(pairs: list[tuple[bool, bool]]) -> None:
    """Each case is a win, a loss or a tie, and the shares differ by wins less losses."""
    new, old = Tally(passed=tuple(a for a, _ in pairs)), Tally(passed=tuple(b for _, b in pairs))
    found = compared(new, old, against="production", version=3)
    assert found.wins + found.losses + found.ties == len(pairs)
    assert new.share - old.share == Fraction(found.wins - found.losses, len(pairs))


def test_runs_of_different_lengths_are_not_compared() -> None:
    """Pairs are made case by case, so both runs have the same cases."""
    with pytest.raises(ValueError, match="shorter"):
        compared(tally(3), tally(2), against="production", version=1)


def test_a_share_exactly_at_the_bound_passes() -> None:
    """19 of 20 are 0.95, though no binary fraction is."""
    assert verdict(tally(19, 1), PromptGate(min_pass=0.95), None, min_cases=MIN) == ("pass", ())


def test_too_few_cases_never_pass_but_may_fail() -> None:
    """All of 19 cases passed: insufficient. One of two failed: a failure."""
    few, reasons = verdict(tally(19), PromptGate(), None, min_cases=MIN)
    assert few == "insufficient_data"
    assert "20" in reasons[0]
    assert verdict(tally(1, 1), PromptGate(), None, min_cases=MIN)[0] == "fail"


def test_no_cases_do_not_pass() -> None:
    """Nothing tried is nothing shown, even where a gate asks for no share."""
    assert verdict(tally(0), PromptGate(min_pass=0), None, min_cases=1)[0] == "insufficient_data"


@pytest.mark.parametrize(("lost", "expected"), [(2, "pass"), (3, "fail")])
def test_a_drop_beyond_the_bound_fails(lost: int, expected: str) -> None:
    """Of 100 cases two may be lost at `max_drop` 0.02, and no third."""
    new, old = tally(100 - lost, lost), tally(100)
    found = compared(new, old, against="production", version=1)
    assert verdict(new, PromptGate(max_drop=0.02), found, min_cases=MIN)[0] == expected


def test_a_drop_is_told_with_its_chance() -> None:
    """Whoever reads the reason learns whether it may have been chance."""
    gate = PromptGate(min_pass=0, max_drop=0.02)
    new = tally(90, 10)
    _, surely = verdict(new, gate, compared(new, tally(100), against="p", version=1), min_cases=MIN)
    new = tally(97, 3)
    _, perhaps = verdict(new, gate, compared(new, tally(100), against="p", version=1), min_cases=MIN)
    assert "surely worse" in surely[0]
    assert "perhaps by chance" in perhaps[0]


@pytest.mark.parametrize(
    ("cost", "before", "expected"),
    [(1.1, 1.0, "pass"), (1.3, 1.0, "fail"), (None, 1.0, "fail"), (0.0, 0.0, "pass"), (0.1, 0.0, "fail")],
)
def test_cost_that_rises_beyond_the_bound_fails(
    cost: float | None, before: float | None, expected: str
) -> None:
    """A bound on cost that cannot be checked does not pass either."""
    new, old = tally(20, cost=cost), tally(20, cost=before)
    found = compared(new, old, against="production", version=1)
    gate = PromptGate(max_cost_increase=0.2)
    assert verdict(new, gate, found, min_cases=MIN)[0] == expected
