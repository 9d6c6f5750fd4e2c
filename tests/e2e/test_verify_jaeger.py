"""The script that looks into somebody's Jaeger says so where there is none."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_jaeger"


def test_a_jaeger_that_is_not_there_is_one_line() -> None:
    """No gateway is started for nobody; the exit code tells."""
    told = subprocess.run(
        [SCRIPT, "--query", "http://127.0.0.1:9"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stdout) == (1, "")
    (line,) = told.stderr.splitlines()
    assert line.startswith("no Jaeger answers at http://127.0.0.1:9: ")
