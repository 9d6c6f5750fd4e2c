"""What a soak says of what it found: differences of both counts, quantiles, and what is a failure."""

from collections import Counter

import pytest
from loadtests.soak.books import Books, Difference, compare
from loadtests.soak.verdict import Line, at_most, line, none, passed, table
from loadtests.soak.watch import quantile


def test_calls_are_compared_one_by_one() -> None:
    """What is missing on either side shows, though the sums of both are the same."""
    said = Counter({(10, 5): 2, (20, 5): 1})
    books = Books(told=Counter({(10, 5): 1, (30, 5): 2}), estimated=1)
    assert compare(books, said, 3) == Difference(missing=2, invented=2, unsaid_missing=2)
    assert compare(Books(told=Counter(said)), said, 0) == Difference(missing=0, invented=0, unsaid_missing=0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.01), (0.95, 0.1), (1.0, float("inf"))])
def test_a_quantile_is_the_end_of_its_bucket(share: float, expected: float) -> None:
    """Of cumulative counts, as they are scraped."""
    assert quantile({0.01: 90, 0.1: 99, float("inf"): 100}, share) == expected
    assert quantile({}, share) == 0


def test_a_failure_fails_and_doubt_does_not() -> None:
    """The exit status hangs on what surely fails; the table tells of both."""
    lines = [none("lost", 0), at_most("memory", 150, 150), Line("slope", "≤ 1", "2", "not proved")]
    assert passed(lines)
    for broken in (none("lost", 1), at_most("memory", 150, 151), line("books", "agree", "no", well=False)):
        assert not passed([*lines, broken])
    assert "| slope  | ≤ 1    | 2     | not proved |" in table(lines)
