"""Prometheus' own tools, where this machine has them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))
_FETCHED = ROOT / ".cache" / "prometheus" / "bin"


def run(tool: str, *arguments: str | Path) -> str:
    """What a tool says; skips the test where there is none, as `scripts/prometheus_tools` has said before."""
    path = shutil.which(tool) or shutil.which(tool, path=str(_FETCHED))
    if path is None:
        pytest.skip(f"{tool} is not on this machine: scripts/prometheus_tools fetches it where there is apt")
    done = subprocess.run(
        [path, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, object]]:
    """All rules, as they are written."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]
