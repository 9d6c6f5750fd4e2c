"""Conversations that go on in ways a caller should not have chosen, and that every vendor takes all the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.thread import SimulatorThread
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.e2e.contexts.journey import Journey, picture
from tests.running import RunningGateway

WIRES = ("openai", "anthropic")


@pytest.fixture(scope="module")
def vendors() -> Iterator[SimulatorThread]:
    """Strict vendors whose memory of requests is at hand."""
    with SimulatorThread(strict=True) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def caller(vendors: SimulatorThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A caller of a gateway that knows a host without pictures too."""
    config = config_for(vendors.base_url)
    config["providers"]["deepseek"] = {
        "kind": "deepseek",
        "base_url": vendors.base_url,
        "api_key": "none-needed",
    }
    with RunningGateway(tmp_path_factory.mktemp("odd"), config) as running:
        yield Desk.of(running, "acme")


@pytest.fixture
def journey(vendors: SimulatorThread, caller: Desk) -> Journey:
    """A conversation that has not begun."""
    return Journey(caller, vendors)


each_way = pytest.mark.parametrize(
    ("wire", "before", "after"),
    [(wire, before, after) for wire in WIRES for before in MODELS for after in MODELS],
)


@each_way
def test_a_call_is_never_answered(journey: Journey, wire: str, before: str, after: str) -> None:
    """The user says something else: the model is told that there is no result, and the report says so."""
    journey.say(wire, before, "What is the weather in Paris and Rome?", think=True)
    report = journey.say(wire, after, "Never mind. say hello")
    made_up = [loss.pointer for loss in report.losses if loss.code == "turn.synthesised"]
    calls = [
        number
        for number, part in enumerate(journey.turns()[1].parts)
        if part.__class__.__name__ == "ToolCallPart"
    ]
    assert made_up == [f"/turns/1/parts/{number}" for number in calls]
    assert [(each.rule, each.level) for each in report.violations if each.rule == "tool.pairing"] == [
        ("tool.pairing", "repair")
    ]
    journey.say(wire, before, "And say goodbye")


@each_way
def test_one_of_two_calls_is_answered(journey: Journey, wire: str, before: str, after: str) -> None:
    """The result that there is goes to its call, whichever of the two it was."""
    journey.say(wire, before, "What is the weather in Paris and Rome?")
    _, second = journey.calls
    journey.calls = [second]
    report = journey.answer_calls(wire, after, "rain")
    made_up = [loss.pointer for loss in report.losses if loss.code == "turn.synthesised"]
    assert len(made_up) == 1
    journey.say(wire, before, "say goodbye")


@each_way
def test_tools_are_no_longer_offered(journey: Journey, wire: str, before: str, after: str) -> None:
    """Vendors that want tools beside calls of them get what they need."""
    journey.say(wire, before, "What is the weather in Paris and Rome?", think=True)
    journey.answer_calls(wire, before, "sun", "rain", think=True)
    report = journey.say(wire, after, "say thank you", tools=())
    assert report.verdict in {"preserved", "degraded"}
    assert journey.text == "thank you"


@pytest.mark.parametrize("before", MODELS)
def test_a_host_without_pictures_goes_on(journey: Journey, before: str) -> None:
    """What it cannot be shown is left out and named; the next vendor is shown it again."""
    journey.say("openai", before, journey.shows(1))
    journey.say("openai", before, journey.shows(2, 80))
    report = journey.say("openai", "deepseek/deepseek-chat", "say hello")
    assert [(loss.code, loss.pointer) for loss in report.losses if loss.severity == "major"] == [
        ("media.dropped", "/turns/0/parts/1"),
        ("media.dropped", "/turns/2/parts/1"),
    ]
    assert report.verdict == "lost"
    assert picture(1).encode() not in journey.last[2]
    journey.say("openai", before, "say goodbye")
    assert picture(1).encode() in journey.last[2]
    assert picture(2, 80).encode() in journey.last[2]


@pytest.mark.parametrize("after", MODELS)
@pytest.mark.parametrize("before", MODELS)
def test_a_tool_answers_with_a_picture(journey: Journey, before: str, after: str) -> None:
    """Inside the result where the vendor takes it there, else beside it; it is the same picture."""
    journey.say("anthropic", before, "What is the weather in Paris?")
    ((call, _),) = journey.calls
    source = {"type": "base64", "media_type": "image/png", "data": picture(3)}
    content: list[dict[str, Any]] = [{"type": "text", "text": "as seen"}, {"type": "image", "source": source}]
    results = [{"type": "tool_result", "tool_use_id": call, "content": content, "is_error": True}]
    report = journey.send("anthropic", after, results)
    assert picture(3).encode() in journey.last[2]
    flattened = {loss.code for loss in report.losses} & {"tool.result_media_flattened"}
    assert bool(flattened) == after.startswith("openai")
    journey.say("openai", before, "say goodbye")
