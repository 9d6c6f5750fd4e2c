"""The routes of the call log: who sees what, in which form, and what is refused how."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from llmgw.calllog.datasets import ContentEvent
from llmgw.cli import main
from llmgw.types.call import Caller, Role
from tests.integration.calllog.asked_log import HOUR_US, TUESDAY_US, call
from tests.integration.calllog.served_log import ADMIN, ServedLog, served_log

EVIL = "a\x1b[31m\nb"
KEPT = [
    call(1, TUESDAY_US, alias="fast", target="openai/a", targets=("openai/a",), attempt_codes=("200",), cost_nano=7,
         status=200, duration_us=1000, verdict="lost", context="ctx_1", rev=3, losses=1, loss_codes=("x",)),
    call(2, TUESDAY_US + HOUR_US, alias="=1+1", status=502, error="upstream_error", outcome="failed"),
    call(3, TUESDAY_US + HOUR_US, tenant="globex", alias="hidden"),
]  # fmt: skip
LIVE = [call(4, TUESDAY_US + 2 * HOUR_US, alias=EVIL)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedLog]:
    """A log of four calls of two tenants."""
    with served_log(tmp_path_factory.mktemp("served")) as log:
        log.keep(KEPT, LIVE)
        yield log


@pytest.fixture(autouse=True)
def _anew(served: ServedLog) -> None:
    served.caller = ADMIN
    served.log.buffer.away = False


def as_role(role: Role, tenant: str = "acme") -> Caller:
    """Who asks."""
    return Caller(key_id="key_1", name="n", role=role, tenant=tenant)


def test_a_page_goes_on_where_the_one_before_ended(served: ServedLog) -> None:
    """Newest first, with what is in no segment; the last page has no next."""
    first = served.ask("/admin/v1/calls?limit=3").json()
    assert [each["id"] for each in first["calls"]] == [LIVE[0].id, KEPT[2].id, KEPT[1].id]
    assert first["live"] is True
    second = served.ask(f"/admin/v1/calls?limit=3&cursor={first['next']}").json()
    assert [each["id"] for each in second["calls"]] == [KEPT[0].id]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("caller", "seen"),
    [(ADMIN, 4), (as_role("viewer"), 3), (as_role("admin", "globex"), 1), (as_role("operator", "globex"), 1)],
    ids=lambda each: str(getattr(each, "role", each)),
)
def test_a_caller_sees_the_calls_of_its_tenant(served: ServedLog, caller: Caller, seen: int) -> None:
    """On every route; only administrators of the default tenant see all."""
    served.caller = caller
    assert len(served.ask("/admin/v1/calls").json()["calls"]) == seen
    assert len(served.ask("/admin/v1/calls/export").body.splitlines()) == seen
    volume = served.ask("/admin/v1/calls/questions/volume?from=2026-11-01").json()
    assert sum(row[1] for row in volume["rows"]) == seen
    foreign = KEPT[2] if caller.tenant == "acme" else KEPT[0]
    expected = 200 if caller is ADMIN else 404
    assert served.ask(f"/admin/v1/calls/{foreign.id}").status == expected
    if caller.role == "admin":
        table = served.ask("/admin/v1/calls/query", b'{"sql": "SELECT count(*) FROM calls"}').json()
        assert table["rows"] == [[seen]]
        assert served.ask(f"/admin/v1/calls/{foreign.id}/content").status == 404
    else:
        assert served.ask("/admin/v1/calls/query", b'{"sql": "SELECT 1"}').status == 403
        assert served.ask(f"/admin/v1/calls/{KEPT[0].id}/content").status == 403


def test_forms_of_a_page(served: ServedLog) -> None:
    """Lines of JSON, and a sheet in which no cell is a formula."""
    lines = served.ask("/admin/v1/calls?format=ndjson").body.splitlines()
    assert [json.loads(line)["id"] for line in lines][-1] == KEPT[0].id
    sheet = list(csv.DictReader(io.StringIO(served.ask("/admin/v1/calls?format=csv").body.decode())))
    assert [row["alias"] for row in sheet] == [EVIL, "hidden", "'=1+1", "fast"]
    parquet = served.ask("/admin/v1/calls/export?format=parquet")
    assert parquet.body[:4] == parquet.body[-4:] == b"PAR1"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?cursor=x", "cursor"),
        ("?order=up", "order"),
        ("?format=xml", "format"),
        ("?from=yesterday", "from"),
        ("?to=2026-13-01", "to"),
        ("?from=2026-11-02&to=2026-11-01", "to"),
        ("?status=42", "status"),
        ("?status=ok", "status"),
        ("?min_ms=-1", "min_ms"),
        ("?min_cost=nan", "min_cost"),
        ("?min_cost=1e99", "min_cost"),
        ("?trace_id=xyz", "trace_id"),
        ("?outcome=great", "outcome"),
        ("?verdict=fine", "verdict"),
        ("?alias=", "alias"),
        ("?tag=%00", "tag"),
        ("?tenant=NO%20NAME", "tenant"),
        ("?model=a&model=b", "model"),
        ("?aliass=x", "aliass"),
        ("/questions/latency?by=colour", "by"),
        ("/questions/latency?limit=0", "limit"),
        ("/questions/volume?by=alias", "by"),
        ("/questions/change?measure=joy", "measure"),
        ("/export?format=exe", "format"),
        ("/export?limit=5", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(served: ServedLog, path: str, param: str) -> None:
    """A 400 whose violation points to the parameter."""
    answer = served.ask(f"/admin/v1/calls{path}")
    assert answer.status == 400, answer.body
    assert answer.json()["violations"][0]["pointer"] == f"/{param}"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"\xff\xfe", 400, None),
        (b"{}", 400, ""),
        (b'{"sql": ""}', 400, "/sql"),
        (b'{"sql": 7}', 400, "/sql"),
        (b'{"sql": "SELECT 1", "more": 1}', 400, ""),
        (b'{"sql": "SELECT 1", "params": [[1]]}', 400, "/params"),
        (b'{"sql": "SELECT 1", "from": "x"}', 400, "/from"),
        (b'{"sql": "SELECT 1", "from": "1d", "to": "2d"}', 400, "/to"),
        (b'{"sql": "DROP TABLE calls"}', 400, "/sql"),
        (b'{"sql": "SELECT $1", "params": []}', 400, "/sql"),
        (b'{"sql": "' + b"x" * 20_000 + b'"}', 400, "/sql"),
    ],
)
def test_a_wrong_query_is_refused(served: ServedLog, body: bytes, status: int, pointer: str | None) -> None:
    """As a problem document."""
    answer = served.ask("/admin/v1/calls/query", body)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert answer.json()["violations"][0]["pointer"] == pointer


def test_what_is_not_there_is_a_404(served: ServedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call, a question, a tenant out of reach, words that are not kept, and the log itself."""
    served.caller = as_role("admin")
    for path in ("/call_nobody", "/questions/why", f"/{KEPT[0].id}/content", "?tenant=globex", "/%20"):
        assert served.ask(f"/admin/v1/calls{path}").status == 404, path
    monkeypatch.setattr(served.runtime, "calls", None)
    answer = served.ask("/admin/v1/calls")
    assert answer.status == 404
    assert "call_log" in answer.json()["detail"]


def test_what_was_said_is_for_administrators_and_each_look_is_told(
    served: ServedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Opened for its tenant and call; the log names who looked and none of the words."""
    event = ContentEvent(id=KEPT[0].id, tenant="acme", ended_us=KEPT[0].ended_us, sealed=b"sealed")
    served.run(served.log.keep_content(event))
    opened: list[tuple[str, str, bytes]] = []

    def unseal(*given: Any) -> dict[str, Any]:
        opened.append(given)
        return {"request": "zebra"}

    monkeypatch.setattr(served.runtime, "unseal", unseal)
    # Whoever administers all tenants sees their calls, and nothing that was said in them.
    assert served.ask(f"/admin/v1/calls/{KEPT[0].id}").status == 200
    assert served.ask(f"/admin/v1/calls/{KEPT[0].id}/content").status == 404
    served.caller = as_role("admin", "acme")
    answer = served.ask(f"/admin/v1/calls/{KEPT[0].id}/content")
    assert (answer.status, answer.json().get("request")) == (200, "zebra"), answer.body
    assert opened == [("acme", KEPT[0].id, b"sealed")]
    assert served.caller.key_id in caplog.text
    assert "zebra" not in caplog.text
    monkeypatch.setattr(served.runtime, "unseal", _cannot)
    assert served.ask(f"/admin/v1/calls/{KEPT[0].id}/content").status == 404
    served.caller = as_role("admin", "globex")
    assert served.ask(f"/admin/v1/calls/{KEPT[0].id}/content").status == 404


def _cannot(*_: Any) -> dict[str, Any]:
    raise ValueError("no key")


def test_the_store_away_is_said_in_each_answer(served: ServedLog) -> None:
    """What is in segments is answered all the same."""
    served.log.buffer.away = True
    page = served.ask("/admin/v1/calls")
    assert (page.json()["live"], len(page.json()["calls"])) == (False, 3)
    assert page.headers["x-llmgw-live"] == "false"
    assert served.ask("/admin/v1/calls/query", b'{"sql": "SELECT 1"}').json()["live"] is False
    assert served.ask("/admin/v1/calls/questions/volume").json()["live"] is False


def cli(served: ServedLog, *arguments: str) -> Result:
    """Run a command against the routes."""
    environ = {"LLMGW_URL": served.url, "LLMGW_KEY": "sk-test", "LLMGW_CONFIG": "", "COLUMNS": "200"}
    return CliRunner().invoke(main, arguments, env=environ)


def test_the_command_line_finds_shows_and_asks(served: ServedLog, tmp_path: Path) -> None:
    """Each verb through the routes; others' words do nothing to a terminal."""
    found = cli(served, "calls", "search", "--from", "2026-11-01")
    assert (found.exit_code, KEPT[0].id in found.stdout, "\x1b" in found.stdout) == (0, True, False)
    page: dict[str, Any] = json.loads(cli(served, "calls", "search", "--from", "2026-11-01", "--json").stdout)
    assert len(page["calls"]) == 4
    tail = cli(served, "calls", "tail", "--from", "2026-11-01", "--once").stdout.splitlines()
    assert [KEPT[0].id in tail[0], LIVE[0].id in tail[-1], len(tail)] == [True, True, 4]
    shown = cli(served, "calls", "show", KEPT[0].id, "--trace-url", "http://traces/{trace_id}").stdout
    assert "ctx_1 rev 3: lost, 1 losses (x)" in shown
    assert "openai/a: 200" in shown
    assert "0.000000007 USD" in shown
    asked = cli(served, "calls", "ask", "errors", "--from", "2026-11-01", "--with", "by=alias")
    assert "25% of calls ended in an error" in asked.stdout
    assert "latency" in cli(served, "calls", "ask").stdout
    assert "4" in cli(served, "query", "SELECT count(*) FROM calls").stdout
    out = tmp_path / "calls.ndjson"
    assert cli(served, "calls", "export", "--from", "2026-11-01", "--out", str(out)).exit_code == 0
    assert len(out.read_bytes().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("calls", "show", "call_nobody"), 1),
        (("calls", "search", "--status", "x"), 1),
        (("calls", "ask", "why"), 1),
        (("calls", "ask", "errors", "--with", "nothing"), 2),
        (("query", "DROP TABLE calls"), 1),
        (("calls", "replay", KEPT[0].id), 1),
        (("calls", "search", "--url", "http://127.0.0.1:1"), 3),
    ],
)
def test_the_command_line_ends_as_others_do(served: ServedLog, arguments: tuple[str, ...], code: int) -> None:
    """1 for a refusal, 2 for a wrong use, 3 where nobody answers."""
    assert cli(served, *arguments).exit_code == code
