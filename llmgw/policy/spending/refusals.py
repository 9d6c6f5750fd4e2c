"""Why the store refuses a call, as its caller is told."""

from typing import Any

from llmgw.policy.spending.values import Reservation, window
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import (
    BudgetExceeded,
    ConcurrencyExceeded,
    LimitExceeded,
    NeverFits,
    RateLimited,
    StoreReset,
)
from llmgw.types.money import usd


def reset_of(tenant: str) -> StoreReset:
    """The error of a store that has no books of a tenant."""
    return StoreReset(
        f"the gateway's store has lost what {tenant} has spent; an operator must restore it or accept that"
    )


def refusal(asked: Reservation, answer: list[Any]) -> LimitExceeded:
    """Read which limit or budget has no room for a call."""
    which, left = int(answer[1]) - 1, max(int(answer[2]), 0)
    if answer[0] == b"BUDGET":
        budget = asked.budgets[which]
        return BudgetExceeded(
            f"the budget {budget.title} has {usd(left)} USD left, and the call may cost {usd(asked.estimate_nano)}",
            limit=budget.title,
            left=left,
            resets_ms=window(budget.window, asked.at_ms).ends_ms,
        )
    limit = asked.limits[which]
    wait_ms = int(answer[3])
    wait_s = None if wait_ms < 0 else max(wait_ms, 1) / 1000
    limited = NeverFits if wait_s is None else RateLimited
    match answer[0]:
        case b"CONCURRENT":
            crowded = NeverFits if wait_s is None else ConcurrencyExceeded
            return crowded(
                f"{limit.title} may have at most {limit.concurrent} calls under way",
                limit=f"{limit.title}:concurrent",
                left=left,
                retry_after_s=wait_s,
            )
        case b"REQUESTS":
            return limited(
                f"{limit.title} may make {limit.requests_per_minute} requests a minute",
                limit=f"{limit.title}:requests",
                left=left,
                retry_after_s=wait_s,
            )
        case _:
            return limited(
                f"{limit.title} may take {limit.tokens_per_minute} tokens a minute and has {left} left,"
                f" and the call may take {asked.tokens}",
                limit=f"{limit.title}:tokens",
                left=left,
                retry_after_s=wait_s,
            )


def damaged() -> StoreUnavailable:
    """What the store has of an operation is damaged, and its script refuses it."""
    return StoreUnavailable("the gateway's store refuses the command", retry_after_s=1.0)
