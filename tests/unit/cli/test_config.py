"""`llmgw config`."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from llmgw.cli.config import config
from llmgw.settings import json_schema_text

SECRET = "hunter2"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment that names no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMGW_CONFIG", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(config, list(arguments))


def test_check_says_that_a_file_is_good(here: Path) -> None:
    """Exit code 0 and one line."""
    (here / "good.yaml").write_text("providers: {p: {kind: ollama}}")
    result = _run("check", "good.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "good.yaml: good\n", "")


def test_check_shows_warnings_and_still_passes(here: Path) -> None:
    """A provider without its key is told with its line."""
    (here / "llmgw.yaml").write_text("providers:\n  p: {kind: openai, api_key: ''}\n")
    result = _run("check")
    assert (result.exit_code, result.stdout) == (0, "llmgw.yaml: good with 1 warning\n")
    assert result.stderr.startswith("llmgw.yaml:2: warning: providers.p.api_key: is empty")


def test_check_lists_every_problem_and_fails(here: Path) -> None:
    """Lines, paths and suggestions, without the secret beside them."""
    (here / "bad.yaml").write_text(
        f"sever: {{}}\nproviders:\n  p: {{kind: opnai, api_key: {SECRET}}}\n  q: {{kind: openai, api_key: 7}}\n"
    )
    result = _run("check", "bad.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'bad.yaml:1: error: sever: unknown key; did you mean "server"?',
        'bad.yaml:3: error: providers.p.kind: unknown kind "opnai"; did you mean "openai"?',
        "bad.yaml:4: error: providers.q.api_key: expected text, got a number: put it in quotes",
        "3 problems found",
    ]


def test_an_absent_file_fails(here: Path) -> None:
    """`check` and `show` both say so."""
    for command in ("check", "show"):
        result = _run(command, "absent.yaml")
        assert (result.exit_code, result.stderr) == (1, "absent.yaml: error: no such file\n1 problem found\n")


def test_the_variable_names_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument `LLMGW_CONFIG` is used, as by `serve`."""
    (here / "mine.yaml").write_text("server: {port: 9}\nproviders: {p: {kind: ollama}}")
    monkeypatch.setenv("LLMGW_CONFIG", "mine.yaml")
    assert _run("check").stdout == "mine.yaml: good\n"
    assert yaml.safe_load(_run("show").stdout)["server"]["port"] == 9


def test_show_prints_what_is_in_effect(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References are expanded, defaults filled in, secrets hidden."""
    (here / "llmgw.yaml").write_text(
        "providers: {p: {kind: openai, api_key: '${KEY}'}}\nserver: {port: '${PORT}'}"
    )
    monkeypatch.setenv("KEY", SECRET)
    monkeypatch.setenv("PORT", "9")
    result = _run("show")
    assert result.exit_code == 0
    assert SECRET not in result.output
    shown = yaml.safe_load(result.stdout)
    assert shown["server"]["port"] == 9
    assert shown["providers"]["p"]["api_key"] == "***"
    assert result.stdout.startswith("# llmgw.yaml\nserver:\n")


def test_show_without_a_file_prints_the_defaults(here: Path) -> None:
    """The defaults name the simulator and say that no file was read."""
    result = _run("show")
    assert result.stdout.startswith("# defaults (no settings file)\n")
    assert list(yaml.safe_load(result.stdout)["providers"]) == ["simulator"]


def test_schema_prints_the_schema(here: Path) -> None:
    """Redirected, it is the committed file."""
    assert _run("schema").stdout == json_schema_text()
