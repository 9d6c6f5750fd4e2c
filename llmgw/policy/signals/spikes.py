"""Spend that is out of the ordinary: this hour against the same hour of earlier days."""

from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from msgspec import Struct

from llmgw.policy.signals.events import EventLog
from llmgw.policy.spending import keys
from llmgw.policy.spending.spending import ROLLUPS_KEPT_MS
from llmgw.policy.spending.usage import Used, usage
from llmgw.policy.spending.values import window
from llmgw.state.connection import State
from llmgw.types.money import NANO
from llmgw.types.signal import Event

DAYS: Final = ROLLUPS_KEPT_MS[1] // 86_400_000 - 1
"""Days of which the hours are surely still kept."""
DAYS_LEAST: Final = 3
"""Days on which something was used in that hour, below which nothing counts as usual."""
TOLD_MS: Final = 2 * 86_400_000
_DIMENSIONS: Final = ("tenant", "team", "key")
_DAY_MS: Final = 86_400_000
_SUBJECTS: Final = 200
"""Those of one tenant that are compared at most, the dearest first."""


class SpikeRule(Struct, frozen=True, kw_only=True):
    """A spike is `factor` times the usual cost or tokens, from a cost of `least_nano` on."""

    factor: float = 3.0
    least_nano: int = NANO


class Usual(NamedTuple):
    """Medians of the earlier days."""

    cost_nano: int
    tokens: int


def usual_of(days: Sequence[bytes | None]) -> Usual | None:
    """What the rollups of earlier days make usual; None where there are too few days with anything."""
    cells = [[int(part) for part in day.split()] for day in days if day is not None]
    used = [cell for cell in cells if cell[0] > 0]
    if len(used) < DAYS_LEAST:
        return None
    return Usual(int(median(cell[1] for cell in used)), int(median(cell[2] + cell[3] for cell in used)))


def is_spike(now: Used, usual: Usual, rule: SpikeRule) -> bool:
    """Whether the cost or the tokens of this hour are out of the ordinary."""
    if now.cost_nano < rule.least_nano:
        return False
    tokens = now.input_tokens + now.output_tokens
    return now.cost_nano >= rule.factor * usual.cost_nano > 0 or tokens >= rule.factor * usual.tokens > 0


async def tell_spikes(state: State, log: EventLog, tenant: str, rule: SpikeRule, at_ms: int) -> list[Event]:
    """Tell of a tenant's spikes in the hour of a moment, each once; returns those that were new.

    Raises:
        StoreUnavailable: the store cannot be asked; the same again is safe.
    """
    found = [
        each
        for each in await usage(state, tenant, "hour", at_ms)
        if each.dimension in _DIMENSIONS and each.cost_nano >= max(rule.least_nano, 1)
    ]
    found = sorted(found, key=lambda each: -each.cost_nano)[:_SUBJECTS]
    if not found:
        return []
    names = [f"{each.dimension} {each.name}" for each in found]
    days = [
        await state.hash_fields(keys.rollups(tenant, at_ms - day * _DAY_MS)[1], *names)
        for day in range(1, DAYS + 1)
        if at_ms >= day * _DAY_MS
    ]
    told = []
    for number, used in enumerate(found):
        usual = usual_of([day[number] for day in days])
        if usual is not None and is_spike(used, usual, rule):
            event = _event(tenant, used, usual, at_ms)
            if await log.tell(event, TOLD_MS):
                told.append(event)
    return told


def _event(tenant: str, used: Used, usual: Usual, at_ms: int) -> Event:
    subject = f"{used.dimension}:{used.name}"
    return Event(
        id=f"spike:{subject}:{window('hour', at_ms).name}",
        kind="spend.spike",
        at_ms=at_ms,
        tenant=tenant,
        subject=subject,
        numbers={
            "cost_nano": used.cost_nano,
            "usual_nano": usual.cost_nano,
            "tokens": used.input_tokens + used.output_tokens,
            "usual_tokens": usual.tokens,
        },
        message="",
    )
