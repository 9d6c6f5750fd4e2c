"""What a call takes of the interpreter, held against what it took before: no clock is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from loadtests.counts import BASELINE, SCENARIOS, VERSION, Counter


def test_no_call_takes_a_tenth_more_instructions_than_it_did() -> None:
    """A stateless call, a stream and a call with all policy on run within a tenth of the instructions on record."""
    if VERSION not in json.loads(BASELINE.read_text()):
        pytest.skip(f"{BASELINE.name} has no counts for {VERSION}: make counts ARGS=--write adds them")
    run = subprocess.run(
        [sys.executable, "-m", "loadtests.counts"],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert [line.split()[0] for line in run.stdout.splitlines()] == list(SCENARIOS)


@pytest.mark.parametrize("more", [10, 100])
def test_each_instruction_is_counted(more: int) -> None:
    """A loop that runs a number of times more takes as many times its body's instructions more."""
    once, twice = _count(_loop, 1_000), _count(_loop, 1_000 + more)
    body = (_count(_loop, 2_000) - once) // 1_000
    assert twice - once == body * more
    assert body > 1


def _loop(times: int) -> int:
    total = 0
    for number in range(times):
        total += number
    return total


def _count(work: Callable[[int], object], times: int) -> int:
    with Counter() as counter:
        work(times)
    return counter.count
