"""What a caller's own key is held to, and what of it is left: `/v1/me/limits`."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.policy.rules.terms import Bounds
from llmgw.policy.spending.rooms import Counted, rooms
from llmgw.policy.spending.usage import Standing
from llmgw.policy.spending.values import named, window
from llmgw.types.call import Caller
from llmgw.types.errors import StoreUnavailable
from llmgw.types.money import usd


def own_limit_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the route; a key that nothing limits costs the store no question."""

    @get("/v1/me/limits", opt={"permission": Permission.INSPECT})
    async def limits(request: HttpRequest) -> Response[bytes]:
        caller = caller_of(request)
        if not runtime.rules.known:
            raise StoreUnavailable("the limits of this key are not known yet", retry_after_s=1)
        bounds = runtime.rules.in_force(caller)
        if bounds.empty:
            return answer(_told(bounds, [], []))
        # A tenant that has made no call yet has no books, which is not to be told as if they were lost.
        await runtime.accounts.settler.open_books(caller.tenant)
        at_ms = runtime.clock.unix_ns() // 1_000_000
        found = await rooms(runtime.state, caller.tenant, (bounds.limits, bounds.budgets), at_ms)
        texts = _texts(caller)
        return answer(
            _told(
                bounds,
                [_limit(each, texts) for each in found.limits],
                [_budget(each, texts, at_ms) for each in found.budgets],
            )
        )

    return [limits]


def _told(
    bounds: Bounds, limits: Sequence[dict[str, Any]], budgets: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "limits": limits,
        "budgets": budgets,
        "default_max_tokens": bounds.default_max_tokens,
        "on_headroom": bounds.on_headroom,
        "degraded": bounds.degraded,
        "lapse": bounds.lapse,
    }


def _limit(counted: Counted, texts: dict[str, str]) -> dict[str, Any]:
    limit = counted.limit
    return {
        "scope": limit.scope,
        "name": texts.get(limit.name, limit.name),
        "requests_per_minute": _share(limit.requests_per_minute, counted.requests),
        "tokens_per_minute": _share(limit.tokens_per_minute, counted.tokens),
        "concurrent": _share(limit.concurrent, counted.concurrent),
        "resets_in_ms": counted.empties_ms,
    }


def _share(most: int | None, used: int) -> dict[str, int] | None:
    return None if most is None else {"limit": most, "used": used, "left": max(0, most - used)}


def _budget(standing: Standing, texts: dict[str, str], at_ms: int) -> dict[str, Any]:
    budget = standing.budget
    return {
        "scope": budget.scope,
        "name": texts.get(budget.name, budget.name),
        "window": budget.window,
        "amount_usd": usd(budget.amount_nano),
        "spent_usd": usd(max(0, standing.spent)),
        "held_usd": usd(max(0, standing.held)),
        "left_usd": usd(standing.left),
        "resets_ms": window(budget.window, at_ms).ends_ms,
    }


def _texts(caller: Caller) -> dict[str, str]:
    """What tags are called whose names cannot stand in the store's keys."""
    return {named(tag): tag for tag in caller.tags}
