"""What vendors' own clients read of limits on answers and refusals, and whether they come again."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from llmgw.simulator.process import SimulatorProcess
from openai.types.chat import ChatCompletionUserMessageParam
from tests.e2e.money.till import Keyholder, Tenant, nano, stats, told_usd
from tests.faults.provider import FakeProvider, fresh

SAY: ChatCompletionUserMessageParam = {"role": "user", "content": "say hello"}
SAID: MessageParam = {"role": "user", "content": "say hello"}
RETRIES = 2


@pytest.fixture
def desk(tenant: Tenant) -> Keyholder:
    """A caller."""
    return tenant.key()


@pytest.fixture
def chat(desk: Keyholder) -> Iterator[openai.OpenAI]:
    """OpenAI's client, which comes again on its own."""
    with openai.OpenAI(base_url=desk.gateway.url, api_key=desk.key, max_retries=RETRIES) as made:
        yield made


@pytest.fixture
def claude(desk: Keyholder) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client, which comes again on its own."""
    with anthropic.Anthropic(base_url=desk.gateway.root, api_key=desk.key, max_retries=RETRIES) as made:
        yield made


def calls_of(desk: Keyholder, model: str) -> int:
    """How often the gateway was asked for a model, by its log."""
    return desk.gateway.log().count(f'"alias":"{model}"')


def test_openais_client_reads_what_is_left_after_the_call(
    desk: Keyholder, tenant: Tenant, chat: openai.OpenAI
) -> None:
    """Requests, tokens and money; tokens and money as they were used, not as they were held for it."""
    tenant.limit(requests_per_minute=10, tokens_per_minute=50_000, budgets={"day": 1})
    raw = chat.chat.completions.with_raw_response.create(model="openai/rates", messages=[SAY])
    usage = raw.parse().usage
    assert usage is not None
    headers = raw.headers
    assert headers["x-ratelimit-limit-requests"] == "10"
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert headers["x-ratelimit-reset-requests"] == "1m0s"
    assert headers["x-ratelimit-limit-tokens"] == "50000"
    assert headers["x-ratelimit-remaining-tokens"] == str(50_000 - usage.total_tokens)
    left = 10**9 - nano(usage.prompt_tokens, usage.completion_tokens)
    assert round(float(headers["x-llmgw-budget-left-usd"]) * 10**9) == left
    (limit,) = desk.left()["limits"]
    assert limit["tokens_per_minute"]["left"] == 50_000 - usage.total_tokens
    (budget,) = desk.left()["budgets"]
    assert round(float(budget["left_usd"]) * 10**9) == left


def test_anthropics_client_reads_the_same_in_its_words(tenant: Tenant, claude: anthropic.Anthropic) -> None:
    """With the times at which all of it is back."""
    tenant.limit(requests_per_minute=10, tokens_per_minute=50_000)
    raw = claude.messages.with_raw_response.create(model="claude/rates", max_tokens=50, messages=[SAID])
    usage = raw.parse().usage
    headers = raw.headers
    assert headers["anthropic-ratelimit-requests-limit"] == "10"
    assert headers["anthropic-ratelimit-requests-remaining"] == "9"
    assert headers["anthropic-ratelimit-tokens-limit"] == "50000"
    used = usage.input_tokens + usage.output_tokens
    assert headers["anthropic-ratelimit-tokens-remaining"] == str(50_000 - used)
    assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


def test_a_stream_tells_what_is_left_with_its_most_on_hold(
    desk: Keyholder, tenant: Tenant, provider: FakeProvider
) -> None:
    """Its headers go out before it is known what it takes."""
    tenant.limit(tokens_per_minute=50_000)
    model = fresh("g01_paused")
    with desk.streaming(f"fake-openai/{model}", max_completion_tokens=1000) as answer:
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 50_000 - 1000
        provider.request(model).go_on()
        assert b"data: [DONE]" in answer.read()


def test_a_budget_that_is_used_up_is_not_asked_again(
    desk: Keyholder,
    tenant: Tenant,
    chat: openai.OpenAI,
    claude: anthropic.Anthropic,
    simulator: SimulatorProcess,
) -> None:
    """Both clients raise their error for rates at once, and no provider is asked."""
    model = f"openai/{fresh('spent')}"
    tenant.budget(0.000_001)
    before = stats(simulator.base_url)["requests"]
    with pytest.raises(openai.RateLimitError) as refused:
        chat.chat.completions.create(model=model, messages=[SAY])
    assert refused.value.code == "budget_exceeded"
    assert refused.value.response.headers["x-llmgw-budget-left-usd"] == "0.000001"
    with pytest.raises(anthropic.RateLimitError) as told:
        claude.messages.create(model=model, max_tokens=50, messages=[SAID])
    assert told.value.response.headers["x-llmgw-limit"] == f"tenant:{tenant.name}:total"
    assert calls_of(desk, model) == 2
    assert stats(simulator.base_url)["requests"] == before


def test_a_rate_that_leaves_room_soon_is_asked_again(
    desk: Keyholder, tenant: Tenant, simulator: SimulatorProcess
) -> None:
    """A client comes again as often as it would at the vendor's, and is told that nothing is left."""
    model = f"openai/{fresh('rated')}"
    tenant.limit(requests_per_minute=1)
    assert desk.chat(model).status == 200
    before = stats(simulator.base_url)["requests"]
    waits: list[float] = []
    with openai.OpenAI(base_url=desk.gateway.url, api_key=desk.key, max_retries=RETRIES) as chat:
        chat._sleep_for_retry = lambda **_: waits.append(1.0)  # type: ignore[method-assign]
        with pytest.raises(openai.RateLimitError) as refused:
            chat.chat.completions.create(model=model, messages=[SAY])
    headers = refused.value.response.headers
    assert len(waits) == RETRIES
    assert calls_of(desk, model) == 2 + RETRIES
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert 1 <= int(headers["retry-after"]) <= 62
    assert stats(simulator.base_url)["requests"] == before


def test_anthropics_client_reads_a_refusal_for_tokens(tenant: Tenant, claude: anthropic.Anthropic) -> None:
    """A call larger than the limit is refused for good: it is not asked again, and told what would fit."""
    tenant.limit(tokens_per_minute=100)
    with pytest.raises(anthropic.RateLimitError) as refused:
        claude.messages.create(model="claude/rates", max_tokens=500, messages=[SAID])
    headers = refused.value.response.headers
    assert headers["x-should-retry"] == "false"
    assert headers["anthropic-ratelimit-tokens-limit"] == "100"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "100"
    assert headers["x-llmgw-limit"] == f"tenant:{tenant.name}:tokens"


def test_what_a_header_says_is_left_is_what_the_books_say(desk: Keyholder, tenant: Tenant) -> None:
    """To the nano-dollar."""
    tenant.budget(1)
    answer = desk.chat("openai/rates")
    left = round(float(answer.headers["x-llmgw-budget-left-usd"]) * 10**9)
    assert left == 10**9 - told_usd(answer) == 10**9 - tenant.spent
