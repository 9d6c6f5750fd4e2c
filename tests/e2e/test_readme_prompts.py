"""The AI engineer's story of the README, run as it stands there, line after line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.e2e.readme_story import commands_of, ran
from tests.e2e.test_readme import STORY
from tests.running import RunningGateway

SAYS = {
    "lint prompts/sentiment.prompt": "good",
    'push prompts/sentiment.prompt --message "the first"': "sentiment@1 is new",
    "eval sentiment@1": "pass",
    "promote sentiment@1": "production: nowhere → sentiment@1",
    "curl": '"sentiment"',
    "diff prompts/sentiment.prompt": "+Be brief.",
    'push prompts/sentiment.prompt --message "shorter"': "sentiment@2 is new",
    "eval sentiment@2": "beside production",
    "rollout start": "20% of calls get version 2, the others 1",
    "rollout promote": "all calls get sentiment@2",
    "rollback": "sentiment@1",
}
"""What some lines print, by what they begin with behind the name of the command."""


@pytest.fixture(scope="module")
def fresh(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway without prompts."""
    with RunningGateway(tmp_path_factory.mktemp("story"), config_for(simulator.base_url)) as running:
        yield running


def test_the_story_runs_from_its_first_line_to_its_last(fresh: RunningGateway, tmp_path: Path) -> None:
    """Every command succeeds, in order, and says what the chapter promises; the last one leaves version 1."""
    told = set()
    for line in commands_of(STORY):
        printed = ran(line, fresh, tmp_path)
        bare = line.removeprefix(".venv/bin/llmgw prompts ")
        for start, words in SAYS.items():
            if bare.startswith(start):
                told.add(start)
                assert words in printed, f"{line}\n{printed}"
    assert told == set(SAYS)
    answer = fresh.request("/v1/apis/sentiment", {"text": "Lovely!"})
    assert (answer.status, answer.headers["x-llmgw-prompt"]) == (200, "sentiment@1")


def test_the_chapter_is_short() -> None:
    """Forty lines are enough for a chapter of a README."""
    assert len(STORY.splitlines()) <= 40
