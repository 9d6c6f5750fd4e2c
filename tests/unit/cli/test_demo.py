"""The demo's honesty: a step that does not show what it claims is said, and costs the exit code."""

import logging
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from llmgw.cli import demo, main
from llmgw.cli.demo.stage import Stage
from llmgw.cli.demo.step import Claim, Step
from llmgw.simulator.process import SimulatorProcess
from rich.console import Console


def test_a_step_that_does_not_hold_is_told() -> None:
    """The walk goes on, prints which claim broke, and ends as failed."""

    def good(_stage: Stage) -> Iterator[str]:
        yield "fine"

    def bad(_stage: Stage) -> Iterator[str]:
        yield "so far"
        raise Claim("the answer was blue")

    console = Console(record=True, width=100)
    stage = Stage.__new__(Stage)
    steps = (
        Step("One", "one holds", good),
        Step("Two", "two holds", bad),
        Step("Three", "three holds", good),
    )
    assert demo.walk(console, stage, steps, pause_s=0) is False
    text = console.export_text()
    assert "did not hold: the answer was blue" in text
    assert "two holds" not in text
    assert "three holds" in text
    assert demo.walk(console, stage, steps[:1], pause_s=0) is True


def test_a_simulator_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clean message and exit code 1, no traceback."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    done = CliRunner().invoke(main, ["demo", "--port", "0"])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "The demo could not start: the simulator did not start" in done.output


def test_a_simulator_that_prints_much_still_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """More than a pipe holds before it serves, and more when it ends: somebody reads it all."""
    monkeypatch.setenv("PYTHONVERBOSE", "1")
    caplog.set_level(logging.WARNING)
    with SimulatorProcess() as simulator:
        assert simulator.base_url.startswith("http://127.0.0.1:")
    assert caplog.messages[-1].startswith("the simulator says: # ")
