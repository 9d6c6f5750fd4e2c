"""Rows that are more than one request looks at: page by page they are all there, once."""

from typing import Any

import pytest
from llmgw.accounting.detail import LedgerAttempt, LedgerDetail
from llmgw.http import ledger as routes
from llmgw.http import usage as reports
from llmgw.http.ledger_rows import Summing
from llmgw.policy.spending.ledger import FIRST
from llmgw.policy.spending.usage import Windows, usage_between
from llmgw.policy.spending.values import Charge
from llmgw.types.errors import InvalidRequest
from llmgw.types.json import encode
from tests.integration.spending.desk import Desk, at_desk

TENANTS = ("acme", "beta", "gamma")


async def charged(desk: Desk, tenant: str, count: int) -> None:
    """Post rows of one attempt each."""
    await desk.spending.open_books(tenant)
    for number in range(count):
        claim = desk.claim(f"op{number}", tenant=tenant, used_by=(("tenant", tenant), ("tag", f"t{number}")))
        attempt = LedgerAttempt(target="a/m", provider="a", model="m", at=claim.at_ms // 1000, nano=number)
        detail = encode(LedgerDetail(v=1, call=claim.operation, attempts=(attempt,)))
        await desk.spending.settle(claim, Charge(cost_nano=number, detail=detail))


def test_sums_are_those_of_all_pages(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a request looks at, all requests together have each row of each tenant once."""

    async def scene(desk: Desk) -> None:
        for tenant in TENANTS:
            await charged(desk, tenant, 7)
        now_ms = desk.clock.unix_ns() // 1_000_000
        for most in (1, 3, 7, 8, 100):
            monkeypatch.setattr(routes, "SCANNED_MAX", most)
            found, rows, after = list[dict[str, Any]](), 0, None
            while True:
                # The desk's clock is not the store's, by which rows are found.
                summing = Summing(now_ms - 1000, now_ms + 2**43, None)
                summing.range = (FIRST, "+")
                after = await routes._sum_up(desk.state, list(TENANTS), summing, after)
                found, rows = found + summing.told(), rows + summing.rows
                assert summing.rows <= most
                if after is None:
                    break
            assert rows == 21
            assert sum(each["cost_nano"] for each in found) == 3 * 21
            assert sum(each["attempts"] for each in found) == 21

    at_desk(store_url, scene)


def test_a_row_is_found_behind_many_others(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without a match says where to go on, and in the end the row is there."""
    monkeypatch.setattr(routes, "SCANNED_MAX", 3)

    async def scene(desk: Desk) -> None:
        await charged(desk, "beta", 8)
        found, after, pages = list[str](), FIRST, 0
        while after:
            rows, more = await routes._page(desk.state, "beta", (after, "+"), "op7", 100)
            found += [each.operation for each in rows]
            after, pages = more or "", pages + 1
        assert (found, pages) == (["op7"], 3)

    at_desk(store_url, scene)


@pytest.mark.parametrize(("series", "param"), [(True, "series"), (False, "since")])
def test_reports_that_nobody_reads_are_refused(
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
    series: bool,
    param: str,
) -> None:
    """More lines than a report may have are refused before they fill the memory."""
    monkeypatch.setattr(reports, "LINES_MAX", 5)

    async def scene(desk: Desk) -> None:
        await charged(desk, "beta", 6)
        now_ms = desk.clock.unix_ns() // 1_000_000
        report = reports._Report(series=series)
        with pytest.raises(InvalidRequest) as refused:
            await report.take(
                "beta", usage_between(desk.state, "beta", "tag", Windows("day", now_ms, now_ms + 1))
            )
        assert refused.value.param == param

    at_desk(store_url, scene)
