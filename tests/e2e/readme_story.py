"""Chapters of the README whose commands follow from each other, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.running import RunningGateway


def commands_of(chapter: str) -> list[str]:
    """The lines of its shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def ran(line: str, gateway: RunningGateway, home: Path) -> str:
    """What a line prints in a directory that has the command where a checkout has it; it must succeed."""
    script = home / ".venv" / "bin" / "llmgw"
    if not script.exists():
        script.parent.mkdir(parents=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llmgw "$@"\n')
        script.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", line.replace("http://127.0.0.1:8080", gateway.root)],
        cwd=home,
        env={
            **os.environ,
            "LLMGW_URL": "",
            "LLMGW_CONFIG": str(gateway.config_path),
            "LLMGW_KEY": gateway.key,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout
