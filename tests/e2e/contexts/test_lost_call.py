"""The one call among many that lost context, found as the pages say: in the log by jq, in words by `explain`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.contexts.desk import Desk
from tests.running import RunningGateway
from tests.waiting import until

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text(encoding="utf-8")


def lost_one(desk: Desk) -> tuple[str, str]:
    """Make calls of which one is cut in silence by its host; return its context and the call's id."""
    context = desk.told("My name is Ada.")
    words = "The quick brown fox jumps over the lazy dog. " * 400
    assert desk.say(context, words).status == 200
    lossy = desk.say(context, "What is my name?", "sim/sim-reads-100")
    assert lossy.headers["x-llmgw-preservation"].startswith("verdict=lost")
    assert desk.say(context, "What is my name?").status == 200
    return context, lossy.headers["x-llmgw-call-id"]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not on this machine")
def test_the_pages_command_finds_it_in_the_log(running: RunningGateway, desk: Desk, tmp_path: Path) -> None:
    """In the log as it is, with the lines by which the gateway says how it started."""
    context, _ = lost_one(desk)
    until(lambda: running.log().count(f'"context":"{context}"') == 4, "the lines of all four calls")
    (command,) = re.findall(r"^jq .* gateway\.log$", PAGE, re.MULTILINE)
    (tmp_path / "gateway.log").write_text(running.log(), encoding="utf-8")
    found = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(line["rev"], line["losses"]) for line in lines if line["context"] == context] == [(3, 1)]


def test_the_command_line_explains_it(running: RunningGateway, desk: Desk) -> None:
    """By its revision: that something was lost, on which call, by which check, and what the provider counted."""
    context, call = lost_one(desk)
    told = subprocess.run(
        [sys.executable, "-m", "llmgw", "contexts", "explain", context, "--rev", "3", "--tenant", "acme"],
        env={"LLMGW_CONFIG": str(running.config_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    report = desk.ask("GET", f"/contexts/{context}/report/3").json()["report"]
    assert report["score"] == 1 - 0.5 / report["counts"]["parts"]
    assert told.startswith(f"lost, score {report['score']:.2f}: ")
    assert call in told
    assert re.search(r"^c6 +fail ", told, re.MULTILINE)
    tokens = report["tokens"]
    assert f"{tokens['estimated']} tokens estimated; the provider counted {tokens['reported']}" in told
    assert "upstream.context_shortfall" in told
