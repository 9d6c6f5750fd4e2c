"""Phoenix as it comes from its package: a process of its own, in an environment of its own (`make phoenix`)."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.cli.address import free_port
from tests.e2e.phoenix.client import Phoenix
from tests.waiting import until

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".phoenix"
LOCK = ROOT / "requirements" / "phoenix.lock"


def missing() -> str:
    """Why there is no Phoenix to ask; empty where there is."""
    stamp = ENVIRONMENT / "lock"
    if not stamp.is_file():
        return "Phoenix is not installed: make phoenix"
    if stamp.read_bytes() != LOCK.read_bytes():
        return "Phoenix is installed by another lock: make phoenix"
    return ""


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """An empty Phoenix, ready to be sent to and asked."""
    why = missing()
    if why:
        pytest.skip(why)
    home = tmp_path_factory.mktemp("phoenix")
    port = free_port("127.0.0.1")
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PHOENIX_WORKING_DIR": str(home),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port("127.0.0.1")),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        # It would else look for pages of others on the network before it starts.
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [ENVIRONMENT / "bin" / "phoenix", "serve"],
            cwd=home,
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        there = Phoenix(f"http://127.0.0.1:{port}")
        until(lambda: process.poll() is not None or there.is_ready(), "Phoenix to get ready", within_s=180)
        assert process.poll() is None, log.read_text(errors="replace")
        yield there
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
