"""Where settings come from, and what good ones look like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending.upkeep import Keep
from llmgw.settings import (
    Alias,
    AliasTarget,
    Auth,
    ConfigError,
    Loaded,
    Provider,
    Server,
    Settings,
    Telemetry,
    defaults,
    load,
    warnings,
)
from llmgw.settings.rooms import ledger_archive, ledger_keep
from llmgw.types.feature import Feature
from llmgw.types.secret import Secret
from llmgw.types.target import Timeouts

EXAMPLE = Path(__file__).parents[3] / "llmgw.example.yaml"


def test_the_example_loads_without_any_variable() -> None:
    """A copied example is a working file, missing keys being warnings only."""
    settings = load(str(EXAMPLE), {"HOME": "/home/me"}).settings
    assert settings.server == Server()
    assert settings.auth == Auth()
    assert settings.telemetry == Telemetry()
    assert settings.state.embedded
    assert settings.state.dir == Path("/home/me/.local/state/llmgw")
    assert list(settings.providers) == ["openai", "claude", "gemini", "local"]
    local = Provider(kind="openai_compatible", base_url="http://127.0.0.1:8000/v1", timeouts=Timeouts())
    assert settings.providers["local"] == local
    smart = (AliasTarget(target="openai/gpt-5"), AliasTarget(target="claude/claude-sonnet-5"))
    assert settings.aliases["smart"] == Alias(strategy="ordered", targets=smart)
    assert [
        (target.provider, target.model, target.weight) for target in settings.aliases["fast"].targets
    ] == [("openai", "gpt-5-mini", 9.0), ("gemini", "gemini-3.5-flash", 1.0)]


def test_the_example_warns_of_missing_keys_only() -> None:
    """Each hosted provider without its key is named, with the variable that would give it."""
    loaded = load(str(EXAMPLE), {"HOME": "/home/me", "OPENAI_API_KEY": "k"})
    assert [problem.path for problem in loaded.warnings] == [
        "providers.claude.api_key",
        "providers.gemini.api_key",
    ]
    assert all(problem.line is not None for problem in loaded.warnings)
    assert "${ANTHROPIC_API_KEY}" in loaded.warnings[0].message


def test_every_member_can_be_set(loaded: Callable[..., Loaded]) -> None:
    """The file reaches all members of a provider."""
    text = """
    providers:
      azure:
        kind: azure
        base_url: https://mine.openai.azure.com/openai/v1
        api_key: ${KEY}
        auth: bearer
        headers: {X-Team: search, X-Token: "${KEY}"}
        query: {api-version: preview}
        timeouts: {connect_s: 1, first_byte_s: 2, idle_s: 3.5, total_s: 4}
        max_concurrency: 7
        features: {add: [video], remove: [tools, seed]}
    """
    provider = loaded(text, KEY="k-1").settings.providers["azure"]
    assert provider.api_key == Secret("k-1")
    assert provider.auth == "bearer"
    assert provider.headers == {"X-Team": Secret("search"), "X-Token": Secret("k-1")}
    assert provider.query == {"api-version": "preview"}
    assert provider.timeouts == Timeouts(connect_s=1.0, first_byte_s=2.0, idle_s=3.5, total_s=4.0)
    assert provider.max_concurrency == 7
    assert provider.features.add == (Feature.VIDEO,)
    assert provider.features.remove == (Feature.TOOLS, Feature.SEED)


def test_whole_numbers_become_the_declared_type(loaded: Callable[..., Loaded]) -> None:
    """Seconds are floats, also where the file says 3."""
    server = loaded("server: {ping_s: 3, port: 9}").settings.server
    assert (float, int) == (type(server.ping_s), type(server.port))


@pytest.mark.parametrize("text", ["server:", "aliases:\nproviders:\nstate:", "{}", "providers: {}"])
def test_an_empty_section_means_its_defaults(loaded: Callable[..., Loaded], text: str) -> None:
    """A section whose lines are all commented out is no mistake; without providers there is a warning."""
    result = loaded(text, HOME="/home/me")
    assert result.settings.server == Server()
    assert result.settings.aliases == {}
    assert [problem.path for problem in result.warnings] == ["providers"]


def test_the_argument_wins_over_variable_and_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the argument, then LLMGW_CONFIG, then ./llmgw.yaml, then the defaults."""
    for name, port in (("a.yaml", 1), ("b.yaml", 2)):
        (tmp_path / name).write_text(f"server: {{port: {port}}}")
    monkeypatch.chdir(tmp_path)
    environ = {"LLMGW_CONFIG": "b.yaml", "HOME": "/home/me"}

    def source_and_port(path: str | None, environ: dict[str, str]) -> tuple[str | None, int]:
        loaded = load(path, environ)
        assert loaded.is_default is (loaded.source is None)
        return loaded.source, loaded.settings.server.port

    assert source_and_port("a.yaml", environ) == ("a.yaml", 1)
    assert source_and_port(None, environ) == ("b.yaml", 2)
    assert source_and_port(None, {**environ, "LLMGW_CONFIG": ""}) == (None, 8080)
    (tmp_path / "llmgw.yaml").write_text("server: {port: 3}")
    assert source_and_port(None, environ) == ("b.yaml", 2)
    assert source_and_port(None, {}) == ("llmgw.yaml", 3)


def test_the_defaults_are_the_simulator_under_the_alias_demo() -> None:
    """Without a file the gateway still answers, from a provider that needs no key."""
    settings = defaults({"HOME": "/home/me"})
    assert {"simulator": Provider(kind="simulator")} == settings.providers
    assert {"demo": Alias(targets=(AliasTarget(target="simulator/sim"),))} == settings.aliases
    assert Path("/home/me/.local/state/llmgw") == settings.state.dir
    assert warnings(settings) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.yaml", "no such file"),
        (".", "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: bad path"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    """A named file must be there: the defaults never take its place."""
    monkeypatch.chdir(tmp_path)
    for argument, environ in ((path, {}), (None, {"LLMGW_CONFIG": path})):
        with pytest.raises(ConfigError) as caught:
            load(argument, environ)
        assert [message] == [str(problem) for problem in caught.value.problems]
        assert caught.value.source == path


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("{}", {"HOME": "/h"}, "/h/.local/state/llmgw"),
        ("{}", {"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/llmgw"),
        ("{}", {"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/llmgw"),
        ("state: {fsync: always}", {"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/llmgw"),
        ("state: {dir: ~/data}", {"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/h/data"),
        ("state: {dir: '~'}", {"HOME": "/h"}, "/h"),
        ("state: {dir: /data}", {"HOME": "/h"}, "/data"),
        ("state: {dir: '${D}/sub'}", {"D": "/data"}, "/data/sub"),
    ],
)
def test_the_state_directory_is_absolute(
    loaded: Callable[..., Loaded], text: str, environ: dict[str, str], expected: str
) -> None:
    """`~` is the given environment's, and the default follows the XDG convention."""
    assert loaded(text, **environ).settings.state.dir == Path(expected)


def test_the_ledgers_archive_is_beside_the_state_unless_named(
    loaded: Callable[..., Loaded], problems: Callable[..., list[str]], tmp_path: Path
) -> None:
    """By default `ledger` in `state.dir`; a relative path starts at the settings file; it can be left out."""
    assert ledger_archive(loaded("state: {dir: here}").settings) == tmp_path / "here" / "ledger"
    settings = loaded("ledger: {archive_dir: books, keep_rows: 5000}").settings
    assert ledger_keep(settings) == Keep(35 * 86_400_000, 86_400_000, 5000, tmp_path / "books", 24_000)
    assert ledger_keep(loaded("ledger: {archive: false}").settings).archive is None
    assert problems("ledger: {archive_dir: ~nobody-of-this-name/x}") == [
        "line 1: ledger.archive_dir: starts with '~' and the name of no user here"
    ]
    assert problems("ledger: {archive_dir: ''}") == ["line 1: ledger.archive_dir: expected a path"]
    wrong = problems("ledger: {keep_rows: 999, archive: 7}")
    assert [each.split(": ")[1] for each in wrong] == ["ledger.keep_rows", "ledger.archive"]


def test_a_relative_state_directory_starts_at_the_file(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    """The store does not move with the working directory."""
    assert loaded("state: {dir: data}").settings.state.dir == tmp_path / "data"


def test_an_unknown_home_is_a_problem(problems: Callable[..., list[str]]) -> None:
    """`~name` needs a user of that name."""
    assert problems("state: {dir: ~nobody-of-this-name/x}") == [
        "line 1: state.dir: starts with '~' and the name of no user here"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "aliases: {a: {targets: [{target: p/m, weight: 2}, p/n]}}",
            "aliases.a.targets: weights change nothing",
        ),
        ("aliases: {a: {targets: [p/m, p/m]}}", "aliases.a.targets: lists a target twice"),
    ],
)
def test_odd_aliases_are_warned_of(loaded: Callable[..., Loaded], text: str, expected: str) -> None:
    """What has no effect is said, and does not stop the gateway."""
    result = loaded(f"providers: {{p: {{kind: ollama}}}}\n{text}")
    (warning,) = result.warnings
    assert str(warning).startswith(f"line 2: {expected}")
    assert [problem.path for problem in warnings(result.settings)] == [warning.path]


def test_no_key_is_no_warning_where_none_is_wanted(loaded: Callable[..., Any]) -> None:
    """Local servers, `auth: none` and unknown hosts may need no credential."""
    text = """
    providers:
      a: {kind: ollama}
      b: {kind: openai, auth: none}
      c: {kind: openai_compatible, base_url: "http://10.0.0.1/v1"}
      d: {kind: vllm}
    """
    assert loaded(text).warnings == ()


def test_settings_made_in_code_have_a_usable_state_directory() -> None:
    """The struct's own default is absolute too."""
    assert Settings().state.dir.is_absolute()
