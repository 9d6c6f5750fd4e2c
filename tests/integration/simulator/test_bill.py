"""What the simulator says it charged for, held against the usage that its answers tell."""

import json
import urllib.request
from contextlib import suppress
from http.client import IncompleteRead
from typing import Any

import pytest
from llmgw.simulator.thread import SimulatorThread

TOOL = {"name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
    "gemini_stream": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
}


def send(simulator: SimulatorThread, path: str, body: Any) -> bytes:
    """Post a body and read what comes, were it cut."""
    root = simulator.base_url.removesuffix("/v1")
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    request = urllib.request.Request(root + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        try:
            whole: bytes = response.read()
        except IncompleteRead as cut:
            return cut.partial
        return whole


def billed(simulator: SimulatorThread, model: str) -> dict[str, int]:
    """What a model's answers were charged."""
    root = simulator.base_url.removesuffix("/v1")
    with urllib.request.urlopen(f"{root}/_sim/stats", timeout=20) as response:
        found: dict[str, int] = json.load(response)["billed"].get(model, {})
    return found


def asked(protocol: str, model: str, *, stream: bool, tools: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a question in a protocol."""
    text = "use look_up for tea" if tools else "count to 12"
    user = {"role": "user", "content": text}
    match protocol:
        case "openai":
            body: dict[str, Any] = {"model": model, "messages": [user], "stream": stream}
            body |= {"stream_options": {"include_usage": True}} if stream else {}
            body |= (
                {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"}
                if tools
                else {}
            )
            return PATHS["openai"], body
        case "anthropic":
            body = {"model": model, "messages": [user], "max_tokens": 500, "stream": stream}
            if tools:
                body["tools"] = [{"name": TOOL["name"], "input_schema": TOOL["parameters"]}]
                body["tool_choice"] = {"type": "any"}
            return PATHS["anthropic"], body
        case _:
            body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            if tools:
                body["tools"] = [{"functionDeclarations": [TOOL]}]
                body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY"}}
            return PATHS["gemini_stream" if stream else "gemini"].format(model=model), body


def told(protocol: str, answer: bytes, *, stream: bool) -> tuple[int, int]:
    """Tokens in and out, as the answer's last word has them."""
    lines = [line[6:] for line in answer.splitlines() if line.startswith(b"data: {")] if stream else [answer]
    documents = [json.loads(line) for line in lines]
    match protocol:
        case "openai":
            used = next(each["usage"] for each in reversed(documents) if each.get("usage"))
            return used["prompt_tokens"], used["completion_tokens"]
        case "anthropic":
            used = next(each["usage"] for each in reversed(documents) if "usage" in each)
            return used["input_tokens"], used["output_tokens"]
        case _:
            used = documents[-1]["usageMetadata"]
            output = used["candidatesTokenCount"] + used.get("thoughtsTokenCount", 0)
            return used["promptTokenCount"], output


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "tools"), [("sim-think", False), ("sim", True)])
def test_whole_answers_are_charged_what_they_tell(
    simulator: SimulatorThread, protocol: str, model: str, *, stream: bool, tools: bool
) -> None:
    """Whole and streamed, with thoughts and with tools."""
    path, body = asked(protocol, model, stream=stream, tools=tools)
    tokens = told(protocol, send(simulator, path, body), stream=stream)
    found = billed(simulator, model)
    assert (found["answers"], found["input"], found["output"]) == (1, *tokens)


@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
def test_a_stream_that_is_cut_is_charged_what_was_sent(simulator: SimulatorThread, protocol: str) -> None:
    """All that was asked, and three tokens of the answer; a model that tells no usage is charged all the same."""
    path, body = asked(protocol, "sim-cut-after-3-nousage", stream=True, tools=False)
    send(simulator, path, body)
    found = billed(simulator, "sim-cut-after-3-nousage")
    assert (found["answers"], found["output"]) == (1, 3)
    assert found["input"] > 0


def test_what_is_refused_is_not_charged(simulator: SimulatorThread) -> None:
    """Nor what breaks down before it answers."""
    for model in ("sim-fail-503", "sim-empty"):
        path, body = asked("openai", model, stream=False, tools=False)
        with suppress(OSError):
            send(simulator, path, body)
        assert billed(simulator, model) == {}


def test_embeddings_are_charged_for_their_input(simulator: SimulatorThread) -> None:
    """As their usage says."""
    answer = json.loads(send(simulator, "/v1/embeddings", {"model": "sim", "input": ["one two", "three"]}))
    assert billed(simulator, "sim") == {
        "answers": 1, "input": answer["usage"]["prompt_tokens"], "cached": 0, "written": 0, "output": 0,
    }  # fmt: skip
