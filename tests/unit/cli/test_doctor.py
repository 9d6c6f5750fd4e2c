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
from llmgw.context.integrity.chain_keys import load_chain_keys
from llmgw.simulator.thread import SimulatorThread
from tests.ports import free_port


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A provider that is there."""
    with SimulatorThread() as running:
        yield running


def found(tmp_path: Path, config: dict[str, Any], *, offline: bool = False) -> dict[str, Finding]:
    """The worst finding of each kind."""
    path = tmp_path / "llmgw.yaml"
    whole = {"state": {"dir": str(tmp_path / "state")}, "server": {"port": free_port()}, **config}
    path.write_text(yaml.safe_dump(whole))
    order = {"good": 0, "doubtful": 1, "bad": 2}
    findings: dict[str, Finding] = {}
    for finding in examine(str(path), {}, offline=offline):
        before = findings.get(finding.what)
        if before is None or order[finding.verdict] >= order[before.verdict]:
            findings[finding.what] = finding
    assert all(finding.fix for finding in findings.values() if finding.verdict != "good")
    return findings


def has_ipv6() -> bool:
    """Whether this machine has `::1`."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_good_machine_is_good(tmp_path: Path, simulator: SimulatorThread) -> None:
    """Configuration, embedded state, address and a provider that answers."""
    config = {"providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}}}
    findings = found(tmp_path, config)
    verdicts = {what: findings[what].verdict for what in ("config", "state", "address", "provider sim")}
    assert set(verdicts.values()) == {"good"}


@pytest.mark.parametrize(("kind", "path"), [("anthropic", ""), ("anthropic", "/v1"), ("gemini", "/v1beta")])
def test_each_protocol_is_asked_where_it_lists_its_models(
    tmp_path: Path, simulator: SimulatorThread, kind: str, path: str
) -> None:
    """A good address and key of any protocol are found good."""
    root = simulator.base_url.removesuffix("/v1")
    provider = {"kind": kind, "base_url": f"{root}{path}", "api_key": "any"}
    finding = found(tmp_path, {"providers": {"p": provider}})["provider p"]
    assert (finding.verdict, finding.says) == ("good", f"reachable at {root}{path}")


def test_a_provider_that_is_away_is_bad(tmp_path: Path) -> None:
    """Nobody listens at its address."""
    config = {"providers": {"gone": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}}}
    assert found(tmp_path, config)["provider gone"].verdict == "bad"


@contextmanager
def answering(
    status: int,
    body: bytes = b"",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    asked: list[str] | None = None,
) -> Iterator[str]:
    """A provider that answers the same to everything and notes the paths in `asked`; gives its base URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            self.send_response(status)
            for name, value in (*headers, ("content-length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def of_provider(tmp_path: Path, base_url: str, **members: Any) -> Finding:
    """What is found about one provider."""
    provider = {"kind": "openai_compatible", "base_url": base_url, **members}
    return found(tmp_path, {"providers": {"p": provider}})["provider p"]


@pytest.mark.parametrize(("key", "says"), [("", "no api_key is set"), ("wrong", "refuses the api_key")])
@pytest.mark.parametrize("status", [401, 403])
def test_a_provider_that_refuses_the_key_is_bad(tmp_path: Path, key: str, says: str, status: int) -> None:
    """The address is right; whether a credential is missing or wrong is told apart."""
    with answering(status) as base_url:
        finding = of_provider(tmp_path, base_url, api_key=key)
    assert finding.verdict == "bad"
    assert says in finding.says
    assert "wrong" not in finding.says


@pytest.mark.parametrize("status", [200, 204])
def test_a_provider_that_lists_its_models_is_good(tmp_path: Path, status: int) -> None:
    """A success, and nothing else, proves address and credential; the question has the configured query."""
    asked: list[str] = []
    with answering(status, asked=asked) as base_url:
        finding = of_provider(tmp_path, base_url, query={"api-version": "2026-11-01"})
    assert finding.verdict == "good"
    assert asked == ["/v1/models?api-version=2026-11-01"]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "answers 400: no such version"),
        (404, "no list of models at http://127.0.0.1"),
        (418, "answers 418: no such version"),
        (429, "answers 429: the provider's rate limit is reached"),
        (500, "answers 500: the provider failed"),
        (503, "answers 503: the provider has no capacity"),
    ],
)
def test_a_provider_that_answers_otherwise_is_doubtful(tmp_path: Path, status: int, says: str) -> None:
    """It is there, but calls may fail; its own words are shown."""
    with answering(status, b'{"error": {"message": "no such version"}}') as base_url:
        finding = of_provider(tmp_path, base_url)
    assert finding.verdict == "doubtful"
    assert says in finding.says


@pytest.mark.parametrize(
    ("location", "says"),
    [
        (
            ("location", "https://elsewhere.example/v1/models?key=s3cret"),
            "https://elsewhere.example/v1/models (",
        ),
        (("x-none", ""), "somewhere else"),
    ],
)
def test_a_provider_that_redirects_is_doubtful(tmp_path: Path, location: tuple[str, str], says: str) -> None:
    """A redirect is not followed in calls either; where it leads is shown without its query."""
    with answering(308, headers=(location,)) as base_url:
        finding = of_provider(tmp_path, base_url)
    assert finding.verdict == "doubtful"
    assert says in finding.says
    assert "base_url is probably wrong" in finding.fix
    assert "s3cret" not in finding.says


def test_a_providers_words_are_bounded_and_do_not_repeat_the_key(tmp_path: Path) -> None:
    """A refusal that quotes the credential, at length, with a terminal's control codes."""
    body = b'{"error": {"message": "\\u001b[31mbad key sk-canary-1 ' + b"x" * 5000 + b'"}}'
    with answering(400, body) as base_url:
        finding = of_provider(tmp_path, base_url, api_key="sk-canary-1")
    assert "bad key ***" in finding.says
    assert "\x1b" not in finding.says
    assert len(finding.says) < 400


def test_without_a_file_the_simulator_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started by the gateway itself, so that its absence now is no fault."""
    monkeypatch.chdir(tmp_path)
    findings = {each.what: each for each in examine(None, {"XDG_STATE_HOME": str(tmp_path)}, offline=False)}
    assert findings["provider simulator"].verdict == "good"
    assert "llmgw serve starts it" in findings["provider simulator"].says


def test_offline_asks_no_provider(tmp_path: Path) -> None:
    """Without the network nothing is said of providers."""
    config = {"providers": {"gone": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}}}
    assert "provider gone" not in found(tmp_path, config, offline=True)


def test_a_taken_address_is_bad(tmp_path: Path) -> None:
    """Somebody else listens where the gateway should."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        findings = found(tmp_path, {"server": {"port": taken.getsockname()[1]}}, offline=True)
    assert findings["address"].verdict == "bad"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")
def test_an_ipv6_address_is_examined(tmp_path: Path) -> None:
    """`::1` is free or taken as any other address is."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        server = {"host": "::1", "port": taken.getsockname()[1]}
        finding = found(tmp_path, {"server": server}, offline=True)["address"]
        assert finding.verdict == "bad"
        assert f"[::1]:{server['port']}" in finding.says
    assert found(tmp_path, {"server": server}, offline=True)["address"].verdict == "good"


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


def test_the_keys_of_contexts_are_found_and_never_made(tmp_path: Path) -> None:
    """Where they are, that they want a backup, and what is wrong with them; a secret is not printed."""
    file = tmp_path / "state" / "context.keys"
    absent = found(tmp_path, {}, offline=True)["context keys"]
    assert absent.verdict == "good"
    assert str(file) in absent.says
    assert not file.exists()
    (made,) = load_chain_keys(file.parent).items()
    finding = found(tmp_path, {}, offline=True)["context keys"]
    assert finding.verdict == "good"
    assert (made[0] in finding.says, "backup" in finding.says) == (True, True)
    assert made[1].reveal() not in finding.says
    file.chmod(0o644)
    assert found(tmp_path, {}, offline=True)["context keys"].verdict == "bad"
    named = found(tmp_path, {"contexts": {"keys": {"a": "x" * 32, "b": "y" * 32}}}, offline=True)
    assert (named["context keys"].verdict, named["context keys"].says[:4]) == ("good", "a, b")
