"""What was said comes out of the store, and to every vendor, in its very characters; what cannot is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.thread import SimulatorThread
from tests.cross.received import pieces
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.e2e.contexts.journey import Journey
from tests.running import RunningGateway

TEXTS = (
    "\x00 before and after \x00",
    "\u202eright to left\u202c \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f4\U000e0067\U000e0062\U000e007f",
    "e\u0301 is not \u00e9, \ufeff nor is \u2028 a space",
    '{"\U0001d4b3": "\\u0000", "\\": [1E2, 18446744073709551616]}',
)


@pytest.fixture(scope="module")
def vendors() -> Iterator[SimulatorThread]:
    """Strict vendors whose memory of requests is at hand."""
    with SimulatorThread(strict=True) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def caller(vendors: SimulatorThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A caller of a gateway that knows Mistral too."""
    config = config_for(vendors.base_url)
    config["providers"]["mistral"] = {
        "kind": "mistral",
        "base_url": vendors.base_url,
        "api_key": "none-needed",
    }
    with RunningGateway(tmp_path_factory.mktemp("exact"), config) as running:
        yield Desk.of(running, "acme")


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_any_character_comes_through(vendors: SimulatorThread, caller: Desk, wire: str, text: str) -> None:
    """NUL, directions, joined emoji, marks and characters of four bytes: stored and told as they were said."""
    journey = Journey(caller, vendors)
    for model in MODELS:
        journey.say(wire, model, f"{model}: {text}")
        told = [
            p.value[0]
            for p in pieces(journey.reports[-1].target.protocol, journey.last[2])
            if p.kind == "text"
        ]
        assert told[-1] == f"{model}: {text}"
    assert caller.texts(journey.context)[::2] == [f"{model}: {text}" for model in MODELS]


@pytest.mark.parametrize(
    "broken", [b'"\\ud800"', b'"a\\udfffb"', b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\x80"'], ids=ascii
)
@pytest.mark.parametrize("wire", ["/chat/completions", "/messages"])
def test_half_a_character_is_refused(caller: Desk, wire: str, broken: bytes) -> None:
    """Lone surrogates and bytes that are no UTF-8 are 400 in both dialects, and nothing of the call is stored."""
    context = caller.made()
    body = (
        b'{"model": "openai/gpt-5.2", "max_tokens": 9, "llmgw": {"context": "%b"}, "messages": '
        b'[{"role": "user", "content": %b}]}' % (context.encode(), broken)
    )
    answer = caller.ask("POST", wire, body)
    assert answer.status == 400, answer.body
    assert b"JSON" in answer.body
    assert caller.texts(context) == []
    turns = b'{"turns": [{"role": "user", "parts": [{"type": "text", "text": %b}]}]}' % broken
    assert caller.ask("POST", f"/contexts/{context}/turns", turns).status == 400


def test_a_users_word_behind_a_result_is_bridged_for_mistral(vendors: SimulatorThread, caller: Desk) -> None:
    """The answer between is in the view alone, reported as made up; what is stored has no such turn."""
    journey = Journey(caller, vendors)
    journey.say("openai", MODELS[0], "What is the weather in Paris?")
    ((call, _),) = journey.calls
    messages = [
        {"role": "tool", "tool_call_id": call, "content": "sun"},
        {"role": "user", "content": "And now say hello"},
    ]
    body: dict[str, Any] = {
        "model": "mistral/mistral-large-2512",
        "messages": messages,
        "llmgw": {"context": journey.context},
    }
    assert caller.ask("POST", "/chat/completions", body).status == 200
    received = json.loads(vendors.simulator.log.bodies()[-1][1])["messages"]
    assert [message["role"] for message in received] == ["user", "assistant", "tool", "assistant", "user"]
    assert len(received[2]["tool_call_id"]) == 9
    assert [turn.role for turn in journey.turns()] == ["user", "assistant", "tool", "user", "assistant"]
    made_up = [loss for loss in journey.report().losses if loss.code == "turn.synthesised"]
    assert [(loss.pointer, loss.severity) for loss in made_up] == [("/turns/3", "minor")]


def test_what_was_redacted_stays_the_same_hole(vendors: SimulatorThread, caller: Desk) -> None:
    """Two calls behind a redaction begin alike, byte for byte, so that caches of the vendor's live on."""
    journey = Journey(caller, vendors)
    for text in ("My card is 4111: count to 3", "say one", "say two"):
        journey.say("openai", MODELS[0], text)
    assert caller.ask("POST", f"/contexts/{journey.context}/redact", {"turns": [0]}).status == 200
    seen = []
    for text in ("say three", "say four"):
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": text}]}
        answer = caller.ask("POST", "/chat/completions", {**body, "llmgw": {"context": journey.context}})
        assert answer.status == 200
        seen.append(vendors.simulator.log.bodies()[-1][1])
    first, second = (body.partition(b'"messages":[')[2].rpartition(b"]")[0] for body in seen)
    assert second.startswith(first)
    assert b"4111" not in first + second
    report = journey.report()
    assert report.checks["c2"] == "pass"
    assert [(loss.code, loss.pointer) for loss in report.losses] == [("turn.redacted", "/turns/0")]
