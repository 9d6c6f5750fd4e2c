"""A line through noisy samples that no outlier bends, and how sure its slope is."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal, TypeAlias

from msgspec import Struct

Verdict: TypeAlias = Literal["holds", "fails", "not proved"]

_Z95 = 1.959964
LEAST = 8
"""Samples below which a slope is nobody's."""


class Slope(Struct, frozen=True):
    """Change of y for one x: the estimate, and an interval that has the true one in 95 cases of 100."""

    estimate: float
    low: float
    high: float
    samples: int

    def judged(self, most: float) -> Verdict:
        """Tell whether the slope is at most `most`.

        It fails where even the low end is above, holds where even the high end is not, and is not proved between.
        """
        if self.samples < LEAST:
            return "not proved"
        if self.low > most:
            return "fails"
        return "holds" if self.high <= most else "not proved"


def blocks(samples: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """Put the medians of x and y in the place of the samples of each `width` of x: neighbours are no news."""
    found: dict[int, list[tuple[float, float]]] = {}
    for x, y in samples:
        found.setdefault(int(x // width), []).append((x, y))
    return [(median(x for x, _ in block), median(y for _, y in block)) for _, block in sorted(found.items())]


def theil_sen(samples: Sequence[tuple[float, float]]) -> Slope:
    """Take the median of the slopes between all pairs; the interval is Sen's, by the variance of Kendall's S.

    That variance is widened by the correlation of each residual with the next, as memory that was taken once stays
    taken and samples in a row are not independent.
    """
    ordered = sorted(samples)
    slopes = sorted(
        (y2 - y1) / (x2 - x1)
        for at, (x1, y1) in enumerate(ordered)
        for x2, y2 in ordered[at + 1 :]
        if x2 > x1
    )
    if not slopes:
        return Slope(0.0, -math.inf, math.inf, len(ordered))
    estimate = median(slopes)
    count = len(ordered)
    variance = count * (count - 1) * (2 * count + 5) / 18 * _widening(ordered, estimate)
    reach = _Z95 * math.sqrt(variance)
    low, high = (len(slopes) - reach) / 2, (len(slopes) + reach) / 2
    return Slope(
        estimate,
        slopes[int(low)] if low >= 0 else -math.inf,
        slopes[math.ceil(high)] if high <= len(slopes) - 1 else math.inf,
        count,
    )


def _widening(ordered: Sequence[tuple[float, float]], slope: float) -> float:
    """By how much fewer samples would be independent: (1 + r) / (1 - r) for the residuals' correlation r."""
    residuals = [y - slope * x for x, y in ordered]
    middle = median(residuals)
    off = [each - middle for each in residuals]
    total = sum(each * each for each in off)
    if not total:
        return 1.0
    lagged = sum(one * two for one, two in pairwise(off)) / total
    held = min(max(lagged, 0.0), 0.9)
    return (1 + held) / (1 - held)
