"""The benchmark runs end to end; what it measures is nobody's business here."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def test_the_shortest_benchmark_ends_without_errors_and_shows_all_three_servers() -> None:
    """Upstream, forwarder and gateway each answer the cheapest scenario whole, and each gets its row."""
    command = [sys.executable, "-m", "loadtests", "--quick", "--only", "paced-stream"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    last_cells = {row[0].strip(): row[-1].strip() for row in rows[1:]}
    assert last_cells == {"upstream direct": "0", "bare forwarder": "0", "llmgw": "0"}
