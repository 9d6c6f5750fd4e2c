"""The files around the code: what they name exists, and what they configure is accepted."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from llmgw.settings import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "loadtests" / "RESULTS.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link or a path in code marks that looks like one of ours exists."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    paths = re.findall(
        r"`((?:llmgw|tests|docs|schemas|loadtests|requirements|deploy|scripts)/[\w./-]+)`", text
    )
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_the_compose_file_holds_together(tmp_path: Path) -> None:
    """Gateway, Valkey and Jaeger are what starts unasked, and the gateway's configuration in it is a good one."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    unasked = {name for name, service in compose["services"].items() if "profiles" not in service}
    assert unasked == {"gateway", "valkey", "jaeger"}
    path = tmp_path / "llmgw.yaml"
    # Compose reads $$ as $, so that the gateway and not Compose expands the variables.
    path.write_text(compose["configs"]["llmgw"]["content"].replace("$$", "$"), encoding="utf-8")
    settings = load(str(path), {}).settings
    assert settings.state.url.reveal() == "redis://valkey:6379/0"
    assert settings.telemetry.otlp_endpoint == "http://jaeger:4318"


def test_the_wheel_brings_code_types_and_schemas(tmp_path: Path) -> None:
    """What is installed has the schemas and the type marker, and no file that runs by itself."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = {"llmgw/_schemas/config.json", "llmgw/_schemas/context/1/turn.json"}
    assert {*schemas, "llmgw/py.typed", "llmgw/app/worker.py"} <= names
    assert [name for name in names if name.endswith(".pth") or name.startswith("tests/")] == []
    metadata = next(name for name in names if name.endswith("entry_points.txt"))
    assert "llmgw = llmgw.cli:main" in zipfile.ZipFile(wheel).read(metadata).decode()
    # Straight from the archive, far from any checkout, the package finds its own schemas.
    script = "from llmgw.context import protocol; print(protocol.__file__, len(protocol.schemas()))"
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert found.stdout.decode().split() == [f"{wheel}/llmgw/context/protocol/__init__.py", "9"]
