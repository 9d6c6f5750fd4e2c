"""What was used and what is left, for who asks without making a call."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.spending import reset_of
from llmgw.policy.spending.values import Budget
from llmgw.state.connection import State

Period: TypeAlias = Literal["minute", "hour", "day"]
_PLACES: Final[dict[Period, int]] = {"minute": 0, "hour": 1, "day": 2}


class Used(NamedTuple):
    """What the calls that began within a period took, by then; a lapsed hold is a call without tokens."""

    dimension: str
    name: str
    calls: int
    cost_nano: int
    input_tokens: int
    output_tokens: int


class Standing(NamedTuple):
    """The window of a budget that is in force, in nano-USD."""

    budget: Budget
    spent: int
    held: int

    @property
    def left(self) -> int:
        """What the next call may cost."""
        return max(0, self.budget.amount_nano - self.spent - self.held)


async def usage(state: State, tenant: str, period: Period, at_ms: int) -> list[Used]:
    """Read a tenant's usage in the period that a moment falls into, by all dimensions, in order of their names.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    found = await state.command("HGETALL", keys.rollups(tenant, at_ms)[_PLACES[period]])
    pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    used = []
    for field, cell in pairs:
        dimension, _, name = field.decode().partition(" ")
        used.append(Used(dimension, name, *map(int, cell.split())))
    return sorted(used)


async def standings(state: State, tenant: str, budgets: Sequence[Budget], at_ms: int) -> list[Standing]:
    """Read what some budgets say, all at one instant.

    Raises:
        StoreReset: the store has no books of the tenant.
        StoreUnavailable: the store cannot be asked.
    """
    names = [keys.budget(tenant, keys.budget_name(budget, at_ms)) for budget in budgets]
    answer = await state.script(scripts.LOOK, [keys.of(tenant, "epoch"), *names])
    if answer[0] == b"RESET":
        raise reset_of(tenant)
    return [
        Standing(budget, int(spent or 0), int(held or 0))
        for budget, (spent, held) in zip(budgets, answer[1:], strict=True)
    ]
