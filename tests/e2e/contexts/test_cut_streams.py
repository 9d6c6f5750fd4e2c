"""Answers that break off in the middle: what was said is stored as incomplete, half a tool call never is."""

import http.client
import json
from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS, Desk
from tests.waiting import until

PROVIDERS = ("openai", "claude", "gemini")
WIRES = ("/chat/completions", "/messages")
BROKEN = {"stream_interrupted", "provider_error", "provider_overloaded"}
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def body_of(wire: str, context: str, model: str, text: str) -> dict[str, Any]:
    """A streamed call that offers a tool."""
    tool: dict[str, Any] = {"name": "get_weather", "input_schema": WEATHER}
    more: dict[str, Any] = {"max_tokens": 500}
    if wire == WIRES[0]:
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
        more = {}
    messages = [{"role": "user", "content": text}]
    return {
        "model": model,
        "messages": messages,
        "tools": [tool],
        "stream": True,
        "llmgw": {"context": context},
        **more,
    }


def turns_of(desk: Desk, context: str) -> list[Any]:
    """All turns."""
    turns: list[Any] = desk.ask("GET", f"/contexts/{context}/turns").json()["turns"]
    return turns


def goes_on(desk: Desk, context: str, wire: str) -> None:
    """Go on with every protocol, each in a fork of its own: all take what is stored."""
    for model in MODELS:
        fork = desk.ask("POST", f"/contexts/{context}/fork").json()["id"]
        again = desk.ask("POST", wire, {**body_of(wire, fork, model, "And now?"), "stream": False})
        assert again.status == 200, again.body
        assert turns_of(desk, fork)[-1].get("status", "complete") == "complete"
        report = desk.ask("GET", f"/contexts/{fork}/report/latest").json()["report"]
        assert report["verdict"] in {"preserved", "degraded"}
        assert report["checks"]["c3"] == "pass"


@pytest.mark.parametrize(
    "how", ["cut-after-3", "reset-after-3", "error-in-stream-after-3", "nodone-cut-after-4"]
)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_provider_that_breaks_off_in_a_text(desk: Desk, wire: str, provider: str, how: str) -> None:
    """The turn holds what was heard, says that it is incomplete and why, and any model goes on from there."""
    context = desk.told("My name is Ada.")
    model = f"{provider}/sim-{how}"
    answer = desk.ask("POST", wire, body_of(wire, context, model, "count to 9"))
    assert b"error" in answer.body
    turns = turns_of(desk, context)
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[-1]["status"] == "incomplete"
    assert turns[-1]["finish_reason"] in BROKEN
    text = "".join(part["text"] for part in turns[-1]["parts"])
    assert text
    assert "1 2 3 4 5 6 7 8 9".startswith(text)
    assert text != "1 2 3 4 5 6 7 8 9"
    goes_on(desk, context, wire)


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("think", ["", "think-"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_breaks_off_in_a_call(desk: Desk, provider: str, think: str, after: int) -> None:
    """Wherever it does, no call is stored, nor is anything else lost; any model goes on from there."""
    context = desk.told("My name is Ada.")
    model = f"{provider}/sim-{think}cut-after-{after}"
    wire = WIRES[after % 2]
    desk.ask("POST", wire, body_of(wire, context, model, "What is the weather in Paris and Rome?"))
    turns = turns_of(desk, context)
    parts = [part for turn in turns for part in turn.get("parts", ())]
    assert not [part for part in parts if part["type"] in {"tool_call", "opaque"}]
    # Anthropic names a tool before the first piece of what it is to be called with.
    heard = after > 0 or (provider == "claude" and not think)
    assert len(turns) == (4 if heard else 2)
    assert turns[-1].get("status") == ("incomplete" if len(turns) == 4 else None)
    goes_on(desk, context, wire)


@pytest.mark.parametrize(
    ("text", "heard"), [("count to 9", b"1"), ("What is the weather in Paris and Rome?", b"get_weather")]
)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_caller_who_leaves(desk: Desk, wire: str, provider: str, text: str, heard: bytes) -> None:
    """Amid words or a call: what was heard is stored but for calls, and any model goes on from there."""
    context = desk.told("My name is Ada.")
    model = f"{provider}/sim-stall-after-2"
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=20)
    headers = {"authorization": f"Bearer {desk.key}", "content-type": "application/json"}
    connection.request("POST", f"/v1{wire}", json.dumps(body_of(wire, context, model, text)), headers)
    response = connection.getresponse()
    assert response.status == 200
    data = b""
    while heard not in data:
        line = response.readline()
        assert line, data
        data += line if line.startswith(b"data: ") else b""
    response.close()
    connection.close()
    until(lambda: len(turns_of(desk, context)) == 4, "the incomplete answer to be stored")
    turns = turns_of(desk, context)
    assert (turns[-1]["status"], turns[-1]["finish_reason"]) == ("incomplete", "client_gone")
    assert not [part for part in turns[-1].get("parts", ()) if part["type"] == "tool_call"]
    goes_on(desk, context, wire)
