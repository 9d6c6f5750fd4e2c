"""Events in words."""

import re
from collections.abc import Mapping
from typing import Final

from llmgw.types.money import usd

_WINDOW: Final = re.compile(r"(?P<title>.+:(?:minute|hour|day|month|total)):(?P<window>[^ ]+)", re.ASCII)


def sentence(kind: str, subject: str, numbers: Mapping[str, int]) -> str:
    """Say what an event says; of a kind that is not known here, whom it is about."""
    try:
        match kind:
            case "budget.threshold":
                return (
                    f"The budget {_budget(subject)} has reached {numbers['percent']} %:"
                    f" {usd(numbers['spent_nano'])} of {usd(numbers['amount_nano'])} USD are spent."
                )
            case "budget.exceeded":
                return (
                    f"The budget {_budget(subject)} refuses calls: {usd(numbers['left_nano'])} of"
                    f" {usd(numbers['amount_nano'])} USD are left, and a call may cost"
                    f" {usd(numbers['asked_nano'])} USD."
                )
            case "spend.spike":
                return (
                    f"{subject} took {usd(numbers['cost_nano'])} USD and {numbers['tokens']} tokens in this hour;"
                    f" usual at this time of day are {usd(numbers['usual_nano'])} USD and"
                    f" {numbers['usual_tokens']} tokens."
                )
            case "store.reset":
                return (
                    f"The store has lost what {subject.partition(':')[2]} has spent: its calls are refused until an"
                    " operator restores the store or accepts the loss."
                )
    except KeyError:
        pass
    return f"{kind} of {subject}"


def _budget(subject: str) -> str:
    found = _WINDOW.fullmatch(subject)
    if found is None or found["window"] == "ever":
        return subject.removesuffix(":ever")
    return f"{found['title']} for {found['window']}"
