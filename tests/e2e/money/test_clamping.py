"""How much a provider is told that it may answer: what was said, else a default, and less where money runs out."""

from typing import Any

import pytest
from llmgw.types.money import NANO
from tests.e2e.money.test_attempts import held
from tests.e2e.money.till import Keyholder, Tenant, told_usd
from tests.e2e.money.wiretap import Wiretap
from tests.faults.provider import fresh

MOST = {"openai": "max_completion_tokens", "claude": "max_tokens", "gemini": "maxOutputTokens"}
LONG = "count to 500"
LEAST = 16
"""Tokens below which no answer is worth a call."""


def most_of(kind: str, body: dict[str, Any]) -> int | None:
    """The most tokens that a provider was told to answer."""
    place = body.get("generationConfig", {}) if kind == "gemini" else body
    found: int | None = place.get(MOST[kind])
    return found


@pytest.mark.parametrize("kind", MOST)
def test_the_most_is_told_where_a_budget_needs_one_and_nothing_is_said(
    tenant: Tenant, wiretap: Wiretap, kind: str
) -> None:
    """The default of the settings; where no budget and no limit of tokens is in force, nothing is put in."""
    model = fresh("told")
    desk = tenant.key()
    assert desk.chat(f"{kind}/{model}").status == 200
    tenant.budget(1)
    assert desk.chat(f"{kind}/{model}").status == 200
    free, bound = wiretap.bodies(model)
    # Claude must always be told a number.
    assert most_of(kind, free) == (8192 if kind == "claude" else None)
    assert most_of(kind, bound) == 4096


@pytest.mark.parametrize("kind", MOST)
def test_what_is_said_is_not_changed(tenant: Tenant, wiretap: Wiretap, kind: str) -> None:
    """By a budget with room for it."""
    model = fresh("told")
    tenant.budget(1)
    assert tenant.key().chat(f"{kind}/{model}", max_completion_tokens=77).status == 200
    (body,) = wiretap.bodies(model)
    assert most_of(kind, body) == 77


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", MOST)
def test_a_call_is_clamped_to_what_is_left(
    tenant: Tenant, wiretap: Wiretap, kind: str, *, stream: bool
) -> None:
    """The provider is told less than was asked for, the answer ends there, and its cost fits to the nano-dollar."""
    model = fresh("told")
    desk = tenant.key()
    whole = held(desk, f"{kind}/{model}", text=LONG)
    tenant.budget((whole - 4000 * 15_000) / NANO, on_headroom="clamp")
    answer = desk.chat(f"{kind}/{model}", LONG, stream=stream)
    assert answer.status == 200, answer.body
    (body,) = wiretap.bodies(model)
    # What is left buys 96 of the 4096 tokens that the call would be held to.
    assert most_of(kind, body) == 96
    assert b'"finish_reason":"length"' in answer.body
    (row,) = tenant.settled(1)
    assert row.cost <= whole - 4000 * 15_000
    (account,) = tenant.closed().accounts
    assert account.spent == row.cost
    if not stream:
        assert told_usd(answer) == row.cost


@pytest.mark.parametrize("policy", ["refuse", "clamp"])
def test_a_call_is_refused_where_refusing_is_the_rule_or_nothing_is_worth_it(
    tenant: Tenant, wiretap: Wiretap, policy: str
) -> None:
    """Where the rule is to clamp, an answer of fewer than 16 tokens is no answer."""
    model = fresh("told")
    desk = tenant.key()
    whole = held(desk, f"openai/{model}")
    room = LEAST - 1 if policy == "clamp" else 4000
    tenant.budget((whole - (4096 - room) * 15_000) / NANO, on_headroom=policy)
    refused = desk.chat(f"openai/{model}")
    assert (refused.status, refused.json()["error"]["code"]) == (429, "budget_exceeded")
    assert wiretap.bodies(model) == []


def test_a_clamped_call_in_a_context_is_stored_as_it_was_answered(tenant: Tenant, wiretap: Wiretap) -> None:
    """What the provider is told of its length does not change what is said."""
    model = fresh("told")
    desk = tenant.key()
    context = desk.made()
    whole = held(desk, f"openai/{model}", text=LONG, llmgw={"context": context})
    tenant.budget((whole - 4000 * 15_000) / NANO, on_headroom="clamp")
    answer = desk.say(context, LONG, f"openai/{model}")
    assert answer.status == 200, answer.body
    (body,) = wiretap.bodies(model)
    assert most_of("openai", body) == 96
    asked, answered = desk.texts(context)
    assert asked == LONG
    assert answered == answer.json()["choices"][0]["message"]["content"]


def test_what_a_prompt_says_of_length_holds(tenant: Tenant, wiretap: Wiretap) -> None:
    """As what the caller says would; the caller's own word wins."""
    model = fresh("told")
    admin: Keyholder = tenant.key("admin")
    content = {"messages": [{"role": "user", "text": "say hello"}], "model": f"openai/{model}"}
    admin.published("length", **content, config={"max_tokens": 55})
    tenant.budget(1)
    for more in ({}, {"max_completion_tokens": 33}):
        answer = admin.ask("POST", "/prompts/length/completions", {"messages": [], **more})
        assert answer.status == 200, answer.body
    assert [most_of("openai", body) for body in wiretap.bodies(model)] == [55, 33]
