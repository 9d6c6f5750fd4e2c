"""A thousand calls at once against a budget for a hundred: never a nano-dollar too much, on any main route."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.crowd import crowd
from tests.e2e.money.till import Tenant, stats, told_usd
from tests.e2e.money.ways import TEXT, prompt_of
from tests.faults.provider import FakeProvider, fresh
from tests.running import Answer
from tests.waiting import until

CALLS = 1000
FOR = 100
"""Calls that the budget is meant for: for so many estimates of what one costs at most."""

_numbers = itertools.count(1)
Bodies = Callable[[int], tuple[str, Any]]


def said(number: int) -> list[dict[str, str]]:
    """A question that no other call asks."""
    return [{"role": "user", "content": f"say {number}"}]


def chats(tenant: Tenant, model: str, *, stream: bool = False, context: bool = False) -> Bodies:
    """Chats, each with at most 20 tokens to answer."""
    del tenant
    more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    if context:
        more["llmgw"] = {"context": {"create": True}}

    def body(number: int) -> tuple[str, Any]:
        return "/v1/chat/completions", {
            "model": model, "messages": said(number), "max_completion_tokens": 20, **more,
        }  # fmt: skip

    return body


def messages(tenant: Tenant, model: str, *, stream: bool = False) -> Bodies:
    """The same in Anthropic's dialect."""
    del tenant
    return lambda number: (
        "/v1/messages",
        {"model": model, "messages": said(number), "max_tokens": 20, "stream": stream},
    )


def embeddings(tenant: Tenant, model: str) -> Bodies:
    """Texts to embed."""
    del tenant
    return lambda number: ("/v1/embeddings", {"model": model, "input": f"text {number}"})


def prompts(tenant: Tenant, model: str) -> Bodies:
    """A prompt with a variable."""
    name = prompt_of(tenant.key("admin"), model, config={"max_tokens": 20})
    return lambda number: (
        f"/v1/prompts/{name}/completions",
        {"messages": [], "variables": {"text": f"say {number}"}},
    )


def apis(tenant: Tenant, model: str) -> Bodies:
    """An API, whose answer is text that is told as JSON."""
    slug = f"crowd-{next(_numbers)}"
    told = {
        "messages": [{"role": "user", "text": "{{ text }}"}],
        "input_schema": TEXT,
        "config": {"max_tokens": 20},
    }
    tenant.key("admin").published(slug, **told, model=model, api={"slug": slug})
    return lambda number: (f"/v1/apis/{slug}", {"text": f"say {number}"})


WAYS: dict[str, Callable[[Tenant], Bodies]] = {
    "chat": lambda tenant: chats(tenant, "openai/crowd"),
    "chat streamed": lambda tenant: chats(tenant, "gemini/crowd", stream=True),
    "chat in contexts": lambda tenant: chats(tenant, "openai/crowd", context=True),
    "messages": lambda tenant: messages(tenant, "claude/crowd"),
    "messages streamed": lambda tenant: messages(tenant, "claude/crowd", stream=True),
    "embeddings": lambda tenant: embeddings(tenant, "openai/crowd"),
    "apis": lambda tenant: apis(tenant, "openai/crowd"),
    "prompts": lambda tenant: prompts(tenant, "openai/crowd"),
}


def cost_of_one(tenant: Tenant, bodies: Bodies) -> float:
    """US dollars that are held for one call: what a budget of nothing is told to be too little for."""
    key = tenant.key()
    tenant.limit("key", key.id, budgets={"total": 0})
    path, body = bodies(0)
    refused: Answer = key.gateway.request(path, body, key=key.key)
    assert refused.status == 429, refused.body
    return float(refused.body.decode().partition("may cost ")[2].partition('"')[0])


@pytest.mark.parametrize("way", WAYS)
def test_a_thousand_calls_at_once_spend_no_more_than_the_budget(
    tenant: Tenant, valkey: EmbeddedValkey, simulator: SimulatorProcess, way: str
) -> None:
    """A1: at every instant spent and held fit the budget; what was told, posted and spent is one sum at the end.

    Whoever was refused reached no provider.
    """
    bodies = WAYS[way](tenant)
    amount = round(FOR * cost_of_one(tenant, bodies), 9)
    tenant.budget(amount)
    most = round(amount * 10**9)
    before = stats(simulator.base_url)["requests"]
    outcome = crowd(tenant.key(), valkey.url, [bodies(number) for number in range(1, CALLS + 1)])
    assert set(outcome.statuses) == {200, 429}, outcome.statuses
    assert outcome.statuses[200] >= FOR
    assert stats(simulator.base_url)["requests"] - before == outcome.statuses[200]
    assert outcome.seen.proofs
    assert all(spent + held <= most for spent, held in outcome.seen.proofs)
    assert all(spent + held <= most == said for spent, held, said in outcome.seen.told)
    books = tenant.closed()
    (account,) = [each for each in books.accounts if each.name.startswith("tenant")]
    assert account.held == 0
    assert account.spent <= most
    rows = tenant.settled(len(outcome.good))
    assert sum(row.cost for row in rows) == account.spent == books.total_nano
    assert sum(map(told_usd, outcome.good)) == account.spent


def test_exactly_as_many_are_asked_as_the_budget_holds(
    tenant: Tenant, valkey: EmbeddedValkey, provider: FakeProvider
) -> None:
    """A1: 200 calls at once, none of which ends before all were decided, and money for 100: 100 are dispatched."""
    model = fresh("g01_paused")
    bodies = chats(tenant, f"fake-openai/{model}", stream=True)
    tenant.budget(round(FOR * cost_of_one(tenant, bodies), 9))
    desk = tenant.key()
    asked_before = refused(tenant, model)
    with ThreadPoolExecutor(1) as pool:
        crowding = pool.submit(crowd, desk, valkey.url, [bodies(0)] * 2 * FOR)
        until(lambda: len(provider.requests(model)) >= FOR, "a hundred calls to be under way")
        until(lambda: refused(tenant, model) == FOR + asked_before, "the other hundred to be refused")
        heard = provider.requests(model)
        for each in heard:
            each.go_on()
        outcome = crowding.result()
    assert len(heard) == FOR
    assert outcome.statuses == {200: FOR, 429: FOR}
    assert {answer.json()["error"]["code"] for answer in outcome.answers if answer.status == 429} == {
        "budget_exceeded"
    }
    assert len(tenant.settled(FOR)) == FOR
    tenant.closed()


def refused(tenant: Tenant, model: str, code: str = "budget_exceeded") -> int:
    """How many calls for a model were refused so, by the log."""
    return sum(
        f'"{code}"' in line and f'"fake-openai/{model}"' in line for line in tenant.gateway.log().splitlines()
    )
