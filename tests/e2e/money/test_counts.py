"""The ledger held against the simulator's own count of what it would charge for."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from llmgw.policy.spending.ledger import Row
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.crowd import crowd
from tests.e2e.money.test_attempts import held, nothing_left
from tests.e2e.money.till import (
    CACHED,
    INPUT,
    KINDS,
    OUTPUT,
    WRITTEN,
    Keyholder,
    Tenant,
    detail,
    stats,
    told_usd,
)
from tests.e2e.money.ways import prompt_of
from tests.faults.provider import fresh

CALLS = 300
LOOK_UP = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": LOOK_UP}}
CLAUDES_TOOL = {"name": "look_up", "input_schema": LOOK_UP}
LONG = "please remember this very well " * 400
"""Long enough that what is said before the last message is found in a cache."""

Count = dict[str, int]
Body = Callable[[str, random.Random], tuple[str, dict[str, Any]]]
_numbers = itertools.count(1)


def counted(simulator: SimulatorProcess, models: list[str]) -> Count:
    """What the simulator would charge for some models together."""
    billed = stats(simulator.base_url)["billed"]
    names = ("answers", "input", "cached", "written", "output")
    return {name: sum(billed.get(model, {}).get(name, 0) for model in models) for name in names}


def posted(rows: list[Row]) -> Count:
    """The same of the ledger."""
    used = [each.usage for row in rows for each in detail(row).attempts if each.usage is not None]
    return {
        "answers": len(used),
        "input": sum(each.input or 0 for each in used),
        "cached": sum(each.cached_read or 0 for each in used),
        "written": sum(each.cache_write or 0 for each in used),
        "output": sum(each.output or 0 for each in used),
    }


def cost_of(count: Count) -> int:
    """Nano-USD of a count, exactly: the prices are multiples of a tenth of a nano-USD for a token."""
    plain = count["input"] - count["cached"] - count["written"]
    tenths = (
        plain * round(INPUT * 10_000)
        + count["cached"] * round(CACHED * 10_000)
        + count["written"] * round(WRITTEN * 10_000)
        + count["output"] * round(OUTPUT * 10_000)
    )
    assert tenths % 10 == 0
    return tenths // 10


def _messages(draw: random.Random) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "user", "content": f"count to {draw.randint(1, 40)}"}]
    if draw.random() < 0.3:
        before = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "I will."}]
        said = [*before, *said]
    return said


def chat(model: str, draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A chat, perhaps streamed, with tools, thoughts, or few tokens to answer."""
    body: dict[str, Any] = {"model": model, "messages": _messages(draw)}
    if draw.random() < 0.5:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if draw.random() < 0.3:
        body |= {"tools": [TOOL], "tool_choice": "required"}
    if draw.random() < 0.3:
        body["max_completion_tokens"] = draw.randint(5, 20)
    return "/v1/chat/completions", body


def messages(model: str, draw: random.Random) -> tuple[str, dict[str, Any]]:
    """The same in Anthropic's dialect, perhaps with a mark for the cache."""
    said = _messages(draw)
    if len(said) > 1 and draw.random() < 0.7:
        marked = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
        said[0] = {"role": "user", "content": [marked]}
    body: dict[str, Any] = {"model": model, "messages": said, "max_tokens": draw.randint(5, 200)}
    body["stream"] = draw.random() < 0.5
    if draw.random() < 0.3:
        body |= {"tools": [CLAUDES_TOOL], "tool_choice": {"type": "any"}}
    return "/v1/messages", body


def in_context(model: str, draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A chat that begins a conversation that is stored."""
    path, body = chat(model, draw)
    return path, {**body, "messages": body["messages"][-1:], "llmgw": {"context": {"create": True}}}


def embeddings(_: str, draw: random.Random) -> tuple[str, dict[str, Any]]:
    """Texts to embed; of one provider, whose answers say what they used."""
    return "/v1/embeddings", {"model": "openai/mixed", "input": ["some words"] * draw.randint(1, 5)}


@pytest.mark.parametrize("limited", [True, False])
def test_every_token_of_mixed_calls_is_in_the_ledger(
    tenant: Tenant, simulator: SimulatorProcess, valkey: EmbeddedValkey, *, limited: bool
) -> None:
    """300 calls over three protocols: rows and the simulator's count differ by 0 tokens, in each way of counting.

    And by 0 nano-USD, at the prices of the settings; callers were told the same. With limits and without.
    """
    draw = random.Random(7 + limited)  # noqa: S311  no secret
    models = [f"{kind}/mixed" for kind in KINDS] + ["openai/sim-think-ttft-1ms", "claude/sim-think-ttft-2ms"]
    admin = tenant.key("admin")
    prompts = [prompt_of(admin, model) for model in models]
    ways: list[Body] = [chat, messages, in_context, embeddings]

    def prompted(_: str, draw: random.Random) -> tuple[str, dict[str, Any]]:
        name = draw.choice(prompts)
        words = {"text": f"count to {draw.randint(1, 20)}"}
        return f"/v1/prompts/{name}/completions", {"messages": [], "variables": words}

    ways.append(prompted)
    if limited:
        tenant.budget(1000, tokens_per_minute=10**9, requests_per_minute=10**6)
    asked = [draw.choice(ways)(draw.choice(models), draw) for _ in range(CALLS)]
    names = sorted({model.partition("/")[2] for model in models})
    before = counted(simulator, names)
    outcome = crowd(tenant.key(), valkey.url, asked)
    assert outcome.statuses == {200: CALLS}, next(each.body for each in outcome.answers if each.status != 200)
    rows = tenant.settled(CALLS)
    after = counted(simulator, names)
    there = {name: after[name] - before[name] for name in after}
    assert posted(rows) == there
    assert there["answers"] == CALLS
    assert min(there.values()) > 0
    assert not any(detail(row).estimated for row in rows)
    assert sum(row.cost for row in rows) == cost_of(there) == sum(map(told_usd, outcome.answers))
    if limited:
        assert tenant.spent == cost_of(there)


def test_every_turn_of_a_conversation_is_in_the_ledger(tenant: Tenant, simulator: SimulatorProcess) -> None:
    """Twelve turns over three vendors: the same tokens in rows and in the simulator's count."""
    desk: Keyholder = tenant.key()
    tenant.budget(10)
    context = desk.made()
    names = [fresh("talk") for _ in KINDS]
    for turn in range(12):
        model = f"{KINDS[turn % 3]}/{names[turn % 3]}"
        assert desk.say(context, f"count to {turn + 1}", model, stream=turn % 2 == 1).status == 200
    rows = tenant.settled(12)
    assert posted(rows) == counted(simulator, names)
    assert tenant.spent == cost_of(posted(rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("knobs", ["cut-after-5", "reset-after-5", "error-in-stream-after-5", "nousage"])
def test_what_is_not_whole_or_not_told_is_estimated_within_what_was_held(
    tenant: Tenant, simulator: SimulatorProcess, kind: str, knobs: str
) -> None:
    """What a row says of it is near what the simulator would charge, and no more than was held for it."""
    model = f"sim-{knobs}-ttft-{next(_numbers)}ms"
    desk = tenant.key()
    most = held(desk, f"{kind}/{model}", text="count to 30", stream=True)
    tenant.budget(1, concurrent=2)
    desk.chat(f"{kind}/{model}", "count to 30", stream=True)
    (row,) = tenant.settled(1)
    nothing_left(desk)
    there, here = counted(simulator, [model]), posted([row])
    assert there["answers"] == here["answers"] == 1
    assert detail(row).estimated or (kind == "gemini" and knobs != "nousage")
    assert there["output"] / 3 <= here["output"] <= 3 * there["output"]
    assert there["input"] / 3 <= here["input"] <= 3 * there["input"]
    assert 0 < row.cost <= most
    assert tenant.spent == row.cost
