"""The model's name as a set of knobs."""

import pytest
from llmgw.simulator.knobs import Knobs, UnknownKnob, parse

NAMES = {
    "sim": Knobs(),
    "sim-think": Knobs(think=True),
    "sim-redacted": Knobs(redacted=True),
    "sim-strict": Knobs(strict=True),
    "sim-auth-401": Knobs(auth=True),
    "sim-ttft-200ms": Knobs(ttft_s=0.2),
    "sim-ttft-2s": Knobs(ttft_s=2.0),
    "sim-chunk-10ms": Knobs(chunk_s=0.01),
    "sim-chunks-50": Knobs(chunks=50),
    "sim-big-64kb": Knobs(big_kb=64),
    "sim-fail-503": Knobs(fail=503),
    "sim-fail-503-after-3s": Knobs(fail=503, retry_after_s=3),
    "sim-fail-429": Knobs(fail=429, retry_after_s=1),
    "sim-fail-429-after-2s": Knobs(fail=429, retry_after_s=2),
    "sim-fail-500-once": Knobs(fail=500, fail_times=1),
    "sim-fail-503-times-2": Knobs(fail=503, fail_times=2),
    "sim-fail-503-times-2-after-4s": Knobs(fail=503, fail_times=2, retry_after_s=4),
    "sim-rate-5": Knobs(rate=5, rate_window_s=1),
    "sim-rate-5-per-60s": Knobs(rate=5, rate_window_s=60),
    "sim-cut-after-5": Knobs(cut_after=5),
    "sim-stall-after-3": Knobs(stall_after=3),
    "sim-reset": Knobs(reset=True),
    "sim-reset-after-2": Knobs(reset_after=2),
    "sim-error-in-stream": Knobs(error_after=2),
    "sim-error-in-stream-after-0": Knobs(error_after=0),
    "sim-hang": Knobs(hang=True),
    "sim-garbage": Knobs(garbage=True),
    "sim-html": Knobs(html=True),
    "sim-empty": Knobs(empty=True),
    "sim-nodone": Knobs(nodone=True),
    "sim-nousage": Knobs(nousage=True),
    "sim-reads-64": Knobs(reads=64),
    "sim-ttft-200ms-chunk-10ms-chunks-50-cut-after-5": Knobs(
        ttft_s=0.2, chunk_s=0.01, chunks=50, cut_after=5
    ),
    "sim-cut-after-5-ttft-200ms": Knobs(ttft_s=0.2, cut_after=5),
    "gpt-5-mini": Knobs(),
    "simple-model": Knobs(),
}


@pytest.mark.parametrize("name", NAMES)
def test_name_turns_knobs(name: str) -> None:
    """Every knob is understood, alone and together, in any order; other names are a plain simulator."""
    assert NAMES[name] == parse(name)


@pytest.mark.parametrize(
    "name",
    [
        "sim-",
        "sim-unknown",
        "sim-ttft",
        "sim-ttft-200",
        "sim-cut-after-5x",
        "sim-fail-200",
        "sim-hang-hang",
        "sim-hang-ttft-1s-ttft-2s",
        "sim-rate-5-per-0s",
        "sim-chunks-100001",
        "sim-big-65537kb",
    ],
)
def test_unknown_knob(name: str) -> None:
    """A knob that does not exist, is out of range or comes twice makes the model unknown."""
    with pytest.raises(UnknownKnob):
        parse(name)
