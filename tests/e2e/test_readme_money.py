"""The platform team's story of the README, run as it stands there, line after line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.e2e.readme_story import commands_of, ran
from tests.e2e.test_readme import MONEY
from tests.running import RunningGateway

SAYS = (
    ("limits set", ""),
    ("keys create", ""),
    ("curl", '"role":"assistant"'),
    ("curl", '"left_usd":"0.019'),
    ("curl", "budget_exceeded"),
    ("usage --by team", "search"),
    ("ledger list", "sim/sim"),
    ("events", "budget.exceeded"),
    ("reconcile", "agree"),
)
"""What each line prints, by what it begins with behind the name of the command."""


@pytest.fixture(scope="module")
def fresh(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway in front of the simulator, with the prices that one without a file gives it."""
    config = {**config_for(simulator.base_url), "prices": {"models": {"sim/*": {"input": 1, "output": 2}}}}
    with RunningGateway(tmp_path_factory.mktemp("story"), config) as running:
        yield running


def test_the_story_runs_from_its_first_line_to_its_last(fresh: RunningGateway, tmp_path: Path) -> None:
    """Every command succeeds, in order, and says what the chapter promises; the books agree at its end."""
    lines = commands_of(MONEY)
    assert len(lines) == len(SAYS)
    for line, (start, words) in zip(lines, SAYS, strict=True):
        assert line.removeprefix(".venv/bin/llmgw ").startswith(start)
        assert words in ran(line, fresh, tmp_path)
    key = (tmp_path / "search.key").read_text().strip()
    told = fresh.request("/v1/me/limits", key=key).json()
    (budget,) = told["budgets"]
    spent = re.fullmatch(r"0\.0000\d+", budget["spent_usd"])
    assert spent is not None
    assert budget["held_usd"] == "0"
    rows = fresh.request("/admin/v1/ledger?since=1h").json()["rows"]
    assert len(rows) == 1, json.dumps(rows)


def test_the_chapter_is_short() -> None:
    """Forty lines are enough for a chapter of a README."""
    assert len(MONEY.splitlines()) <= 40
