"""Conversations as large as they may be, and larger."""

import http.client

import pytest
from tests.e2e.contexts.desk import MODELS, Desk, problem
from tests.e2e.contexts.scene import Scene
from tests.running import Answer

WORDS = "the quick brown fox jumps over the lazy dog. "


@pytest.mark.parametrize("where", ["said", "stored"])
def test_a_conversation_over_every_window(scene: Scene, where: str) -> None:
    """Five million tokens, said now or stored before, are 413 before the provider hears a byte."""
    desk, model = scene.desk, "fake/good--small"
    context = desk.made()
    text = WORDS * 500_000
    if where == "stored":
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "Indeed."}]
        assert desk.ask("POST", f"/contexts/{context}/turns", {"messages": messages}).status == 201
    refused = desk.say(context, text if where == "said" else "and now?", model)
    assert (refused.status, refused.json()["error"]["code"]) == (413, "context_length_exceeded")
    assert scene.provider.requests("good--small") == []


def test_what_does_not_fit_is_dropped_where_that_is_wanted(scene: Scene) -> None:
    """With `drop_oldest` a conversation of three windows goes on, and the report says what was left out."""
    desk = scene.desk
    context = desk.made(policy={"fit": "drop_oldest"})
    messages = [
        {"role": role, "content": f"{number}: {WORDS * 30}"}
        for number in range(20)
        for role in ("user", "assistant")
    ]
    assert desk.ask("POST", f"/contexts/{context}/turns", {"messages": messages}).status == 201
    answer = desk.say(context, "and now?", "narrow/small")
    assert answer.status == 200
    assert "verdict=degraded" in answer.headers["x-llmgw-preservation"]
    report = desk.ask("GET", f"/contexts/{context}/report/latest").json()["report"]
    assert report["counts"]["turns_sent"] < report["counts"]["turns"] == 41
    assert {each["source"] for each in report["losses"]} == {"fit"}
    assert desk.ask("GET", f"/contexts/{context}").json()["turns"] == 42


def test_a_body_over_the_limit(desk: Desk) -> None:
    """A history of more bytes than a body may have is refused, and nothing of it is stored."""
    context = desk.made()
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=30)
    headers = {
        "authorization": f"Bearer {desk.key}",
        "content-type": "application/json",
        "content-length": str(33 * 1024 * 1024),
    }
    connection.request("POST", f"/v1/contexts/{context}/turns", headers=headers)
    with connection.getresponse() as response:
        answer = Answer(response.status, dict(response.headers), response.read())
    connection.close()
    assert problem(answer)[:2] == (413, "request_too_large")
    assert desk.ask("GET", f"/contexts/{context}").json()["turns"] == 0


def test_a_call_that_brings_thousands_of_messages(desk: Desk) -> None:
    """A call adds a bounded number of messages to a context, as each takes its time; a history comes in pieces."""
    context = desk.made()
    messages = [{"role": role, "content": "x"} for _ in range(1001) for role in ("user", "assistant")]
    body = {"model": MODELS[0], "messages": messages, "llmgw": {"context": context}}
    refused = desk.ask("POST", "/chat/completions", body)
    assert (refused.status, refused.json()["error"]["param"]) == (400, "messages")
    assert desk.ask("GET", f"/contexts/{context}").json()["turns"] == 0
    for piece in (messages[:2000], messages[2000:]):
        assert desk.ask("POST", f"/contexts/{context}/turns", {"messages": piece}).status == 201
    assert desk.say(context, "and now?").status == 200
    assert desk.ask("GET", f"/contexts/{context}").json()["turns"] == 2004
