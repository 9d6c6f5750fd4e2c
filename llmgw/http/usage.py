"""What was used: `/admin/v1/usage` for who may look at a tenant's books, `/v1/me/usage` for a key's own."""

from collections.abc import AsyncIterator
from typing import Any, Final, Literal, TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from llmgw.accounting.sheets import Cell, sheet
from llmgw.http.asked import HttpRequest, answer, caller_of, word_of
from llmgw.http.permissions import Permission
from llmgw.http.reach import tenant_of
from llmgw.http.runtime import Runtime
from llmgw.http.times import moment_of
from llmgw.policy.spending.usage import (
    KEPT_MS,
    Period,
    Slice,
    Sum,
    Windows,
    add_up,
    dearest_first,
    tenants,
    totals,
    usage_between,
)
from llmgw.policy.spending.values import Dimension, named
from llmgw.state.connection import State
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidRequest
from llmgw.types.moments import stamp
from llmgw.types.money import signed_usd

DAY_MS: Final = 86_400_000
LINES_MAX: Final = 200_000
"""Lines of one report."""
_FINE: Final = 7 * DAY_MS
"""Up to so long a time is told by the hour where no period is asked for."""
_COLUMNS: Final = ("calls", "cost_nano", "cost_usd", "input_tokens", "output_tokens")

Truth: TypeAlias = Literal["true", "false"]
Format: TypeAlias = Literal["json", "csv"]


class Used(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one name took; `at` is when the window begins, where it is one."""

    at: str = ""
    tenant: str = ""
    name: str
    calls: int
    cost_nano: int
    cost_usd: str
    input_tokens: int
    output_tokens: int


def usage_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    state = runtime.state

    @get("/admin/v1/usage", opt={"permission": Permission.VIEW})
    async def usage(request: HttpRequest) -> Response[bytes]:
        now_ms = runtime.clock.unix_ns() // 1_000_000
        dimension: Dimension = word_of(request, "by", Dimension, "tenant")
        windows = windows_of(request, now_ms)
        form: Format = word_of(request, "format", Format, "json")
        series = word_of(request, "series", Truth, "false") == "true"
        report = _Report(series=series)
        for tenant in await tenants_of(request, state):
            names = [tenant] if dimension == "tenant" else ()
            await report.take(tenant, usage_between(state, tenant, dimension, windows, names))
        if form == "csv":
            return csv_answer(report.sheet(), f"usage-by-{dimension}.csv")
        return answer({"by": dimension, **_bounds(windows), **report.told()})

    @get("/v1/me/usage", opt={"permission": Permission.INSPECT})
    async def own_usage(request: HttpRequest) -> Response[bytes]:
        caller = caller_of(request)
        windows = windows_of(request, runtime.clock.unix_ns() // 1_000_000)
        told = {**_bounds(windows), "key_id": caller.key_id, **await _own(state, caller, windows)}
        return answer(told)

    return [usage, own_usage]


def windows_of(request: HttpRequest, now_ms: int) -> Windows:
    """The windows that the query asks for: the last 24 hours by default.

    Raises:
        InvalidRequest: there are none, or they go back further than usage is kept.
    """
    since_ms = moment_of(request, "since", now_ms, now_ms - DAY_MS)
    until_ms = min(moment_of(request, "until", now_ms, now_ms + 1), now_ms + 1)
    if until_ms <= since_ms:
        raise InvalidRequest("until must be after since, and since before now", param="until")
    default = "hour" if now_ms - since_ms <= _FINE else "day"
    period: Period = word_of(request, "period", Period, default)
    if now_ms - since_ms > KEPT_MS[period]:
        raise InvalidRequest(
            f"usage by the {period} is kept for {KEPT_MS[period] // DAY_MS} days: begin later, or ask by a longer "
            "period",
            param="since",
        )
    return Windows(period, since_ms, until_ms)


async def tenants_of(request: HttpRequest, state: State) -> list[str]:
    """The tenants whose books are asked for: the one named, or all in the caller's reach.

    Raises:
        NotFound: the one named is out of reach.
        InvalidRequest: it can be no tenant's name.
    """
    asked = tenant_of(request)
    return [asked] if asked is not None else await tenants(state)


def csv_answer(text: str, name: str) -> Response[bytes]:
    """Answer with a table as a file."""
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _own(state: State, caller: Caller, windows: Windows) -> dict[str, Any]:
    told: dict[str, Any] = {"key": await _one(state, caller.tenant, "key", caller.key_id, windows)}
    if caller.team:
        told["team"] = await _one(state, caller.tenant, "team", caller.team, windows)
    return told


async def _one(state: State, tenant: str, dimension: Dimension, name: str, windows: Windows) -> Used:
    stored = named(name)
    used = await totals(usage_between(state, tenant, dimension, windows, [stored]))
    return _used(name, used.get(stored, Sum()))


def _bounds(windows: Windows) -> dict[str, str]:
    since_ms, until_ms = windows.bounds
    return {"period": windows.period, "since": stamp(since_ms), "until": stamp(until_ms)}


def _used(name: str, used: Sum, **more: str) -> Used:
    return Used(
        name=name,
        calls=used.calls,
        cost_nano=used.cost_nano,
        cost_usd=signed_usd(used.cost_nano),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        **more,
    )


class _Report:
    """What was used by each tenant: in all, and in each window where that is asked for."""

    def __init__(self, *, series: bool) -> None:
        self._series = series
        self._windows = list[Used]()
        self._totals = list[Used]()

    async def take(self, tenant: str, slices: AsyncIterator[Slice]) -> None:
        """Add a tenant's usage.

        Raises:
            InvalidRequest: that makes more lines than anybody reads.
            StoreUnavailable: the store cannot be asked.
        """
        sums: dict[str, Sum] = {}
        async for each in slices:
            add_up(sums, each)
            if self._series:
                at = stamp(each.at_ms)
                self._windows += [
                    _used(name, used, tenant=tenant, at=at) for name, used in sorted(each.sums.items())
                ]
            if max(len(self._windows), len(self._totals) + len(sums)) > LINES_MAX:
                raise InvalidRequest(
                    f"the report would have more than {LINES_MAX} lines: ask for a shorter time, longer windows, "
                    "or one tenant",
                    param="series" if self._series else "since",
                )
        self._totals += [_used(name, used, tenant=tenant) for name, used in dearest_first(sums).items()]

    def told(self) -> dict[str, list[Used]]:
        """The report as it is answered."""
        totals = sorted(self._totals, key=lambda each: -each.cost_nano)
        return {"totals": totals, "series": self._in_order()} if self._series else {"totals": totals}

    def sheet(self) -> str:
        """The same as a table: the windows where they are asked for, else the totals."""
        rows = self._in_order() if self._series else self.told()["totals"]
        columns = (*(("at",) if self._series else ()), "tenant", "name", *_COLUMNS)
        return sheet(columns, ([_cell(each, name) for name in columns] for each in rows))

    def _in_order(self) -> list[Used]:
        return sorted(self._windows, key=lambda each: each.at)


def _cell(used: Used, name: str) -> Cell:
    value: Cell = getattr(used, name)
    return value
