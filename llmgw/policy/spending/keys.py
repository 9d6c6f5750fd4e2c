"""What money is called in the store: one hash slot for all of a tenant's, so that each step is one step."""

from functools import lru_cache
from typing import Final

from llmgw.policy.spending.values import Budget, Limit, Reservation, window

TENANTS: Final = "llmgw:spend:tenants"
"""The set of tenants that have books, or are about to; in a slot of its own."""


def of(tenant: str, part: str) -> str:
    """The key of one part of a tenant's books: `epoch`, `open`, `holds`, `index`, `ledger`, `base`, `proved`, …."""
    return f"llmgw:spend:{{{tenant}}}:{part}"


def operation(tenant: str, name: str) -> str:
    """The hash of one operation: `s` its state, `c` what was charged, `r` the reservation while it is held."""
    return of(tenant, f"op:{name}")


def budget_name(budget: Budget, at_ms: int) -> str:
    """A budget's window in `open`, `index` and the ledger."""
    return f"{budget.title}:{window(budget.window, at_ms).name}"


def budget(tenant: str, name: str) -> str:
    """The hash of a budget's window: `spent` and `held`, in nano-USD."""
    return of(tenant, f"budget:{name}")


def events(tenant: str) -> str:
    """The stream of what a tenant is told: in the slot of its books, as the step that makes a fact tells it."""
    return f"llmgw:events:{{{tenant}}}"


def rollups(tenant: str, at_ms: int) -> tuple[str, str, str]:
    """The hashes of a minute, an hour and a day: by `<dimension> <value>`, calls, cost, tokens in and out."""
    minute, hour, day = (window(each, at_ms).name for each in ("minute", "hour", "day"))
    return of(tenant, f"use:minute:{minute}"), of(tenant, f"use:hour:{hour}"), of(tenant, f"use:day:{day}")


def all_of(asked: Reservation, *more: str) -> list[str]:
    """Every key that belongs to a reservation, in the order in which all scripts take them.

    `more` are further operations that have all but their own record in common with it.
    """
    epoch, head, shared, told = _shared(asked.tenant, asked.at_ms // 60_000, asked.limits, asked.budgets)
    found = [epoch, head + asked.operation, *shared]
    if more:
        found += [head + each for each in more]
    found.append(told)
    return found


@lru_cache(maxsize=1024)
def _shared(
    tenant: str, minute: int, limits: tuple[Limit, ...], budgets: tuple[Budget, ...]
) -> tuple[str, str, tuple[str, ...], str]:
    # The same for all calls of a minute that are bound by the same; no window is shorter.
    at_ms = minute * 60_000
    found = [of(tenant, part) for part in ("open", "holds", "index", "ledger")]
    found += rollups(tenant, at_ms)
    for limit in limits:
        found += [of(tenant, f"rate:{limit.title}"), of(tenant, f"leases:{limit.title}")]
    found += [budget(tenant, budget_name(each, at_ms)) for each in budgets]
    return of(tenant, "epoch"), operation(tenant, ""), tuple(found), events(tenant)
