"""Arguments of the scripts, most of them the same for many calls: of a caller to an alias, or bound by the same."""

from functools import lru_cache

from llmgw.policy.spending import keys
from llmgw.policy.spending.crossing import marks
from llmgw.policy.spending.values import Budget, Charge, Dimension, Limit, Reservation, window
from llmgw.state.connection import Argument
from llmgw.types.json import encode


@lru_cache(maxsize=4096)
def user(used_by: tuple[tuple[Dimension, str], ...]) -> tuple[Argument, ...]:
    """Whom a use is counted for: as ledger rows say it, and the rollups' dimensions."""
    return (encode(used_by), len(used_by), *(f"{kind} {name}" for kind, name in used_by))


@lru_cache(maxsize=1024)
def charging(
    lives_ms: tuple[int, ...], budgets: tuple[Budget, ...], thresholds: tuple[int, ...]
) -> tuple[Argument, ...]:
    """How long rollups live from their first cell on, and what is told of budgets."""
    return (*lives_ms, *marks(budgets, thresholds))


@lru_cache(maxsize=1024)
def windows(budgets: tuple[Budget, ...], minute: int) -> tuple[Argument, ...]:
    """The windows of budgets in a minute since 1970, and when they may be forgotten."""
    at_ms = minute * 60_000
    found: list[Argument] = []
    for budget in budgets:
        found += (keys.budget_name(budget, at_ms), window(budget.window, at_ms).forget_ms)
    return tuple(found)


@lru_cache(maxsize=1024)
def taking(limits: tuple[Limit, ...], budgets: tuple[Budget, ...]) -> tuple[Argument, ...]:
    """What limits and budgets allow; empty where a limit does not limit that."""
    found: list[Argument] = []
    for limit in limits:
        wanted = (limit.requests_per_minute, limit.tokens_per_minute, limit.concurrent)
        found += ("" if each is None else each for each in wanted)
    found += (each.amount_nano for each in budgets)
    return tuple(found)


def settling(asked: Reservation, charge: Charge, within_ms: int, number: int) -> tuple[Argument, ...]:
    """What one operation cost, how long after it began that may be charged, and which of the users used it."""
    return (
        asked.operation,
        asked.estimate_nano,
        charge.cost_nano,
        charge.input_tokens + charge.output_tokens - asked.tokens,
        charge.input_tokens,
        charge.output_tokens,
        charge.detail,
        asked.at_ms + within_ms,
        number,
    )
