"""The AI engineer's story of the README, run as it stands there, line after line."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.e2e.test_readme import STORY
from tests.running import RunningGateway

LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", STORY, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
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
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script = tmp_path / ".venv" / "bin" / "llmgw"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llmgw "$@"\n')
    script.chmod(0o755)
    told = set()
    for line in LINES:
        done = subprocess.run(
            ["sh", "-c", line.replace("http://127.0.0.1:8080", fresh.root)],
            cwd=tmp_path,
            env={
                **os.environ,
                "LLMGW_URL": "",
                "LLMGW_CONFIG": str(fresh.config_path),
                "LLMGW_KEY": fresh.key,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        bare = line.removeprefix(".venv/bin/llmgw prompts ")
        for start, words in SAYS.items():
            if bare.startswith(start):
                told.add(start)
                assert words in done.stdout, f"{line}\n{done.stdout}{done.stderr}"
    assert told == set(SAYS)
    answer = fresh.request("/v1/apis/sentiment", {"text": "Lovely!"})
    assert (answer.status, answer.headers["x-llmgw-prompt"]) == (200, "sentiment@1")


def test_the_chapter_is_short() -> None:
    """Forty lines are enough for a chapter of a README."""
    assert len(STORY.splitlines()) <= 40
