"""What attempts cost that broke off, were retried or left: each once, none forgotten, none for nothing."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.types.money import NANO
from tests.e2e.money.till import Keyholder, Tenant, detail, nano, stats, told_usd
from tests.faults.provider import FakeProvider, fresh
from tests.waiting import until

SAY = [{"role": "user", "content": "say hello"}]
PROTOCOLS = ("openai", "anthropic", "gemini")


def held(desk: Keyholder, model: str, **members: Any) -> int:
    """Nano-USD that are held for such a call, as a key without money is told."""
    poor = desk.tenant.key()
    desk.tenant.limit("key", poor.id, budgets={"total": 0})
    refused = poor.chat(model, **members)
    assert refused.status == 429, refused.body
    return round(float(refused.body.decode().partition("may cost ")[2].partition('"')[0]) * 10**9)


def nothing_left(desk: Keyholder) -> None:
    """Neither a hold nor a lease is left of any call."""
    until(
        lambda: (
            all(each["held_usd"] == "0" for each in desk.left()["budgets"])
            and all(each["concurrent"]["used"] == 0 for each in desk.left()["limits"])
        ),
        "holds and leases to be gone",
    )


@pytest.fixture
def desk(tenant: Tenant) -> Keyholder:
    """A caller with a budget that is large enough, who may make some calls at once."""
    tenant.budget(1, concurrent=5)
    return tenant.key()


def test_each_attempt_that_may_have_cost_is_charged_once(tenant: Tenant, desk: Keyholder) -> None:
    """A3: two attempts break off after they had begun, the third answers: three rows, one sum, told to the caller.

    The first is counted here, the second was told its input by the provider; each row says why it broke off.
    """
    answer = desk.ask("POST", "/chat/completions", {"model": "thrice", "messages": SAY, "stream": True,
                      "stream_options": {"include_usage": True}})  # fmt: skip
    assert answer.status == 200
    assert answer.headers["x-llmgw-attempts"] == "3"
    first, second, third = tenant.settled(3)
    assert [row.operation.partition("+")[2] for row in (first, second, third)] == ["", "2", "3"]
    attempts = [detail(row).attempts for row in (first, second, third)]
    assert [len(each) for each in attempts] == [1, 1, 1]
    (one,), (two,), (three,) = attempts
    assert (one.error, one.estimated) == ("provider_timeout", True)
    assert one.usage is not None
    assert (one.usage.output, first.cost) == (0, nano(one.usage.input or 0, 0))
    assert (two.error, two.estimated, second.cost) == ("provider_timeout", False, nano(7, 1))
    assert (three.error, three.estimated, three.target) == ("", False, "openai/thrice")
    assert first.cost + second.cost + third.cost == told_usd(answer) == tenant.spent
    nothing_left(desk)


def test_without_a_budget_all_attempts_are_one_row(tenant: Tenant) -> None:
    """A3: nothing is on hold that they could outgrow together."""
    desk = tenant.key()
    answer = desk.ask("POST", "/chat/completions", {"model": "twice", "messages": SAY, "stream": True,
                      "stream_options": {"include_usage": True}})  # fmt: skip
    (row,) = tenant.settled(1)
    assert [each.error for each in detail(row).attempts] == ["provider_timeout", ""]
    assert row.cost == told_usd(answer) == detail(row).nano


def test_what_an_attempt_cost_may_leave_no_room_for_the_next(
    tenant: Tenant, simulator: SimulatorProcess
) -> None:
    """A3: the budget has room for one attempt and is charged for it; the next is refused, and nobody is asked."""
    desk = tenant.key()
    tenant.budget(held(desk, "once", stream=True) / NANO)
    before = stats(simulator.base_url)["requests"]
    answer = desk.chat("once", stream=True)
    assert (answer.status, answer.json()["error"]["code"]) == (429, "budget_exceeded")
    assert stats(simulator.base_url)["requests"] == before
    (row,) = tenant.settled(1)
    assert row.cost > 0
    books = tenant.closed()
    assert books.rows == 1


def test_a_call_whose_attempts_all_failed_for_nothing_gives_all_back(tenant: Tenant) -> None:
    """Money and tokens; that it was made still counts as a request. No row tells of it."""
    desk = tenant.key()
    tenant.budget(1, concurrent=5, tokens_per_minute=100_000, requests_per_minute=100)
    answer = desk.chat("broken")
    assert answer.status == 502
    assert int(answer.headers["x-llmgw-attempts"]) > 1
    nothing_left(desk)
    (limit,) = desk.left()["limits"]
    assert limit["tokens_per_minute"]["used"] == 0
    assert limit["requests_per_minute"]["used"] == 1
    assert tenant.rows() == []
    assert tenant.spent == 0


def test_an_attempt_that_failed_for_nothing_costs_nothing_beside_one_that_answers(
    tenant: Tenant, desk: Keyholder
) -> None:
    """A3: a provider that refused is in no row; the one row is that of who answered."""
    answer = desk.chat("flaky")
    assert answer.headers["x-llmgw-attempts"] == "2"
    (row,) = tenant.settled(1)
    (attempt,) = detail(row).attempts
    assert attempt.target == "claude/steady"
    assert row.cost == told_usd(answer) == tenant.spent


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stream_that_is_cut_costs_what_was_said_by_then(
    tenant: Tenant, desk: Keyholder, provider: FakeProvider, protocol: str
) -> None:
    """A2: input and what came of the answer, marked as estimated where the provider had not counted all of it."""
    model = fresh("p09_fin")
    with desk.streaming(f"fake-{protocol}/{model}") as answer:
        answer.readline()
        provider.request(model).go_on()
        assert b"[DONE]" not in answer.read()
    (row,) = tenant.settled(1)
    (attempt,) = detail(row).attempts
    assert attempt.error == "stream_interrupted"
    assert attempt.usage is not None
    assert (attempt.usage.input or 0) > 0
    assert (attempt.usage.output or 0) > 1
    assert attempt.estimated
    assert 0 < row.cost <= held(desk, f"fake-{protocol}/{model}")
    nothing_left(desk)
    assert tenant.spent == row.cost


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", ["c01_middle", "c01_begun", "c01_silent", "c01_half"])
def test_who_leaves_is_charged_what_the_provider_may_charge(
    tenant: Tenant, desk: Keyholder, provider: FakeProvider, case: str, protocol: str
) -> None:
    """In the middle of a stream, before its first content, before any byte, and in the middle of a whole answer."""
    model = fresh(case)
    target = f"fake-{protocol}/{model}"
    stream = case in {"c01_middle", "c01_begun"}
    leaving = _asking(desk, target, stream=stream)
    heard = provider.request(model)
    if case == "c01_middle":
        leaving.getresponse().readline()
    leaving.close()
    assert heard.left.wait(20)
    (row,) = tenant.settled(1)
    (attempt,) = detail(row).attempts
    assert attempt.error == "client_gone"
    assert attempt.usage is not None
    assert (attempt.usage.input or 0) > 0
    assert attempt.estimated or protocol != "openai"
    assert 0 < row.cost <= held(desk, target)
    nothing_left(desk)
    assert tenant.spent == row.cost


def _asking(desk: Keyholder, model: str, *, stream: bool) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=30)
    body = json.dumps({"model": model, "messages": SAY, "stream": stream})
    headers = {"authorization": f"Bearer {desk.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    return connection


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_whole_stream_without_usage_is_counted_here(tenant: Tenant, desk: Keyholder, protocol: str) -> None:
    """A2: and marked as estimated; it is within what was held for it."""
    target = f"fake-{protocol}/{fresh('p17_no_usage')}"
    answer = desk.chat(target, stream=True)
    assert answer.status == 200
    (row,) = tenant.settled(1)
    assert detail(row).estimated
    assert 0 < row.cost <= held(desk, target)


def test_usage_of_nothing_costs_nothing(tenant: Tenant, desk: Keyholder) -> None:
    """A2: what the provider says wins, and its zero is a zero: nothing is counted in its place."""
    answer = desk.chat(f"fake-openai/{fresh('a02_zero')}")
    assert answer.headers["x-llmgw-cost-usd"] == "0"
    (row,) = tenant.settled(1)
    assert (row.cost, detail(row).estimated) == (0, False)


def test_a_model_without_a_price_is_asked_for_nobody_with_a_budget(
    tenant: Tenant, simulator: SimulatorProcess
) -> None:
    """A4: 403 and nothing sent; without a budget it answers, and its row has tokens and no price."""
    desk = tenant.key()
    tenant.budget(1)
    before = stats(simulator.base_url)["requests"]
    refused = desk.chat("unheard/plain")
    assert (refused.status, refused.json()["error"]["code"]) == (403, "price_missing")
    assert stats(simulator.base_url)["requests"] == before
    nobody = Tenant(tenant.gateway, tenant._store_url)
    answer = nobody.key().chat("unheard/plain")
    assert answer.status == 200
    assert "x-llmgw-cost-usd" not in answer.headers
    (row,) = nobody.settled(1)
    (attempt,) = detail(row).attempts
    assert (row.cost, attempt.nano) == (0, None)
    assert attempt.usage is not None


def test_what_asks_no_model_to_answer_costs_nothing(tenant: Tenant, desk: Keyholder) -> None:
    """A7: reading, counting tokens, and an answer given again leave no row and spend nothing."""
    body = {"model": "openai/again", "messages": SAY, "llmgw": {"context": {"create": True}}}
    again = {"idempotency-key": tenant.name}
    first = desk.ask("POST", "/chat/completions", body, headers=again)
    tenant.settled(1)
    second = desk.ask("POST", "/chat/completions", body, headers=again)
    assert second.headers["x-llmgw-replayed"] == "true"
    counting: list[Callable[[], Any]] = [
        lambda: desk.ask("GET", "/models"),
        lambda: desk.ask("GET", "/contexts"),
        lambda: desk.ask("POST", "/messages/count_tokens", {"model": "claude/count", "messages": SAY}),
        lambda: desk.ask("POST", "/tokens/count", {"model": "openai/count", "text": "hello"}),
    ]
    for ask in counting:
        assert ask().status == 200
    assert len(tenant.rows()) == 1
    assert tenant.spent == told_usd(first)


@pytest.mark.parametrize("case", ["p08_begun", "p08_begun_reset"])
def test_a_target_that_is_asked_again_is_charged_for_both_attempts(
    tenant: Tenant, desk: Keyholder, provider: FakeProvider, case: str
) -> None:
    """A3: it broke off after it had begun; what it may charge for that is a row of its own."""
    model = fresh(case)
    answer = desk.chat(f"fake-anthropic/{model}", stream=True)
    assert answer.status == 200
    assert len(provider.requests(model)) == 2
    first, second = tenant.settled(2)
    assert second.operation == f"{first.operation}+2"
    assert detail(first).attempts[0].error == "stream_interrupted"
    assert (first.cost, second.cost) == (nano(7, 1), nano(7, 3))
    assert tenant.spent == nano(14, 4)
    nothing_left(desk)


@pytest.mark.parametrize("case", ["p04_once", "p03_soon", "p08_no_head"])
def test_a_target_that_refused_for_nothing_is_charged_for_its_answer_alone(
    tenant: Tenant, desk: Keyholder, provider: FakeProvider, case: str
) -> None:
    """A3: it failed, or was too busy, or closed the connection without a word, and then answered: one row."""
    model = fresh(case)
    answer = desk.chat(f"fake-anthropic/{model}")
    assert answer.status == 200
    assert len(provider.requests(model)) == 2
    (row,) = tenant.settled(1)
    assert row.operation == answer.headers["x-llmgw-call-id"]
    assert row.cost == nano(7, 3) == told_usd(answer) == tenant.spent
    nothing_left(desk)


@pytest.mark.parametrize("case", ["p12_html", "p04_500", "p05_400", "p05_401"])
def test_a_provider_that_refuses_for_good_costs_nothing(
    tenant: Tenant, desk: Keyholder, provider: FakeProvider, case: str
) -> None:
    """No row, nothing on hold; a page instead of an answer may have cost, and says that it is estimated."""
    model = fresh(case)
    answer = desk.chat(f"fake-openai/{model}")
    assert answer.status >= 400
    assert provider.requests(model)
    nothing_left(desk)
    assert all(detail(row).estimated for row in tenant.rows())
    assert bool(tenant.rows()) is (case == "p12_html")
