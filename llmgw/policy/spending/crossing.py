"""Parts of a budget that are worth telling of when a call's cost takes its spent amount over them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from llmgw.policy.spending.values import Budget
from llmgw.state.connection import Argument

THRESHOLDS: Final = (50, 80, 100)
"""Percentages of a budget that are told unless others are configured."""


class Spent(NamedTuple):
    """A budget that was charged, in nano-USD: what it has spent by then, and what that step added, signed."""

    budget: Budget
    after_nano: int
    posted_nano: int


class Crossing(NamedTuple):
    """One threshold, in percent, that one charge took a budget over."""

    budget: Budget
    percent: int
    after_nano: int


def mark_nano(amount_nano: int, percent: int) -> int:
    """The least that is at least so many percent of an amount."""
    return -(-amount_nano * percent // 100)


def marks(budgets: Sequence[Budget], thresholds: Sequence[int]) -> list[Argument]:
    """What the scripts that charge are told of thresholds: the percentages, and each budget's amount and marks."""
    found: list[Argument] = [len(thresholds), *thresholds]
    for budget in budgets:
        found.append(budget.amount_nano)
        found += [mark_nano(budget.amount_nano, each) for each in thresholds]
    return found


def crossed(spents: Sequence[Spent], thresholds: Sequence[int]) -> tuple[Crossing, ...]:
    """Which thresholds the charges of one settle went over, upwards.

    Each settle takes what is spent from `after - posted` to `after` in one step, so one settle alone crosses each.
    """
    found: list[Crossing] = []
    for budget, after, posted in spents:
        before, amount = after - posted, budget.amount_nano
        if amount and before * 100 // amount == after * 100 // amount:
            # Not a full percent further, as with nearly all calls.
            continue
        found += [
            Crossing(budget, percent, after)
            for percent in thresholds
            if before < mark_nano(amount, percent) <= after
        ]
    return tuple(found)
