"""What limits and budgets leave, for who asks without making a call, and for who made one."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.refusals import reset_of
from llmgw.policy.spending.spending import Admitted
from llmgw.policy.spending.usage import Standing
from llmgw.policy.spending.values import Budget, Limit, Reservation
from llmgw.state.connection import State
from llmgw.types.allotment import Allotment, RateRoom
from llmgw.types.limit_errors import BudgetExceeded, LimitExceeded

WINDOW_S: Final = 60.0
"""Seconds after which what a call took of a rate has left the window."""


class Counted(NamedTuple):
    """What a limit counts now; `empties_ms` is when the last minute will have nothing of it, from now."""

    limit: Limit
    requests: int
    tokens: int
    concurrent: int
    empties_ms: int


class Rooms(NamedTuple):
    """Limits and budgets at one instant."""

    limits: list[Counted]
    budgets: list[Standing]


async def rooms(
    state: State,
    tenant: str,
    asked: tuple[Sequence[Limit], Sequence[Budget]],
    at_ms: int,
    *,
    now_ms: int | None = None,
) -> Rooms:
    """Read what some limits count now, and what budgets say in the windows of a moment, all at one instant.

    Limits go by the store's clock, unless `now_ms` says another time.

    Raises:
        StoreReset: the store has no books of the tenant.
        StoreUnavailable: the store cannot be asked.
    """
    limits, budgets = asked
    names = [keys.of(tenant, "epoch")]
    for limit in limits:
        names += [keys.of(tenant, f"rate:{limit.title}"), keys.of(tenant, f"leases:{limit.title}")]
    names += [keys.budget(tenant, keys.budget_name(budget, at_ms)) for budget in budgets]
    answer = await state.script(scripts.ROOMS, names, ["" if now_ms is None else now_ms, len(limits)])
    if answer[0] == b"RESET":
        raise reset_of(tenant)
    counted, stood = answer[1 : 1 + len(limits)], answer[1 + len(limits) :]
    return Rooms(
        [Counted(limit, *map(int, each)) for limit, each in zip(limits, counted, strict=True)],
        [
            Standing(budget, int(spent or 0), int(held or 0))
            for budget, (spent, held) in zip(budgets, stood, strict=True)
        ],
    )


def allotment(admitted: Admitted) -> Allotment:
    """What a call that was just admitted may be told of what is left: the tightest of each kind."""
    requests = tokens = None
    for each in admitted.rooms:
        limit, more, room = each.limit, each.requests, each.tokens
        if limit.requests_per_minute is not None and more is not None:
            requests = _tighter(requests, RateRoom(limit.requests_per_minute, more, WINDOW_S))
        if limit.tokens_per_minute is not None and room is not None:
            tokens = _tighter(tokens, RateRoom(limit.tokens_per_minute, room, WINDOW_S))
    left = min([left.nano for left in admitted.lefts], default=None)
    return Allotment(requests=requests, tokens=tokens, budget_left_nano=left)


def after_settling(told: Allotment, tokens: int, nano: int) -> Allotment:
    """What is left once a call has given back so many of its tokens, and so much of its estimate."""
    room, left = told.tokens, told.budget_left_nano
    return replace(
        told,
        tokens=None if room is None else replace(room, remaining=min(room.limit, room.remaining + tokens)),
        budget_left_nano=None if left is None else left + nano,
    )


def after_refusal(asked: Reservation, refusal: LimitExceeded) -> Allotment:
    """What is left of the limit or budget that refused a call."""
    if isinstance(refusal, BudgetExceeded):
        return Allotment(budget_left_nano=refusal.left)
    reset_s = WINDOW_S if refusal.retry_after_s is None else refusal.retry_after_s
    for limit in asked.limits:
        for noun, most in (("requests", limit.requests_per_minute), ("tokens", limit.tokens_per_minute)):
            if most is not None and refusal.limit == f"{limit.title}:{noun}":
                room = RateRoom(most, refusal.left, reset_s)
                return Allotment(requests=room) if noun == "requests" else Allotment(tokens=room)
    return Allotment()


def _tighter(one: RateRoom | None, other: RateRoom) -> RateRoom:
    """The one with the smaller share left; of equals, the smaller limit."""
    if one is None:
        return other
    mine, its = one.remaining / max(one.limit, 1), other.remaining / max(other.limit, 1)
    return other if (its, other.limit) < (mine, one.limit) else one
