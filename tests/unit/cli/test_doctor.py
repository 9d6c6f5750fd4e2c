"""What `llmgw doctor` finds, and that each line that is not good carries its fix."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from llmgw.cli import main
from llmgw.cli.doctor import Finding, examine
from llmgw.cli.serve import free_port
from llmgw.simulator.thread import SimulatorThread


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that is there."""
    with SimulatorThread() as running:
        yield running


def found(tmp_path: Path, config: dict[str, Any], *, offline: bool = False) -> dict[str, Finding]:
    """The worst finding of each kind."""
    path = tmp_path / "llmgw.yaml"
    whole = {"state": {"dir": str(tmp_path / "state")}, "server": {"port": free_port("127.0.0.1")}, **config}
    path.write_text(yaml.safe_dump(whole))
    order = {"good": 0, "doubtful": 1, "bad": 2}
    findings: dict[str, Finding] = {}
    for finding in examine(str(path), {}, offline=offline):
        before = findings.get(finding.what)
        if before is None or order[finding.verdict] >= order[before.verdict]:
            findings[finding.what] = finding
    assert all(finding.fix for finding in findings.values() if finding.verdict != "good")
    return findings


def test_a_good_machine_is_good(tmp_path: Path, simulator: SimulatorThread) -> None:
    """Configuration, embedded state, address and a provider that answers."""
    config = {"providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}}}
    findings = found(tmp_path, config)
    verdicts = {what: findings[what].verdict for what in ("config", "state", "address", "provider sim")}
    assert set(verdicts.values()) == {"good"}


def test_a_provider_that_is_away_is_bad(tmp_path: Path) -> None:
    """Nobody listens at its address."""
    config = {"providers": {"gone": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}}}
    assert found(tmp_path, config)["provider gone"].verdict == "bad"


@contextmanager
def refusing() -> Iterator[str]:
    """A provider that answers 401 to everything; gives its base URL."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("key", "says"), [("", "no api_key is set"), ("wrong", "refuses the api_key")])
def test_a_provider_that_refuses_the_key_is_bad(tmp_path: Path, key: str, says: str) -> None:
    """The address is right; whether a credential is missing or wrong is told apart."""
    with refusing() as base_url:
        provider = {"kind": "openai_compatible", "base_url": base_url, "api_key": key}
        finding = found(tmp_path, {"providers": {"p": provider}})["provider p"]
    assert finding.verdict == "bad"
    assert says in finding.says
    assert "wrong" not in finding.says


def test_offline_asks_no_provider(tmp_path: Path) -> None:
    """Without the network nothing is said of providers."""
    config = {"providers": {"gone": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}}}
    assert "provider gone" not in found(tmp_path, config, offline=True)


def test_a_taken_address_is_bad(tmp_path: Path) -> None:
    """Somebody else listens where the gateway should."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        findings = found(tmp_path, {"server": {"port": taken.getsockname()[1]}}, offline=True)
    assert findings["address"].verdict == "bad"


def test_a_store_that_is_away_is_bad(tmp_path: Path) -> None:
    """An external store that does not answer."""
    findings = found(tmp_path, {"state": {"url": "redis://127.0.0.1:9"}}, offline=True)
    assert findings["state"].verdict == "bad"


def test_a_collector_that_is_away_is_doubtful(tmp_path: Path) -> None:
    """Calls are served without traces too."""
    findings = found(tmp_path, {"telemetry": {"otlp_endpoint": "http://127.0.0.1:9"}}, offline=True)
    assert findings["telemetry"].verdict == "doubtful"


def test_a_broken_configuration_ends_the_examination(tmp_path: Path) -> None:
    """Its problems are printed with their lines, and the exit code is 1."""
    path = tmp_path / "llmgw.yaml"
    path.write_text("servr: {}\n")
    done = CliRunner().invoke(main, ["doctor", "-c", str(path)])
    assert done.exit_code == 1
    assert "line 1" in done.output
    assert "fix:" in done.output
