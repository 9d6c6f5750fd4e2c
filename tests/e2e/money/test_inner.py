"""Calls that are made for others: charged under operations of their own, once, and counted as no request."""

import http.client
import json
from typing import Any

import pytest
from tests.e2e.money.test_attempts import nothing_left
from tests.e2e.money.till import Keyholder, Tenant, detail, told_usd
from tests.e2e.money.ways import TEXT
from tests.faults.provider import FakeProvider, fresh
from tests.running import Answer

MOOD = {"type": "object", "required": ["mood"], "properties": {"mood": {"enum": ["good", "bad"]}}}
ONE_CALL: dict[str, Any] = {"requests_per_minute": 1, "concurrent": 1}
"""Limits that leave room for one call and none within it, were that counted, too."""


def rows_are_told(tenant: Tenant, answer: Answer, operations: list[str]) -> None:
    """Each operation has one row, and together they cost what the caller was told, and what is spent."""
    call = answer.headers["x-llmgw-call-id"]
    rows = tenant.settled(len(operations))
    assert sorted(row.operation.removeprefix(call) for row in rows) == operations
    assert all(row.cost > 0 and detail(row).attempts for row in rows)
    assert sum(row.cost for row in rows) == told_usd(answer)
    assert tenant.spent == told_usd(answer)


def mending(admin: Keyholder, model: str, slug: str) -> None:
    """Have an API served that mends its answers."""
    admin.published(
        slug,
        messages=[{"role": "user", "text": "{{ text }}"}],
        model=f"fake-openai/{model}",
        input_schema=TEXT,
        output_schema=MOOD,
        api={"slug": slug, "repair": True},
    )


def test_a_mended_answer_is_two_operations(tenant: Tenant, provider: FakeProvider) -> None:
    """The second within the first: its own row, no request, no lease; what is left is told after both."""
    model = fresh("a01_mended")
    mending(tenant.key("admin"), model, "mended")
    desk = tenant.key()
    tenant.budget(1, **ONE_CALL)
    answer = desk.ask("POST", "/apis/mended", {"text": "x"})
    assert (answer.status, answer.json()) == (200, {"mood": "good"})
    assert len(provider.requests(model)) == 2
    rows_are_told(tenant, answer, ["", ".1"])
    left = round(float(answer.headers["x-llmgw-budget-left-usd"]) * 10**9)
    assert left == 10**9 - tenant.spent
    (limit,) = desk.left()["limits"]
    assert limit["requests_per_minute"]["used"] == 1
    assert limit["concurrent"]["used"] == 0


def test_mending_needs_room_in_the_budget(tenant: Tenant, provider: FakeProvider) -> None:
    """The first answer is paid for; the second try is refused, and its provider not asked."""
    model = fresh("a01_mended")
    mending(tenant.key("admin"), model, "dear")
    desk = tenant.key()
    poor = tenant.key()
    tenant.limit("key", poor.id, budgets={"total": 0})
    refused = poor.ask("POST", "/apis/dear", {"text": "x"}).json()["detail"]
    tenant.budget(float(refused.rpartition(" ")[2]))
    answer = desk.ask("POST", "/apis/dear", {"text": "x"})
    assert (answer.status, answer.json()["code"]) == (429, "budget_exceeded")
    assert len(provider.requests(model)) == 1
    (row,) = tenant.settled(1)
    assert row.operation == answer.headers["x-llmgw-call-id"]
    assert tenant.spent == row.cost > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_summary_on_the_way_is_an_operation_of_its_own(tenant: Tenant, *, stream: bool) -> None:
    """Made by the alias of the context's policy for a call that would not fit; both are told as one cost."""
    desk = tenant.key()
    context = desk.made(policy={"fit": "summarise", "summary_alias": "summary"})
    for number in range(8):
        assert desk.say(context, f"{number} " + "word " * 150, "openai/talk").status == 200
    before = len(tenant.settled(8))
    tenant.budget(1, **ONE_CALL)
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = desk.say(context, "and now?", "narrow/small", **more)
    assert answer.status == 200, answer.body
    call = answer.headers["x-llmgw-call-id"]
    rows = tenant.settled(before + 2)[before:]
    assert {row.operation for row in rows} == {call, f"{call}.1"}
    (summary,) = [row for row in rows if row.operation == f"{call}.1"]
    assert detail(summary).target == "openai/sum-up"
    assert sum(row.cost for row in rows) == told_usd(answer) == tenant.spent
    (limit,) = desk.left()["limits"]
    assert limit["requests_per_minute"]["used"] == 1


def test_a_compaction_is_a_request_whose_call_is_charged(tenant: Tenant) -> None:
    """Under its call's number; the compaction itself asks nobody and has no row."""
    desk = tenant.key()
    context = desk.told("one", "two", "three", "four")
    before = len(tenant.settled(4))
    tenant.budget(1, **ONE_CALL)
    answer = desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 1})
    assert answer.status == 200, answer.body
    (row,) = tenant.settled(before + 1)[before:]
    assert row.operation.endswith(".1")
    assert tenant.spent == row.cost > 0
    (limit,) = desk.left()["limits"]
    assert limit["requests_per_minute"]["used"] == 1
    assert limit["concurrent"]["used"] == 0


def test_an_evaluation_is_one_request_whose_calls_and_judges_are_charged(tenant: Tenant) -> None:
    """A row for each case and each judge; what it says it cost is what its cases cost."""
    admin = tenant.key("admin")
    content = {
        "messages": [{"role": "user", "text": "say {{ text }}"}],
        "model": "openai/tried",
        "input_schema": TEXT,
    }
    number = admin.done("POST", "/admin/v1/prompts", {"name": "tried", "content": content})["version"]
    cases = [
        {
            "vars": {"text": word},
            "assert": [{"type": "llm-rubric", "value": "is polite", "model": "openai/judge"}],
        }
        for word in ("hello", "good morning", "bye")
    ]
    tenant.budget(1, **ONE_CALL)
    path = f"/admin/v1/prompts/tried/versions/{number}/evaluate"
    found = admin.done("POST", path, {"cases": cases, "against": None, "concurrency": 3})
    rows = tenant.settled(6)
    assert {row.operation.rpartition(".")[2] for row in rows} == {"1", "2", "3", "4", "5", "6"}
    assert len({row.operation.rpartition(".")[0] for row in rows}) == 1
    judges = [row for row in rows if detail(row).model == "judge"]
    assert len(judges) == 3
    assert sum(row.cost for row in rows) == tenant.spent
    tried = sum(row.cost for row in rows if detail(row).model == "tried")
    assert round(found["cost"] * 10**9) == tried
    (limit,) = admin.left()["limits"]
    assert limit["requests_per_minute"]["used"] == 1
    assert limit["concurrent"]["used"] == 0


def test_an_evaluation_that_money_ends_is_no_verdict(tenant: Tenant) -> None:
    """It has room for some of its cases: it ends with the refusal, nothing is noted, and what was asked is paid."""
    admin = tenant.key("admin")
    content = {
        "messages": [{"role": "user", "text": "say hello"}],
        "model": "openai/tried",
        "config": {"max_tokens": 20},
    }
    number = admin.done("POST", "/admin/v1/prompts", {"name": "ended", "content": content})["version"]
    case = {"vars": {}, "assert": [{"type": "equals", "value": "hello"}]}
    tenant.budget(0.005)
    path = f"/prompts/ended/versions/{number}"
    body = {"cases": [case] * 100, "against": None}
    refused = admin.gateway.request(f"/admin/v1{path}/evaluate", body, key=admin.key)
    assert (refused.status, refused.json()["code"]) == (429, "budget_exceeded")
    version = admin.done("GET", f"/admin/v1{path}")
    assert not version.get("gate")
    books = tenant.closed()
    assert 0 < books.rows < 100
    assert tenant.spent <= 5_000_000


def test_within_limits_of_tokens_calls_within_take_their_part(tenant: Tenant, provider: FakeProvider) -> None:
    """A limit of tokens that leaves none for mending refuses it."""
    model = fresh("a01_mended")
    mending(tenant.key("admin"), model, "tokens")
    desk = tenant.key()
    poor = tenant.key()
    tenant.limit("key", poor.id, tokens_per_minute=1)
    refused = poor.ask("POST", "/apis/tokens", {"text": "x"}).json()["detail"]
    tenant.limit(tokens_per_minute=int(refused.rpartition(" ")[2]))
    answer = desk.ask("POST", "/apis/tokens", {"text": "x"})
    assert (answer.status, answer.json()["code"]) == (429, "rate_limit_exceeded")
    assert len(provider.requests(model)) == 1


def test_an_evaluation_that_nobody_waits_for_ends_and_is_charged(
    tenant: Tenant, provider: FakeProvider
) -> None:
    """Its calls are broken off: what they may have cost is charged, and nothing is left on hold or under way."""
    admin = tenant.key("admin")
    model = fresh("c01_silent")
    content = {"messages": [{"role": "user", "text": "say hello"}], "model": f"fake-openai/{model}"}
    number = admin.done("POST", "/admin/v1/prompts", {"name": "left", "content": content})["version"]
    case = {"vars": {}, "assert": [{"type": "equals", "value": "hello"}]}
    tenant.budget(1, **ONE_CALL)
    connection = http.client.HTTPConnection("127.0.0.1", admin.gateway.port, timeout=30)
    headers = {"authorization": f"Bearer {admin.key}", "content-type": "application/json"}
    body = json.dumps({"cases": [case], "against": None})
    connection.request("POST", f"/admin/v1/prompts/left/versions/{number}/evaluate", body, headers)
    heard = provider.request(model)
    connection.close()
    assert heard.left.wait(20)
    (row,) = tenant.settled(1)
    assert row.operation.endswith(".1")
    assert (detail(row).attempts[0].error, detail(row).estimated) == ("client_gone", True)
    nothing_left(admin)
    assert tenant.spent == row.cost > 0
