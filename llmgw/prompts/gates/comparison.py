"""Two versions on the same cases: is one worse, or was it chance? Exact, with whole numbers.

Cases are compared in pairs. Those in which both come to the same say nothing; of the others, if neither version
were better, each would be a toss of a coin. This is the sign test, on right and wrong answers McNemar's exact test.
"""

from fractions import Fraction
from math import comb
from typing import Final

from msgspec import Struct

from llmgw.types.prompt import PromptGate, Verdict

SIGNIFICANT: Final = Fraction(5, 100)
"""Chances below this count as no chance."""


class Comparison(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version beside the one it is `against`.

    `wins` are cases that only the new one passed, `losses` those that only the old one did. `p_value` is two-sided.
    `cost_increase` is in shares; None without prices.
    """

    against: str
    against_version: int
    wins: int
    losses: int
    ties: int
    p_value: float
    pass_rate: float
    baseline_pass_rate: float
    cost_increase: float | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """What a version came to over a dataset: one flag a case, and US dollars in all where prices are known."""

    passed: tuple[bool, ...]
    cost: float | None = None

    @property
    def share(self) -> Fraction:
        """The share of the cases that passed; 0 of none."""
        return Fraction(sum(self.passed), len(self.passed) or 1)


def p_value(wins: int, losses: int) -> Fraction:
    """The chance of a difference at least this large where there is none (two-sided, exact)."""
    tosses = wins + losses
    tail = sum(comb(tosses, heads) for heads in range(min(wins, losses) + 1))
    return min(Fraction(1), Fraction(2 * tail, 2**tosses))


def compared(tally: Tally, baseline: Tally, *, against: str, version: int) -> Comparison:
    """Compare two runs over the same cases, in the same order."""
    pairs = list(zip(tally.passed, baseline.passed, strict=True))
    wins = sum(new and not old for new, old in pairs)
    losses = sum(old and not new for new, old in pairs)
    return Comparison(
        against=against,
        against_version=version,
        wins=wins,
        losses=losses,
        ties=len(pairs) - wins - losses,
        p_value=float(p_value(wins, losses)),
        pass_rate=float(tally.share),
        baseline_pass_rate=float(baseline.share),
        cost_increase=_increase(tally.cost, baseline.cost),
    )


def verdict(
    tally: Tally,
    gate: PromptGate,
    comparison: Comparison | None,
    *,
    min_cases: int,
    telling: int | None = None,
) -> tuple[Verdict, tuple[str, ...]]:
    """Say what a run came to, and why; `telling` is how many of the cases say something, all of them by default.

    What fails, fails however few cases there are: too few of them only keep a version from passing.
    """
    reasons: list[str] = []
    share = tally.share
    if share < _exact(gate.min_pass):
        reasons.append(
            f"{sum(tally.passed)} of {len(tally.passed)} cases passed; the gate asks for {gate.min_pass:.1%}"
        )
    if comparison is not None:
        reasons += _worse(tally, gate, comparison)
    if reasons:
        return "fail", tuple(reasons)
    count = len(tally.passed) if telling is None else telling
    if count < min_cases:
        kind = "" if count == len(tally.passed) else "different ones that assert something "
        return "insufficient_data", (f"{count} cases {kind}say too little: a verdict needs {min_cases}",)
    return "pass", ()


def _worse(tally: Tally, gate: PromptGate, comparison: Comparison) -> list[str]:
    reasons = []
    drop = Fraction(comparison.losses - comparison.wins, len(tally.passed) or 1)
    if drop > _exact(gate.max_drop):
        chance = p_value(comparison.wins, comparison.losses)
        word = "surely worse" if chance < SIGNIFICANT else "perhaps by chance"
        reasons.append(
            f"{float(drop):.1%} fewer cases passed than with version {comparison.against_version} "
            f"({comparison.losses} lost, {comparison.wins} won, p = {float(chance):.3g}: {word}); "
            f"the gate allows {gate.max_drop:.1%}"
        )
    most = gate.max_cost_increase
    increase = comparison.cost_increase
    if most is not None and increase is None:
        reasons.append(
            "the gate bounds the increase in cost, which cannot be told: give prices in tests.prices"
        )
    if most is not None and increase is not None and increase > most:
        reasons.append(
            f"it costs {increase:.1%} more than version {comparison.against_version}; the gate allows {most:.1%}"
        )
    return reasons


def _increase(cost: float | None, before: float | None) -> float | None:
    if cost is None or before is None:
        return None
    if before:
        return cost / before - 1
    # What was free and is not has risen beyond all measure, which JSON has no number for.
    return None if cost else 0.0


def _exact(share: float) -> Fraction:
    """A share as it was written: 0.95 is nineteen twentieths, which no binary fraction is."""
    return Fraction(repr(float(share)))
