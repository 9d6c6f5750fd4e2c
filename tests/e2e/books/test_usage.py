"""Usage by route and command: exact sums, in reach only, within what is kept."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.e2e.books.conftest import Office

HOUR_MS = 3_600_000


def spent(office: Office) -> None:
    """Three calls of two keys of a team, with a tag that is no name, one of them an hour ago."""
    office.charge("a", 2**53 + 1, ("team", "red"), ("key", "k1"), ("tag", "t=1"))
    office.charge("b", 5, ("team", "red"), ("key", "k2"))
    office.charge("c", 7, ("team", "red"), ("key", "k1"), at_ms=office.now_ms - HOUR_MS)


def test_sums_are_exact_by_each_dimension(office: Office) -> None:
    """Calls, cost and tokens per name, the dearest first; money as whole nano-USD and as text."""
    spent(office)
    told = office.get("/admin/v1/usage", by="key", since="3h", tenant=office.tenant)
    assert (told["by"], told["period"]) == ("key", "hour")
    assert [list(each.values()) for each in told["totals"]] == [
        [office.tenant, "k1", 2, 2**53 + 8, "9007199.254741", 200, 40],
        [office.tenant, "k2", 1, 5, "0.000000005", 100, 20],
    ]
    for dimension, name in (("tenant", office.tenant), ("team", "red")):
        (one,) = office.get("/admin/v1/usage", by=dimension, tenant=office.tenant)["totals"]
        assert (one["name"], one["calls"], one["cost_nano"]) == (name, 3, 2**53 + 13)
    assert office.get("/admin/v1/usage", by="prompt", tenant=office.tenant)["totals"] == []


def test_windows_are_told_in_their_order(office: Office) -> None:
    """A series has each window in which something was used, by its beginning in UTC."""
    spent(office)
    series = office.get(
        "/admin/v1/usage", by="tenant", since="3h", period="hour", series="true", tenant=office.tenant
    )["series"]
    began = [
        datetime.fromtimestamp((office.now_ms - back) // HOUR_MS * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for back in (HOUR_MS, 0)
    ]
    assert [(each["at"], each["cost_nano"]) for each in series] == [(began[0], 7), (began[1], 2**53 + 6)]
    minutes = office.get("/admin/v1/usage", since="3h", period="minute", tenant=office.tenant, series="true")
    assert sum(each["calls"] for each in minutes["series"]) == 3


def test_a_table_is_csv(office: Office) -> None:
    """As CSV the same numbers, by route and command."""
    office.charge("a", 3, ("tag", "a=1+1"), ("alias", "fast"))
    text = office.get("/admin/v1/usage", by="tag", tenant=office.tenant, format="csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [
        ["tenant", "name", "calls", "cost_nano", "cost_usd", "input_tokens", "output_tokens"],
        [office.tenant, "a=1+1", "1", "3", "0.000000003", "100", "20"],
    ]
    shown = office.run("usage", "--by", "tag", "--tenant", office.tenant, "--csv").stdout
    assert shown.splitlines() == text.splitlines()


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"by": "model"}, "by"),
        ({"period": "month"}, "period"),
        ({"since": "yesterday"}, "since"),
        ({"since": "401d", "period": "day"}, "since"),
        ({"since": "36d", "period": "hour"}, "since"),
        ({"since": "49h", "period": "minute"}, "since"),
        ({"since": "99999999d"}, "since"),
        ({"since": "2026-13-01"}, "since"),
        ({"since": "1h", "until": "2h"}, "until"),
        ({"since": "2999-01-01T00:00:00Z"}, "until"),
        ({"series": "1"}, "series"),
        ({"format": "xml"}, "format"),
        ({"tenant": "no tenant!"}, "tenant"),
    ],
)
def test_what_cannot_be_meant_is_told_by_its_place(office: Office, query: dict[str, Any], param: str) -> None:
    """400, and a pointer to the parameter."""
    problem = office.get("/admin/v1/usage", 400, **query)
    assert (problem["code"], problem["status"]) == ("invalid_request", 400)
    assert problem["violations"][0]["pointer"] == f"/{param}"


def test_times_with_an_offset_are_read(office: Office) -> None:
    """RFC 3339, with the plus sign quoted or not."""
    spent(office)
    since = datetime.fromtimestamp(office.now_ms / 1000 - 7200, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    asked: dict[str, Any] = {"tenant": office.tenant, "since": since}
    told = office.get("/admin/v1/usage", **asked)
    plain = office.gateway.request(f"/admin/v1/usage?tenant={office.tenant}&since={since}")
    assert plain.json() == told
    assert told["totals"][0]["calls"] == 3


def test_anothers_books_are_not_there(office: Office) -> None:
    """A viewer sees its own tenant alone; a caller sees no report, and its own key's usage."""
    spent(office)
    viewer = office.key()
    assert {each["tenant"] for each in office.get("/admin/v1/usage", key=viewer)["totals"]} == {office.tenant}
    for path in ("/admin/v1/usage", "/admin/v1/ledger", "/admin/v1/ledger/sums"):
        assert office.get(path, 404, key=viewer, tenant="default")["status"] == 404
        office.get(path, 403, key=office.key("caller"))
    body = {"tenant": "default"}
    assert office.gateway.request("/admin/v1/reconcile", body, key=viewer).status == 404


def test_a_key_sees_its_own_usage_and_its_teams(office: Office) -> None:
    """`/v1/me/usage` has what the key took, and its team if it has one; nothing of others."""
    key = office.key("caller", team="red")
    own = office.gateway.request("/v1/me", key=key).json()["key_id"]
    office.charge("a", 11, ("team", "red"), ("key", own))
    office.charge("b", 5, ("team", "red"), ("key", "another"))
    told = office.get("/v1/me/usage", key=key)
    assert told["key_id"] == own
    assert (told["key"]["calls"], told["key"]["cost_nano"]) == (1, 11)
    assert (told["team"]["calls"], told["team"]["cost_nano"]) == (2, 16)
    alone = office.get("/v1/me/usage", key=office.key("caller"))
    assert "team" not in alone
    assert alone["key"]["calls"] == 0
    office.get("/v1/me/usage", 400, key=key, since="never")


def test_the_command_shows_sums(office: Office) -> None:
    """`llmgw usage` as a table, with windows, and as JSON; both formats at once are refused."""
    spent(office)
    asked = ("usage", "--by", "key", "--since", "2h", "--tenant", office.tenant)
    table = office.run(*asked).stdout
    assert "k1" in table
    assert "9007199.254741" in table
    assert office.run(*asked, "--series").stdout.count("k1") == 2
    told: Any = json.loads(office.run(*asked, "--json").stdout)
    assert told["totals"][1]["name"] == "k2"
    office.run(*asked, "--json", "--csv", code=2)
    assert "begin later" in office.run("usage", "--since", "500d", code=1).output
