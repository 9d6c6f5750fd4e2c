"""The commands by which docs/telemetry.md finds the call that lost context, run as they stand there."""

import json
import re
import subprocess
from pathlib import Path

from tests.e2e.trace_story import VERSION, Story

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"


def find_as_the_page_says(story: Story, variable: str, url: str, home: Path) -> None:
    """Run the commands that ask the backend in `variable`; they must print the call and what it lost."""
    page = PAGE.read_text(encoding="utf-8")
    (block,) = [each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if f'"${variable}/' in each]
    told = subprocess.run(
        ["sh", "-ec", block],
        cwd=home,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", variable: url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    # A backend that was there before may know of others.
    (call,) = [line for line in lines if line.get("call") == story.lost.call]
    assert call == {
        "call": story.lost.call,
        "prompt": VERSION,
        "target": "sim/sim-reads-100",
        "usd": float(story.lost.answer.headers["x-llmgw-cost-usd"]),
    }
    (example,) = re.findall(r'^\{"code".*\}$', page, re.MULTILINE)
    losses = [line for line in lines if "code" in line]
    assert losses
    assert all(loss == json.loads(example) for loss in losses)
