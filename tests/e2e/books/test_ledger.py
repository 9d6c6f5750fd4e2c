"""The ledger, its proof, and bills against it, by route and command."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Charge
from tests.e2e.books.conftest import Office


def test_rows_are_told_page_by_page(office: Office) -> None:
    """Every row once, in its order, with its parts read; a page says where the next one begins."""
    for number in range(5):
        office.charge(f"op{number}", number, ("key", "k1"), ("tag", "t=1"))
    found = list[Any]()
    query: dict[str, Any] = {"tenant": office.tenant, "limit": 2}
    while True:
        page = office.get("/admin/v1/ledger", **query)
        found += page["rows"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert [(row["operation"], row["cost_nano"], row["kind"]) for row in found] == [
        (f"op{number}", number, "settle") for number in range(5)
    ]
    first = found[0]
    assert first["budgets"] == [f"tenant:{office.tenant}:total:ever"]
    assert {"dimension": "key", "name": "k1"} in first["who"]
    assert first["detail"]["attempts"][0]["usage"] == {"input": 100, "output": 20}
    (one,) = office.get("/admin/v1/ledger", tenant=office.tenant, op="op3")["rows"]
    assert one["operation"] == "op3"
    assert office.get("/admin/v1/ledger", tenant=office.tenant, until="1h")["rows"] == []
    office.get("/admin/v1/ledger", 400, tenant=office.tenant, after="x")
    office.get("/admin/v1/ledger", 400, limit=0)


def test_rows_are_csv(office: Office) -> None:
    """One line a row, with a formula defused and a negative amount a number."""
    claim = office.claim("late", (("tag", "a"),))

    async def lapse_then_settle(state: object) -> None:
        spending = Spending(state)  # type: ignore[arg-type]  # the office hands in a State
        await spending.settle(claim, Charge(cost_nano=7, detail=b"not JSON"))

    office.behind(lapse_then_settle)
    office.charge("b", 3, target="=evil()")
    rows = list(
        csv.DictReader(io.StringIO(office.get("/admin/v1/ledger", tenant=office.tenant, format="csv")))
    )
    assert [(row["operation"], row["cost_nano"], row["target"]) for row in rows] == [
        ("late", "7", ""),
        ("b", "3", "'=evil()"),
    ]
    shown = office.run("ledger", "list", "--tenant", office.tenant, "--csv").stdout
    assert list(csv.DictReader(io.StringIO(shown))) == rows


def test_the_command_lists_rows(office: Office) -> None:
    """`llmgw ledger list` as a table and as JSON, up to a number of rows."""
    for number in range(3):
        office.charge(f"op{number}", number)
    asked = ("ledger", "list", "--tenant", office.tenant)
    assert office.run(*asked).stdout.count("openai/gpt-5") == 3
    few = office.run(*asked, "--limit", "2", "--json")
    assert [row["operation"] for row in json.loads(few.stdout)] == ["op0", "op1"]
    assert "there are more" in office.run(*asked, "--limit", "2").stderr


def test_books_are_proved_and_drift_is_named(office: Office) -> None:
    """Exit 0 while spent and held are what rows and holds say; else 1, with the window and both sums."""
    office.charge("a", 5)
    told = json.loads(office.run("reconcile", "--tenant", office.tenant, "--json").stdout)
    assert told["agree"]
    assert (told["tenants"][0]["rows"], told["tenants"][0]["total_nano"]) == (1, 5)
    window = f"tenant:{office.tenant}:total:ever"
    office.behind(lambda state: state.command("HSET", keys.budget(office.tenant, window), "spent", "6"))
    shown = office.run("reconcile", "--tenant", office.tenant, code=1).stdout
    assert "DO NOT AGREE" in shown
    assert f"{window}: spent 6, by the rows 5; held 0, by the holds 0" in shown
    body = {"tenant": office.tenant, "whole": True}
    proof = office.gateway.request("/admin/v1/reconcile", body).json()
    assert not proof["agree"]
    assert proof["tenants"][0]["drifting"][0]["spent_drift_nano"] == 1
    office.behind(lambda state: state.command("DEL", keys.of(office.tenant, "epoch")))
    assert "has lost" in office.run("reconcile", "--tenant", office.tenant, code=1).stdout
    assert office.gateway.request("/admin/v1/reconcile", {"tenants": 1}).status == 400


def day(office: Office, back: int) -> str:
    """The UTC day so many days ago."""
    at = datetime.fromtimestamp(office.now_ms / 1000, UTC) - timedelta(days=back)
    return at.strftime("%Y-%m-%d")


def bill(tmp_path: Path, *lines: str) -> str:
    """A bill as Anthropic exports it."""
    file = tmp_path / "bill.csv"
    file.write_text("\n".join(["usage_date_utc,model,token_type,cost_usd", *lines]), encoding="utf-8")
    return str(file)


@pytest.fixture
def billed(office: Office) -> tuple[str, ...]:
    """Calls of yesterday and today, and how their bill is asked for."""
    yesterday_ms = office.now_ms - 86_400_000
    office.charge("a", 1_500_000_000, at_ms=yesterday_ms)
    office.charge(
        "b", 500_000_000, at_ms=yesterday_ms, model="claude-haiku-4-5", answered="claude-haiku-4-5-20251001"
    )
    office.charge("c", 250_000_000)
    return "reconcile", "--provider", office.tenant, "--tenant", office.tenant, "--bill"


def test_a_bill_that_agrees_is_zero(office: Office, billed: tuple[str, ...], tmp_path: Path) -> None:
    """By day and model the bill's lines and the ledger's attempts come to the same: exit 0, no difference."""
    file = bill(
        tmp_path,
        f"{day(office, 1)},GPT-5,input,1.25",
        f"{day(office, 1)},GPT-5,output,0.25",
        f"{day(office, 1)},Claude Haiku 4.5,input,0.5",
        f"{day(office, 0)},gpt-5-2025-08-07,input,0.25",
    )
    told = json.loads(office.run(*billed, file, "--json").stdout)
    assert [each["difference_usd"] for each in told["differences"]] == ["0", "0", "0"]
    assert told["total"]["billed_usd"] == told["total"]["ledger_usd"] == "2.25"
    assert told["lapsed_usd"] == "0"


def test_a_bill_that_differs_is_told(office: Office, billed: tuple[str, ...], tmp_path: Path) -> None:
    """A difference over the tolerance is flagged with its size: exit 1; a larger tolerance lets it pass."""
    file = bill(
        tmp_path,
        f"{day(office, 1)},gpt-5,input,1.6",
        f"{day(office, 1)},claude-haiku-4-5,input,0.5",
        f"{day(office, 0)},gpt-5,input,0.25",
        f"{day(office, 40)},gpt-5,input,99",
    )
    since = ("--since", day(office, 1))
    result = office.run(*billed, file, *since, code=1)
    assert "6.25 %" in result.stdout
    assert result.stdout.count("over") == 2
    assert "1 lines of the bill are of other days" in result.stderr
    office.run(*billed, file, *since, "--tolerance", "7%")
    office.run(*billed, file, *since, "--by", "total", "--tolerance", "1", code=1)


def test_a_bad_bill_is_told_by_line_and_column(
    office: Office, billed: tuple[str, ...], tmp_path: Path
) -> None:
    """No answer is made of a bill that cannot be read."""
    file = bill(tmp_path, f"{day(office, 1)},gpt-5,input,=1+1")
    assert "line 2, column cost_usd: '=1+1' is no amount" in office.run(*billed, file, code=1).output
    assert "no lines" in office.run(*billed, bill(tmp_path), code=1).output
    (tmp_path / "bad.csv").write_bytes(b"date,model,cost\n\xff\n")
    assert "not UTF-8" in office.run(*billed, str(tmp_path / "bad.csv"), code=1).output
    assert "nothing like" in office.run(*billed, file, "--tolerance", "-1", code=2).output
    assert "not like" in office.run(*billed, file, "--name", "x", code=2).output
    assert "--column is one of" in office.run(*billed, file, "--column", "x=y", code=2).output


def test_lapses_are_no_targets_and_cancel_out(office: Office) -> None:
    """What no attempt accounts for is told apart; the adjustment of a late result takes it back."""
    claim = office.claim("late")

    async def lapsed(state: object) -> None:
        spending = Spending(state, hold_ms=1)  # type: ignore[arg-type]  # the office hands in a State
        await spending.admit(claim)
        while not await spending.lapse_due(office.tenant):
            pass

    office.behind(lapsed)
    sums = office.get("/admin/v1/ledger/sums", tenant=office.tenant)
    assert (sums["sums"], sums["rest_nano"], sums["rows"]) == ([], 10**9, 1)
    office.charge("late", 5)
    sums = office.get("/admin/v1/ledger/sums", tenant=office.tenant)
    assert sums["rest_nano"] == 0
    assert [(each["cost_nano"], each["attempts"]) for each in sums["sums"]] == [(5, 1)]
    office.get("/admin/v1/ledger/sums", 400, tenant=office.tenant, after="x")
