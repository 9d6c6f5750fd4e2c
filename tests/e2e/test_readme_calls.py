"""The chapter of the README that finds calls again, run as it stands there, line after line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.e2e.readme_story import commands_of, ran
from tests.e2e.test_readme import SEEN
from tests.running import RunningGateway

SAYS = (
    ("curl", '"role":"assistant"'),
    ("calls search", "sim/sim"),
    ("calls ask latency", "The slowest target is sim/sim"),
    ("calls ask cost", "demo"),
    ("query", "sim/sim"),
    ("curl", 'llmgw_requests_total{worker="1"'),
)
"""What each line prints, by what it begins with behind the name of the command."""


@pytest.fixture(scope="module")
def fresh(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway in front of the simulator, with the prices that one without a file gives it."""
    config = {**config_for(simulator.base_url), "prices": {"models": {"sim/*": {"input": 1, "output": 2}}}}
    with RunningGateway(tmp_path_factory.mktemp("seen"), config) as running:
        yield running


def test_the_chapter_runs_from_its_first_line_to_its_last(fresh: RunningGateway, tmp_path: Path) -> None:
    """Every command succeeds, in order, and says what the chapter promises."""
    lines = commands_of(SEEN)
    assert len(lines) == len(SAYS)
    for line, (start, words) in zip(lines, SAYS, strict=True):
        assert line.removeprefix(".venv/bin/llmgw ").startswith(start)
        assert words in ran(line, fresh, tmp_path)


def test_the_chapter_is_short() -> None:
    """Forty lines are enough for a chapter of a README."""
    assert len(SEEN.splitlines()) <= 40
