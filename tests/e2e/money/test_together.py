"""Several limits and budgets at once, and several workers: each holds whatever the others do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.crowd import Outcome, crowd
from tests.e2e.money.test_crowds import chats, cost_of_one, refused
from tests.e2e.money.till import Keyholder, Tenant, config_for, detail, told_usd
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider, fresh
from tests.running import RunningGateway
from tests.waiting import until

CALLS = 400
ENOUGH = 30
"""New connections of which, with two workers, some come to each."""


@pytest.fixture(scope="module")
def two_workers(
    simulator: SimulatorProcess,
    provider: FakeProvider,
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    """A gateway of two workers on the same store."""
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    config = config_for(simulator.base_url, fakes, valkey.url)
    config["server"] = {"workers": 2}
    with RunningGateway(tmp_path_factory.mktemp("two"), config) as gateway:
        yield gateway


def codes(outcome: Outcome) -> set[tuple[str, str]]:
    """Code and limit of each refusal."""
    return {
        (answer.json()["error"]["code"], answer.headers["x-llmgw-limit"])
        for answer in outcome.answers
        if answer.status == 429
    }


def _amount(desk: Keyholder) -> float:
    (budget,) = desk.left()["budgets"]
    return float(budget["amount_usd"])


def test_two_workers_spend_no_more_than_one_budget(
    two_workers: RunningGateway, valkey: EmbeddedValkey
) -> None:
    """A1: each asks the store, and the store decides: no sample shows more than the amount, and books agree."""
    tenant = Tenant(two_workers, valkey.url)
    bodies = chats(tenant, "openai/crowd")
    desk = tenant.key()
    tenant.budget(0)
    until(lambda: all(desk.left()["budgets"] for _ in range(ENOUGH)), "both workers to know of a budget")
    amount = round(50 * cost_of_one(tenant, bodies), 9)
    tenant.budget(amount)
    until(lambda: all(_amount(desk) == amount for _ in range(ENOUGH)), "both workers to know of the budget")
    outcome = crowd(desk, valkey.url, [bodies(number) for number in range(CALLS)])
    most = round(amount * 10**9)
    assert set(outcome.statuses) == {200, 429}
    assert codes(outcome) == {("budget_exceeded", f"tenant:{tenant.name}:total")}
    assert all(spent + held <= most for spent, held in outcome.seen.proofs)
    rows = tenant.settled(outcome.statuses[200])
    assert sum(row.cost for row in rows) == sum(map(told_usd, outcome.good)) == tenant.spent <= most
    calls = {answer.headers["x-llmgw-call-id"] for answer in outcome.good}
    assert {row.operation for row in rows} == calls == {detail(row).call for row in rows}


def test_the_tightest_of_all_budgets_decides(tenant: Tenant, valkey: EmbeddedValkey) -> None:
    """A tenant, a team, a key and two tags have one each: none is overrun, and all are charged the same calls."""
    bodies = chats(tenant, "openai/crowd")
    one = cost_of_one(tenant, bodies)
    desk = tenant.key(team="blue", tags=["red", "hot"])
    tenant.budget(round(400 * one, 9))
    tenant.limit("team", "blue", budgets={"day": round(300 * one, 9)})
    tenant.limit("key", desk.id, budgets={"hour": round(200 * one, 9), "month": round(250 * one, 9)})
    tenant.limit("tag", "red", budgets={"total": round(60 * one, 9)})
    tenant.limit("tag", "hot", budgets={"total": round(90 * one, 9)})
    outcome = crowd(desk, valkey.url, [bodies(number) for number in range(CALLS)])
    assert codes(outcome) == {("budget_exceeded", "tag:red:total")}
    assert all(spent + held <= amount for spent, held, amount in outcome.seen.told)
    books = tenant.closed()
    told = sum(map(told_usd, outcome.good))
    spent = {each.name.rsplit(":", 1)[0]: each.spent for each in books.accounts}
    assert {name.partition(":")[0] for name in spent} == {"tenant", "team", "key", "tag"}
    assert set(spent.values()) == {told}
    assert len(spent) == 6


def test_no_more_requests_pass_in_a_minute_than_may(tenant: Tenant, valkey: EmbeddedValkey) -> None:
    """R1: four hundred at once, and a hundred a minute: a hundred are answered, the others told when to come."""
    bodies = chats(tenant, "openai/crowd")
    tenant.limit(requests_per_minute=100)
    outcome = crowd(tenant.key(), valkey.url, [bodies(number) for number in range(CALLS)])
    assert outcome.statuses == {200: 100, 429: CALLS - 100}
    assert codes(outcome) == {("rate_limit_exceeded", f"tenant:{tenant.name}:requests")}
    left = {int(answer.headers["x-ratelimit-remaining-requests"]) for answer in outcome.good}
    assert left == set(range(100))


def test_no_more_tokens_pass_in_a_minute_than_may(tenant: Tenant, valkey: EmbeddedValkey) -> None:
    """What a call may take counts when it comes, what it took once it has ended: both are within the limit."""
    bodies = chats(tenant, "openai/crowd")
    desk = tenant.key()
    tenant.limit(tokens_per_minute=5000)
    outcome = crowd(desk, valkey.url, [bodies(number) for number in range(CALLS)])
    assert codes(outcome) == {("rate_limit_exceeded", f"tenant:{tenant.name}:tokens")}
    rows = tenant.settled(outcome.statuses[200])
    used = [detail(row).attempts[0].usage for row in rows]
    total = sum((each.input or 0) + (each.output or 0) for each in used if each is not None)
    assert 0 < total <= 5000
    (limit,) = desk.left()["limits"]
    assert limit["tokens_per_minute"]["used"] == total


def test_no_more_calls_are_under_way_than_may(
    tenant: Tenant, valkey: EmbeddedValkey, provider: FakeProvider
) -> None:
    """Fifty at once, ten at a time: ten reach the provider, and when they have ended ten more may."""
    model = fresh("g01_paused")
    bodies = chats(tenant, f"fake-openai/{model}", stream=True)
    tenant.limit(concurrent=10)
    desk = tenant.key()
    with ThreadPoolExecutor(1) as pool:
        crowding = pool.submit(crowd, desk, valkey.url, [bodies(0)] * 50)
        until(lambda: refused(tenant, model, "concurrency_limit_exceeded") == 40, "forty to be refused")
        until(lambda: len(provider.requests(model)) == 10, "ten to reach the provider")
        heard = provider.requests(model)
        for each in heard:
            each.go_on()
        outcome: Any = crowding.result()
    assert outcome.statuses == {200: 10, 429: 40}
    (limit,) = desk.left()["limits"]
    assert limit["concurrent"]["used"] == 0
    assert desk.chat("openai/crowd").status == 200


def test_a_tenant_that_made_no_call_yet_has_all_that_it_may_have(tenant: Tenant) -> None:
    """Its books are new, not lost."""
    tenant.budget(1, requests_per_minute=5)
    left = tenant.key().left()
    assert [each["left_usd"] for each in left["budgets"]] == ["1"]
    assert [each["requests_per_minute"]["left"] for each in left["limits"]] == [5]
