"""The ledger for who may look at a tenant's books: its rows, their sums by provider and model, and their proof."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from llmgw.accounting.sheets import sheet
from llmgw.http.asked import MAX_PAGE, HttpRequest, answer, body_of, caller_of, number_of, word_of
from llmgw.http.ledger_rows import COLUMNS, Summing, cells, told
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.http.runtime import Runtime
from llmgw.http.times import moment_of
from llmgw.http.usage import DAY_MS, Format, csv_answer, tenants_of
from llmgw.policy.spending.books import Account, Reconciled, reconcile
from llmgw.policy.spending.ledger import FIRST, ROW_ID, Row, id_before, order_of, rows
from llmgw.policy.spending.usage import tenants
from llmgw.state.connection import State
from llmgw.types.call import TENANT, Caller
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.limit_errors import StoreReset
from llmgw.types.money import signed_usd

SCANNED_MAX: Final = 20_000
"""Rows that one request looks at; the next one goes on."""


class ReconcileRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /admin/v1/reconcile`, which may be left out: one tenant, and whether to read every row."""

    tenant: str | None = None
    whole: bool = False


def ledger_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's books are not there."""
    state = runtime.state

    @get("/admin/v1/ledger", opt={"permission": Permission.VIEW})
    async def ledger(request: HttpRequest) -> Response[bytes]:
        now_ms = runtime.clock.unix_ns() // 1_000_000
        tenant = caller_of(request).tenant
        if "tenant" in request.query_params:
            (tenant,) = await tenants_of(request, state)
        limit = number_of(request, "limit", 100, most=MAX_PAGE, least=1)
        form: Format = word_of(request, "format", Format, "json")
        after = max(
            id_before(moment_of(request, "since", now_ms, 0)), _row_id(request, "after"), key=order_of
        )
        last = _end(request, now_ms)
        found, more = await _page(state, tenant, (after, last), request.query_params.get("op"), limit)
        if form == "csv":
            return csv_answer(sheet(COLUMNS, (cells(each) for each in found)), f"ledger-{tenant}.csv")
        return answer({"tenant": tenant, "rows": [told(each) for each in found], "next": more})

    @get("/admin/v1/ledger/sums", opt={"permission": Permission.VIEW})
    async def sums(request: HttpRequest) -> Response[bytes]:
        now_ms = runtime.clock.unix_ns() // 1_000_000
        since_ms = moment_of(request, "since", now_ms, now_ms - 30 * DAY_MS)
        until_ms = moment_of(request, "until", now_ms, now_ms + 1)
        if until_ms <= since_ms:
            raise InvalidRequest("until must be after since", param="until")
        summing = Summing(since_ms, until_ms, request.query_params.get("provider"))
        more = await _sum_up(
            state, await tenants_of(request, state), summing, request.query_params.get("after")
        )
        return answer({"sums": summing.told(), "rest_nano": summing.rest, "rows": summing.rows, "next": more})

    @post(
        "/admin/v1/reconcile",
        status_code=200,
        request_max_body_size=4096,
        opt={"permission": Permission.VIEW},
    )
    async def proof(request: HttpRequest) -> Response[bytes]:
        wanted = await body_of(request, ReconcileRequest, default=ReconcileRequest())
        asked = await _reached(state, caller_of(request), wanted.tenant)
        proofs = [await _proof(state, tenant, whole=wanted.whole) for tenant in asked]
        return answer({"agree": all(each["agree"] for each in proofs), "tenants": proofs})

    return [ledger, sums, proof]


async def _sum_up(state: State, asked: list[str], summing: Summing, after: str | None) -> str | None:
    """Add up what one request may look at; says where the next one goes on."""
    first, _, begun = (after or "").partition("/")
    if after is not None and not (TENANT.fullmatch(first) and ROW_ID.fullmatch(begun)):
        raise InvalidRequest("after is not what an answer had as next", param="after")
    since, last = summing.range
    for tenant in [each for each in sorted(asked) if each >= first]:
        start = max(since, begun, key=order_of) if tenant == first else since
        async for row in rows(state, tenant, start, last):
            summing.add(row)
            if summing.rows >= SCANNED_MAX:
                return f"{tenant}/{row.id}"
    return None


async def _page(
    state: State, tenant: str, between: tuple[str, str], operation: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Rows of a page, and after which id the next one begins, if there may be any."""
    found, scanned = list[Row](), 0
    async for row in rows(state, tenant, *between):
        scanned += 1
        if operation in {None, row.operation}:
            found.append(row)
        if len(found) >= limit or scanned >= SCANNED_MAX:
            return found, row.id
    return found, None


async def _reached(state: State, caller: Caller, tenant: str | None) -> list[str]:
    reach = reach_of(caller)
    if tenant is None:
        return await tenants(state) if reach is None else [reach]
    if not TENANT.fullmatch(tenant):
        raise InvalidRequest("tenant is no tenant's name", param="tenant")
    if reach not in {None, tenant}:
        raise NotFound("there is no such tenant")
    return [tenant]


async def _proof(state: State, tenant: str, *, whole: bool) -> dict[str, Any]:
    try:
        found = await reconcile(state, tenant, whole=whole)
    except StoreReset as lost:
        return {"tenant": tenant, "agree": False, "problem": lost.message}
    return {"tenant": tenant, **_proved(found)}


def _proved(found: Reconciled) -> dict[str, Any]:
    return {
        "agree": not found.drifting,
        "rows": found.rows,
        "rows_read": found.read,
        "rows_trimmed": found.trimmed,
        "total_nano": found.total_nano,
        "total_usd": signed_usd(found.total_nano),
        "windows": len(found.accounts),
        "drifting": [_drift(each) for each in found.drifting],
    }


def _drift(account: Account) -> dict[str, Any]:
    spent, held = account.drift
    return {
        "window": account.name,
        "spent_nano": account.spent,
        "posted_nano": account.posted,
        "held_nano": account.held,
        "on_hold_nano": account.on_hold,
        "spent_drift_nano": spent,
        "held_drift_nano": held,
    }


def _row_id(request: HttpRequest, name: str) -> str:
    written = request.query_params.get(name, FIRST)
    if not ROW_ID.fullmatch(written):
        raise InvalidRequest(f"{name} is the id of a row", param=name)
    return written


def _end(request: HttpRequest, now_ms: int) -> str:
    return "+" if "until" not in request.query_params else id_before(moment_of(request, "until", now_ms, 0))
