"""One conversation of fifty calls that goes from vendor to vendor and back, over both wires."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.thread import SimulatorThread
from llmgw.types.message import ReasoningPart
from tests.cross.claims import Claims
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.e2e.contexts.journey import Journey, picture
from tests.running import RunningGateway

FIFTY = 50
SWITCH = 3
"""Calls between one change of vendor and the next."""
ROUND = 10
"""Calls until the same things are said again, to other vendors."""


@pytest.fixture(scope="module")
def vendors() -> Iterator[SimulatorThread]:
    """Vendors that refuse what the real ones would, and whose memory of requests is at hand."""
    with SimulatorThread(strict=True) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def road(vendors: SimulatorThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A caller of a gateway with an alias for each vendor."""
    config = config_for(vendors.base_url)
    config["aliases"] = {f"leg-{n}": {"targets": [model]} for n, model in enumerate(MODELS)}
    with RunningGateway(tmp_path_factory.mktemp("fifty"), config) as gateway:
        yield Desk.of(gateway, "acme")


def step(journey: Journey, number: int) -> None:
    """Make the call of this number; what it says depends on nothing else."""
    lap, place = divmod(number, ROUND)
    wire = ("openai", "anthropic")[(number + lap) % 2]
    model = f"leg-{number // SWITCH % len(MODELS)}"
    stream = number % 4 > 1
    match place:
        case 0:
            journey.say(wire, model, f"My gem{lap} is ruby{lap}.", stream=stream)
        case 1:
            journey.say(wire, model, journey.shows(number), stream=stream)
        case 2:
            journey.say(wire, model, "What is the weather in Paris and Rome?", stream=stream)
            assert [name for _, name in journey.calls] == ["get_weather", "get_weather"]
        case 3:
            journey.answer_calls(wire, model, f"sunny {lap}", f'{{"rain": {lap}}}', stream=stream)
        case 4:
            journey.say(wire, model, f"say thought {lap}", think=True, stream=stream)
        case 5:
            journey.say(wire, model, "Read the clock and get the weather in Oslo", think=True, stream=stream)
            assert {name for _, name in journey.calls} == {"get_weather", "read_clock"}
        case 6:
            journey.answer_calls(
                wire, model, f"fog {lap}", "no clock", failed=True, think=True, stream=stream
            )
        case 7:
            journey.say(wire, model, f"What is my gem{lap}?", think=True, stream=stream)
            assert f"ruby{lap}" in journey.text
        case 8:
            journey.say(wire, model, journey.shows(number, 80 + lap), stream=stream)
            assert "image" in journey.text
        case _:
            journey.say(wire, model, "What is my gem0?", stream=stream)
            assert "ruby0" in journey.text


def test_fifty_calls_across_three_vendors_and_back(vendors: SimulatorThread, road: Desk) -> None:
    """No vendor refuses anything, and of each call the report is what that vendor's copy of the request says."""
    journey = Journey(road, vendors)
    for number in range(FIFTY):
        step(journey, number)
    info = road.ask("GET", f"/contexts/{journey.context}").json()
    assert (info["rev"], info["turns"]) == (FIFTY, 2 * FIFTY + FIFTY // ROUND)
    assert road.ask("POST", f"/contexts/{journey.context}/verify").json()["ok"] is True
    assert {report.target.protocol for report in journey.reports} == {"openai", "anthropic", "gemini"}
    assert {report.verdict for report in journey.reports} == {"preserved", "degraded"}
    assert all("fail" not in report.checks.values() for report in journey.reports)
    codes = {loss.code for report in journey.reports for loss in report.losses}
    assert codes == {
        "reasoning.opaque_dropped",
        "reasoning.text_dropped",
        "reasoning.dummy_signature",
        "tool.error_flag_flattened",
    }
    for protocol, seal in (("openai", None), ("anthropic", "thought"), ("gemini", "seal")):
        carried = journey.carried[protocol]
        assert all(carried[kind] >= 3 for kind in ("text", "call", "result", "media", seal) if kind), carried


def test_the_measure_sees_one_wrong_byte(vendors: SimulatorThread, road: Desk) -> None:
    """Arguments, a picture, a signature or a word that came altered contradict the report that says `carried`."""
    journey = Journey(road, vendors)
    journey.say("anthropic", "leg-1", journey.shows(1), think=True)
    journey.say("anthropic", "leg-1", "Read the clock and get the weather in Oslo", think=True)
    journey.answer_calls("anthropic", "leg-1", "fog", "noon", think=True)
    report, asked, body = journey.last
    signature = next(
        part.seal.value
        for turn in asked
        for part in turn.parts
        if isinstance(part, ReasoningPart) and part.seal
    )
    for word in (b'"id":18446744073709551616', picture(1).encode(), signature.encode(), b"Oslo", b"noon"):
        place = body.rindex(word) + len(word) // 2
        altered = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert Claims("anthropic", report, asked, altered).wrong() != [], word
    assert Claims("anthropic", report, asked, body).wrong() == []
