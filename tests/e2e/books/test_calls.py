"""Calls as they show in reports, the ledger and its proof: what the provider reported, once each."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.e2e.books.conftest import Office
from tests.running import RunningGateway
from tests.waiting import until

CALLS = 6


def called(gateway: RunningGateway, key: str, number: int) -> dict[str, int]:
    """Make a call, streamed or not, and return the usage that its answer tells."""
    body = {
        "model": "fast",
        "messages": [{"role": "user", "content": f"say {'much ' * number}"}],
        "stream": bool(number % 2),
        **({"stream_options": {"include_usage": True}} if number % 2 else {}),
    }
    answer = gateway.request("/v1/chat/completions", body, key=key)
    assert answer.status == 200, answer.body
    if number % 2:
        lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: {")]
        told = next(each for each in map(json.loads, lines) if each.get("usage"))
    else:
        told = answer.json()
    usage: dict[str, int] = told["usage"]
    return usage


def test_calls_are_in_reports_and_ledger_as_they_were_told(
    office: Office, running: RunningGateway, tmp_path: Path
) -> None:
    """Tokens and cost of reports, rows and a bill made of the answers are those of the answers: difference 0."""
    key = office.key("caller", team="red", tags=["t"])
    told = [called(running, key, number) for number in range(CALLS)]
    tokens_in = sum(each["prompt_tokens"] for each in told)
    tokens_out = sum(each["completion_tokens"] for each in told)
    nano = 1000 * tokens_in + 2000 * tokens_out

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = office.get("/admin/v1/ledger", tenant=office.tenant)["rows"]
        return found if len(found) == CALLS else []

    found = until(rows, "each call to have its row")
    assert sum(row["cost_nano"] for row in found) == nano
    assert {row["kind"] for row in found} == {"settle"}
    for row in found:
        (attempt,) = row["detail"]["attempts"]
        assert (attempt["target"], attempt["nano"]) == ("sim/sim", row["cost_nano"])
        assert attempt["prices"].startswith("config@")
        assert "estimated" not in attempt
    me = office.get("/v1/me/usage", key=key)
    names = {
        "tenant": office.tenant,
        "team": "red",
        "key": me["key_id"],
        "alias": "fast",
        "target": "sim/sim",
        "tag": "t",
    }
    for dimension, name in names.items():
        (one,) = office.get("/admin/v1/usage", by=dimension, tenant=office.tenant)["totals"]
        sums = (one["calls"], one["cost_nano"], one["input_tokens"], one["output_tokens"])
        assert (one["name"], sums) == (name, (CALLS, nano, tokens_in, tokens_out))
    assert (me["key"]["cost_nano"], me["team"]["cost_nano"]) == (nano, nano)
    proof = running.request("/admin/v1/reconcile", {"tenant": office.tenant}).json()
    assert (proof["agree"], proof["tenants"][0]["total_nano"]) == (True, nano)
    bill = tmp_path / "bill.csv"
    lines = [f"{row['at'][:10]},sim,{Decimal(row['cost_nano']).scaleb(-9)}" for row in found]
    bill.write_text("\n".join(["date,model,cost_usd", *lines]), encoding="utf-8")
    asked = ("reconcile", "--tenant", office.tenant, "--provider", "sim", "--by", "total", "--tolerance", "0")
    shown = json.loads(office.run(*asked, "--bill", str(bill), "--json").stdout)
    assert shown["total"]["difference_usd"] == "0"
