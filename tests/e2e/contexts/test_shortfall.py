"""Whether a prompt that a host cut in silence is noticed, and one that it read whole never suspected."""

from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS, Desk

WORDS = "The quick brown fox jumps over the lazy dog. "
DIGITS = "31 41 59 26 53 58 97 93 23 84 62 64 33 83 27 95 "


def report_of(desk: Desk, context: str) -> Any:
    """The report of the last call."""
    return desk.ask("GET", f"/contexts/{context}/report/latest").json()["report"]


@pytest.mark.parametrize("text", [WORDS, DIGITS])
def test_a_prompt_that_is_cut_in_silence_is_noticed(desk: Desk, text: str) -> None:
    """A host that reads the end of a prompt alone says so by its count of tokens; the report then says `lost`."""
    context = desk.made()
    turns = [
        {"role": role, "parts": [{"type": "text", "text": text * 10}]} for role in ("user", "assistant") * 20
    ]
    assert desk.ask("POST", f"/contexts/{context}/turns", {"turns": turns}).status == 201
    assert desk.say(context, "say yes", "sim/sim-reads-100").status == 200
    report = report_of(desk, context)
    assert (report["verdict"], report["checks"]["c6"]) == ("lost", "fail")
    assert report["losses"][-1]["code"] == "upstream.context_shortfall"
    assert report["tokens"]["reported"] < 0.7 * report["tokens"]["estimated"]


@pytest.mark.parametrize("model", MODELS)
def test_one_that_was_read_whole_is_not(desk: Desk, model: str) -> None:
    """Not after texts of more tokens, by which the same model was measured before, nor for many short turns."""
    for text in (DIGITS * 100, WORDS * 100, WORDS * 100):
        context = desk.made()
        for said in (text, f"And {text}"):
            assert desk.say(context, said, model).status == 200
            report = report_of(desk, context)
            assert report["checks"]["c6"] == "pass"
            assert report["tokens"]["reported"] >= 0.7 * report["tokens"]["estimated"]
    context = desk.made()
    turns = [
        {"role": role, "parts": [{"type": "text", "text": "ok"}]} for role in ("user", "assistant") * 400
    ]
    assert desk.ask("POST", f"/contexts/{context}/turns", {"turns": turns}).status == 201
    assert desk.say(context, "say yes", model).status == 200
    assert report_of(desk, context)["checks"]["c6"] == "pass"
