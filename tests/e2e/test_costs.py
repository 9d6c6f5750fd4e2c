"""What a call costs, as its caller, its operator and the log are told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.running import Answer, RunningGateway
from tests.waiting import until

INPUT, OUTPUT = 3.0, 15.0
"""US dollars for a million tokens."""


@pytest.fixture(scope="module")
def priced(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that asks only models with a price."""
    root = simulator.base_url.removesuffix("/v1")
    prices = {"input": INPUT, "output": OUTPUT}
    config = {
        "providers": {
            "sim": {"kind": "simulator", "base_url": simulator.base_url},
            "free": {"kind": "simulator", "base_url": simulator.base_url},
            "claude": {"kind": "anthropic", "base_url": root, "api_key": "none-needed"},
            "unheard": {"kind": "openai_compatible", "base_url": simulator.base_url},
        },
        "aliases": {"either": {"targets": ["unheard/sim", "sim/sim"]}},
        "prices": {"unknown": "refuse", "models": {"sim/*": prices, "claude/*": prices}},
    }
    with RunningGateway(tmp_path_factory.mktemp("priced"), config) as running:
        yield running


def worked_out(input_tokens: int, output_tokens: int) -> float:
    """US dollars, to a billionth."""
    return round((input_tokens * INPUT + output_tokens * OUTPUT) * 1000) / 10**9


def events(answer: Answer) -> list[dict[str, Any]]:
    """The JSON of a stream's events."""
    lines = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def log_line(gateway: RunningGateway, answer: Answer) -> dict[str, Any]:
    """The line of a call, once it is written."""
    wanted = answer.headers["x-llmgw-call-id"]

    def found() -> list[dict[str, Any]]:
        return [json.loads(line) for line in gateway.log().splitlines() if f'"{wanted}"' in line]

    until(lambda: bool(found()), "the call's line")
    return found()[0]


def test_a_whole_answer_tells_its_cost_in_a_header(priced: RunningGateway) -> None:
    """The tokens that the answer itself counts, at the file's prices; the log says whose they are."""
    answer = priced.chat("sim/sim")
    usage = answer.json()["usage"]
    cost = worked_out(usage["prompt_tokens"], usage["completion_tokens"])
    assert cost > 0
    assert float(answer.headers["x-llmgw-cost-usd"]) == cost
    line = log_line(priced, answer)
    assert line["cost_usd"] == cost
    assert line["prices"].startswith("config@")


def test_a_stream_tells_its_cost_beside_its_usage(priced: RunningGateway) -> None:
    """In the last chunk, for callers who ask for usage; others are sent no chunk more than they asked for."""
    answer = priced.chat("sim/sim", stream=True, stream_options={"include_usage": True})
    last = events(answer)[-1]
    usage = last["usage"]
    assert last["llmgw"] == {"cost_usd": worked_out(usage["prompt_tokens"], usage["completion_tokens"])}
    assert "x-llmgw-cost-usd" not in answer.headers
    unasked = priced.chat("sim/sim", stream=True)
    assert all("llmgw" not in event and event["choices"] for event in events(unasked))


def test_a_stream_of_messages_tells_its_cost_at_its_end(priced: RunningGateway) -> None:
    """In `message_delta`, beside the usage."""
    body = {"model": "sim/sim", "max_tokens": 100, "messages": [{"role": "user", "content": "say hello"}]}
    told = events(priced.request("/v1/messages", {**body, "stream": True}))
    delta = next(event for event in told if event["type"] == "message_delta")
    cost = worked_out(delta["usage"]["input_tokens"], delta["usage"]["output_tokens"])
    assert delta["llmgw"] == {"cost_usd": cost}


def test_a_stream_that_breaks_costs_what_its_provider_told_before(priced: RunningGateway) -> None:
    """Claude's input is told at the beginning, and paid for however the answer ends."""
    answer = priced.chat("claude/sim-cut-after-3", stream=True)
    line = log_line(priced, answer)
    assert (line["status"], line["error"]) == (200, "stream_interrupted")
    assert line["cost_usd"] >= worked_out(1, 0)


def test_a_model_of_ones_own_machine_costs_nothing(priced: RunningGateway) -> None:
    """And that is told, as it is known."""
    assert priced.chat("free/sim").headers["x-llmgw-cost-usd"] == "0"


def test_models_without_a_price_are_not_asked_where_that_is_forbidden(priced: RunningGateway) -> None:
    """Another target of the alias answers; where there is none, the call is refused."""
    assert priced.chat("either").headers["x-llmgw-target"] == "sim/sim"
    refused = priced.chat("unheard/sim")
    assert (refused.status, refused.json()["error"]["code"]) == (403, "price_missing")
    assert "x-llmgw-target" not in refused.headers


def test_counting_tokens_costs_nothing(priced: RunningGateway) -> None:
    """Though a provider counts them."""
    body = {"model": "claude/sim", "messages": [{"role": "user", "content": "say hello"}]}
    answer = priced.request("/v1/messages/count_tokens", body)
    assert answer.status == 200
    assert answer.json()["input_tokens"] > 0
    assert "x-llmgw-cost-usd" not in answer.headers
    assert "cost_usd" not in log_line(priced, answer)


def test_an_answer_given_again_costs_nothing(priced: RunningGateway) -> None:
    """The first one was paid for; the replay asks nobody."""
    body = {
        "model": "sim/sim",
        "messages": [{"role": "user", "content": "say hello"}],
        "llmgw": {"context": {"create": True}},
    }
    headers = {"idempotency-key": "cost-once"}
    first, again = (priced.request("/v1/chat/completions", body, headers=headers) for _ in range(2))
    assert float(first.headers["x-llmgw-cost-usd"]) > 0
    assert again.headers["x-llmgw-replayed"] == "true"
    assert "x-llmgw-cost-usd" not in again.headers
