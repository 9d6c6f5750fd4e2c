"""What a call may need at most, and what it is held to: from these its reservation is made."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from llmgw.accounting.estimate import Before, Estimate, affordable, estimate, with_max_output
from llmgw.policy.rules.terms import Bounds
from llmgw.policy.spending.values import Dimension, Limit, Reservation, named
from llmgw.types.call import ANYBODY, Call, Caller
from llmgw.types.errors import PriceMissing
from llmgw.types.invocation import ChatInvocation, CountInvocation, Invocation
from llmgw.types.target import Target

TAGS_MAX: Final = 16
"""Tags that one call is counted for."""
LEAST_OUTPUT: Final = 16
"""Tokens of an answer below which what is left of a budget is not worth a call."""


class Wanted:
    """One call before its admission: what it says, behind what, whom it may reach, and what binds it."""

    def __init__(
        self, call: Call, invocation: Invocation, targets: Sequence[Target], bounds: Bounds, before: Before
    ) -> None:
        self.call = call
        self.invocation = invocation
        self.bounds = bounds
        self.asked = invocation
        """What is said, with the most that the answer may have once that is known: the provider must be told."""
        self._targets = targets
        self._before = before
        self._estimate: Estimate | None = None

    def reservation(self, now_ms: int) -> Reservation:
        """The call's claim: the most it can take, of all that binds it.

        Raises:
            PriceMissing: it has a budget, and a model that it may reach has no price.
        """
        bounds, limits = self.bounds, self.bounds.limits
        if self.call.within_another:
            # The call that it is made for was counted, and goes on while it runs.
            limits = tuple(replace(each, requests_per_minute=None, concurrent=None) for each in limits)
        if isinstance(self.invocation, CountInvocation):
            # Providers do not charge for counting.
            limits = tuple(replace(each, tokens_per_minute=None) for each in limits)
            return reservation_of(self.call, now_ms, limits)
        bound = self._bounded(now_ms)
        if bounds.budgets and bound.nano is None:
            raise PriceMissing(
                "a model that this call may reach has no price, and its caller has a budget", param="model"
            )
        caller = self.call.caller or ANYBODY
        return Reservation(
            operation=self.call.id,
            tenant=caller.tenant,
            at_ms=now_ms,
            estimate_nano=bound.nano or 0,
            tokens=bound.input_tokens + bound.output_tokens,
            limits=limits,
            budgets=bounds.budgets,
            used_by=_users(self.call, caller),
            lapse=bounds.lapse,
        )

    def lowered(self, nano_left: int, now_ms: int) -> "Wanted | None":
        """The same with so short an answer that it costs no more than what is left; None where that is not wanted.

        Nor where next to nothing could be answered.
        """
        bound = self._estimate
        if (
            self.bounds.on_headroom != "clamp"
            or bound is None
            or not isinstance(self.invocation, ChatInvocation)
        ):
            return None
        most = affordable(self.invocation, self._targets, nano_left, bound, now_ms // 1000)
        if most is None or most < LEAST_OUTPUT:
            return None
        asked = with_max_output(self.invocation, most)
        return Wanted(self.call, asked, self._targets, self.bounds, self._before)

    def _bounded(self, now_ms: int) -> Estimate:
        self._estimate = estimate(
            self.invocation, self._targets, self.bounds.default_max_tokens, now_ms // 1000, self._before
        )
        most = self._estimate.max_output
        if most is not None and isinstance(self.invocation, ChatInvocation):
            self.asked = with_max_output(self.invocation, most)
        return self._estimate


def counting_alone(call: Call, bounds: Bounds, now_ms: int) -> Reservation:
    """The claim of a call that asks nobody itself: that it is made and under way."""
    limits = (
        replace(each, tokens_per_minute=None)
        for each in bounds.limits
        if each.requests_per_minute is not None or each.concurrent is not None
    )
    return reservation_of(call, now_ms, tuple(limits))


def reservation_of(call: Call, now_ms: int, limits: tuple[Limit, ...] = ()) -> Reservation:
    """The claim of a call that takes nothing but requests and places: whom its usage is counted for."""
    caller = call.caller or ANYBODY
    return Reservation(
        operation=call.id, tenant=caller.tenant, at_ms=now_ms, limits=limits, used_by=_users(call, caller)
    )


def _users(call: Call, caller: Caller) -> tuple[tuple[Dimension, str], ...]:
    prompt = None if call.prompt is None else call.prompt.served
    return _counted_for(
        (caller.tenant, caller.team, caller.key_id), call.alias, prompt, (*caller.tags, *call.tags)
    )


@lru_cache(maxsize=4096)
def _counted_for(
    caller: tuple[str, str, str], alias: str | None, prompt: str | None, tags: tuple[str, ...]
) -> tuple[tuple[Dimension, str], ...]:
    # The same for all calls of a key to an alias.
    tenant, team, key = caller
    found: list[tuple[Dimension, str]] = [("tenant", tenant)]
    if team:
        found.append(("team", named(team)))
    found.append(("key", named(key)))
    if alias is not None:
        found.append(("alias", named(alias)))
    if prompt is not None:
        found.append(("prompt", named(prompt)))
    distinct = dict.fromkeys(map(named, tags))
    found += [("tag", tag) for tag in list(distinct)[:TAGS_MAX]]
    return tuple(found)
