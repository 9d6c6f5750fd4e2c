"""A slope through noisy samples, how sure it is, and what is made of it."""

import math
import random

import pytest
from loadtests.slope import Slope, blocks, theil_sen


def test_a_line_has_its_own_slope() -> None:
    """Whatever stands far off in some samples."""
    samples = [(float(x), 3.0 * x + 1) for x in range(40)]
    samples[5] = (5.0, 900.0)
    samples[30] = (30.0, -900.0)
    found = theil_sen(samples)
    assert found.estimate == pytest.approx(3.0)
    assert found.low <= 3.0 <= found.high


def test_noise_is_in_the_interval() -> None:
    """Of a hundred samples of a slope of 2 under noise, the interval has it in most of a hundred runs."""
    drawn = random.Random(1)  # noqa: S311
    caught = 0
    for _ in range(100):
        found = theil_sen([(x / 10, 0.2 * x + drawn.gauss(0, 3)) for x in range(60)])
        caught += found.low <= 2.0 <= found.high
    assert caught >= 90


@pytest.mark.parametrize(
    ("low", "high", "samples", "verdict"),
    [
        (-1.0, 0.5, 40, "holds"),
        (1.5, 9.0, 40, "fails"),
        (0.5, 9.0, 40, "not proved"),
        (5.0, 9.0, 7, "not proved"),
        (-math.inf, math.inf, 0, "not proved"),
    ],
)
def test_only_what_is_sure_is_judged(low: float, high: float, samples: int, verdict: str) -> None:
    """A slope fails when all of its interval is above, and holds when none is."""
    assert Slope(0.0, low, high, samples).judged(1.0) == verdict


def test_too_little_proves_nothing() -> None:
    """One sample, and samples at one moment, have no slope."""
    assert theil_sen([(1.0, 5.0)]) == Slope(0.0, -math.inf, math.inf, 1)
    assert theil_sen([(1.0, 5.0), (1.0, 9.0)]).judged(1.0) == "not proved"


def test_neighbours_are_one_sample() -> None:
    """The medians of each stretch stand for it."""
    assert blocks([(0.0, 1.0), (1.0, 9.0), (2.0, 2.0), (10.0, 4.0)], 10.0) == [(1.0, 2.0), (10.0, 4.0)]
