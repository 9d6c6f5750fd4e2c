"""Seals of one vendor on their way through others: back at home they are whole, abroad they never were."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.thread import SimulatorThread
from llmgw.types.message import ToolCallPart
from tests.cross.received import pieces
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.e2e.contexts.journey import Journey
from tests.running import RunningGateway

OPENAI, CLAUDE, GEMINI = MODELS


@pytest.fixture(scope="module")
def vendors() -> Iterator[SimulatorThread]:
    """Strict vendors whose memory of requests is at hand."""
    with SimulatorThread(strict=True) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(vendors: SimulatorThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that can be stopped and started: what it knows then comes from the store alone."""
    with RunningGateway(tmp_path_factory.mktemp("seals"), config_for(vendors.base_url)) as running:
        yield running


def seals(journey: Journey, protocol: str) -> list[str]:
    """The seals of a protocol in what is stored, in their order."""
    found = (getattr(part, "seal", None) for turn in journey.turns() for part in turn.parts)
    return [seal.value for seal in found if seal is not None and seal.protocol == protocol]


@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_thinking_comes_back_from_the_store_as_it_was(
    vendors: SimulatorThread, gateway: RunningGateway, display: str
) -> None:
    """Signatures and tool calls, of thinking without text too, after a restart: the bytes of the vendor's own."""
    journey = Journey(Desk.of(gateway, "acme"), vendors)
    thinking = {"type": "enabled", "budget_tokens": 2048, "display": display}
    journey.say("anthropic", CLAUDE, "Read the clock and get the weather in Oslo", thinking=thinking)
    raw = gateway.request(f"/v1/contexts/{journey.context}/turns/1/raw", key=journey.desk.key).json()
    thought, *calls = raw["content"]
    assert (thought["type"], bool(thought["thinking"])) == ("thinking", display == "summarized")
    gateway.stop()
    gateway.start()
    journey.answer_calls("anthropic", CLAUDE, "fog", "noon", thinking=thinking)
    told = pieces("anthropic", journey.last[2])
    assert [piece.value for piece in told if piece.kind == "thought"] == [
        (thought["thinking"], thought["signature"])
    ]
    assert [piece.value[0] for piece in told if piece.kind == "call"] == [call["name"] for call in calls]
    assert journey.carried["anthropic"]["thought"] == 1


def test_signed_calls_come_home_to_gemini(vendors: SimulatorThread, gateway: RunningGateway) -> None:
    """Of two calls the first keeps its own signature behind Claude's turn, of whose own none is told."""
    journey = Journey(Desk.of(gateway, "acme"), vendors)
    journey.say("openai", GEMINI, "What is the weather in Paris and Rome?", think=True)
    assert len(journey.calls) == 2
    first, second = (part for part in journey.turns()[1].parts if isinstance(part, ToolCallPart))
    assert first.seal is not None
    assert second.seal is None
    journey.answer_calls("openai", CLAUDE, "sun", "rain", think=True)
    assert first.seal.value.encode() not in journey.last[2]
    journey.say("anthropic", CLAUDE, "say thank you", think=True)
    claudes = seals(journey, "anthropic")
    assert claudes
    journey.say("openai", GEMINI, "What is the weather in Oslo?", think=True)
    body = journey.last[2]
    told = pieces("gemini", body)
    place = next(number for number, piece in enumerate(told) if piece.kind == "call")
    assert [piece.kind for piece in told[place : place + 3]] == ["call", "seal", "call"]
    assert told[place + 1].value == (first.seal.value,)
    assert not [seal for seal in claudes if seal.encode() in body]


def test_nothing_sealed_is_told_to_openai(vendors: SimulatorThread, gateway: RunningGateway) -> None:
    """What Claude and Gemini sealed stays stored, and the report says of each that it was left out."""
    journey = Journey(Desk.of(gateway, "acme"), vendors)
    journey.say("openai", CLAUDE, "say one", think=True)
    journey.say("anthropic", GEMINI, "What is the weather in Oslo?", think=True)
    journey.answer_calls("openai", OPENAI, "fog")
    sealed = [*seals(journey, "anthropic"), *seals(journey, "gemini")]
    assert len(sealed) >= 2
    report, turns, body = journey.last
    assert not [seal for seal in sealed if seal.encode() in body]
    lost = {loss.pointer for loss in report.losses if loss.code == "reasoning.opaque_dropped"}
    assert lost == {
        f"/turns/{turn.seq}/parts/{number}"
        for turn in turns
        for number, part in enumerate(turn.parts)
        if getattr(part, "seal", None) is not None
    }


def test_thinking_is_not_told_behind_another_beginning(
    vendors: SimulatorThread, gateway: RunningGateway
) -> None:
    """Newer Claude models bind it to what stood before: with other tools it is left out, and said to be."""
    journey = Journey(Desk.of(gateway, "acme"), vendors)
    model = "claude/claude-opus-5-5"
    journey.say("anthropic", model, "say one", think=True)
    journey.say("anthropic", model, "say two", think=True)
    assert journey.carried["anthropic"]["thought"] == 1
    report = journey.say("anthropic", model, "say three", think=True, tools=("read_clock",))
    assert "thought" not in journey.carried["anthropic"]
    assert [(loss.code, loss.pointer) for loss in report.losses] == [
        ("reasoning.prefix_invalidated", "/turns/1/parts/0"),
        ("reasoning.prefix_invalidated", "/turns/3/parts/0"),
    ]
    assert "toolset.changed" in {violation.rule for violation in report.violations}
