"""No secret is ever seen: not in reprs, not in `show`, not in errors."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from llmgw.settings import ConfigError, Loaded, load, to_yaml

SECRET = "hunter2-sk-tell-nobody-of-this-secret"

FULL = """
server: {host: 127.0.0.1, port: 8080, workers: 1, drain_s: 30}
state: {url: embedded, dir: /data, fsync: always}
auth: {mode: keys, pepper: 0123456789abcdef0123456789abcdef, stale_auth_s: 300}
providers:
  p:
    kind: openai
    base_url: https://a.example/v1
    api_key: k
    auth: bearer
    headers: {X-Team: search}
    query: {api-version: preview}
    timeouts: {connect_s: 1, total_s: 2}
    max_concurrency: 7
    features: {add: [video], remove: [tools]}
aliases:
  a: {strategy: weighted, targets: [p/m, {target: p/n, weight: 2}]}
telemetry:
  {otlp_endpoint: "", sample: 1.0, slow_ms: 1, metrics_s: 60, propagate_to_providers: false, log_level: info}
"""


def _leaves(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    match tree:
        case dict():
            for key, value in tree.items():
                yield from _leaves(value, (*path, key))
                if isinstance(value, dict | list):
                    yield (*path, key)
        case list():
            for index, value in enumerate(tree):
                yield from _leaves(value, (*path, index))
        case _:
            yield path


_PATHS = list(_leaves(yaml.safe_load(FULL)))


def _with(path: tuple[str | int, ...], value: Any) -> str:
    """Write `FULL` with another value at `path`."""
    tree = yaml.safe_load(FULL)
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return yaml.safe_dump(tree, sort_keys=False)


def _error(path: str, environ: dict[str, str]) -> str:
    try:
        load(path, environ)
    except ConfigError as error:
        return str(error) + repr(error) + repr(error.problems)
    return ""


@pytest.mark.parametrize("path", _PATHS, ids=str)
def test_no_problem_repeats_a_value(write: Callable[[str], str], path: tuple[str | int, ...]) -> None:
    """A secret put in any wrong place, literally or by a variable, is not in the error."""
    for value in (
        SECRET,
        f"https://{SECRET}@a.example",
        f"redis://:{SECRET}/x",
        f"p {SECRET}",
        f"{SECRET}\n",
        f"${{{SECRET}}}",
    ):
        assert SECRET not in _error(write(_with(path, value)), {})
        assert SECRET not in _error(write(_with(path, "${LEAK}")), {"LEAK": value})


@given(
    path=st.sampled_from(_PATHS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_any_value_anywhere_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[str | int, ...], value: Any
) -> None:
    """No file makes loading or showing raise anything but `ConfigError`."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(_with(path, value))
    with contextlib.suppress(ConfigError):
        to_yaml(load(str(file), {}).settings)


@pytest.mark.parametrize(
    "text",
    [
        f"auth: {{pepper: *{SECRET}}}",
        f"auth: {{pepper: !{SECRET} x}}",
        f"auth: {{pepper: !{SECRET}! x}}",
        f"auth: {{pepper: &{SECRET} {{}}",
        f"auth: {{pepper: '{SECRET}",
        f'auth: {{pepper: "{SECRET}\\q"}}',
        f"auth: {{pepper: @{SECRET}}}",
        f"auth: {{pepper: {SECRET}: x: y}}",
        f"auth:\n  pepper: {SECRET}\n sample: [",
        f"- {SECRET}",
        f"{SECRET}",
        f"auth: {{pepper: [{SECRET}]}}",
        f"auth: {{pepper: {SECRET}\x07}}",
    ],
)
def test_no_syntax_error_quotes_the_file(write: Callable[[str], str], text: str) -> None:
    """The parser's own excerpt of the line is left out."""
    with pytest.raises(ConfigError) as caught:
        load(write(text), {})
    assert SECRET not in str(caught.value) + repr(caught.value)


SECRETIVE = f"""
state: {{url: "redis://user:{SECRET}@redis.example:6379/1"}}
auth: {{pepper: {SECRET}}}
providers:
  p: {{kind: openai, api_key: "${{KEY}}", headers: {{X-Token: "x {SECRET}"}}}}
"""


def test_settings_do_not_print_their_secrets(loaded: Callable[..., Loaded]) -> None:
    """Neither `repr` nor `str` of loaded settings holds one."""
    result = loaded(SECRETIVE, KEY=SECRET)
    assert SECRET not in repr(result) + str(result) + f"{result.settings.state}"


def test_show_hides_secrets_but_tells_empty_from_unset(loaded: Callable[..., Loaded]) -> None:
    """`***`, `''` and `null` are three different answers; the rest of a store URL stays readable."""
    text = to_yaml(
        loaded(SECRETIVE + "  q: {kind: groq, api_key: ''}\n  r: {kind: ollama}\n", KEY=SECRET).settings
    )
    assert SECRET not in text
    shown = yaml.safe_load(text)
    assert shown["auth"]["pepper"] == "***"
    assert shown["state"]["url"] == "redis://user:***@redis.example:6379/1"
    assert [provider["api_key"] for provider in shown["providers"].values()] == ["***", "", None]
    assert shown["providers"]["p"]["headers"] == {"X-Token": "***"}


def test_show_is_a_file_that_loads(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    """What is shown can be read again, but for a hidden pepper, which is too short then."""
    settings = loaded(FULL.replace("pepper: 0123456789abcdef0123456789abcdef", "pepper: null")).settings
    (tmp_path / "shown.yaml").write_text(to_yaml(settings))
    again = load(str(tmp_path / "shown.yaml"), {}).settings
    assert to_yaml(settings) == to_yaml(again)
    assert (settings.server, settings.aliases, settings.telemetry) == (
        again.server,
        again.aliases,
        again.telemetry,
    )


def test_show_fills_in_what_the_registry_gives(loaded: Callable[..., Loaded]) -> None:
    """An operator sees where calls really go."""
    shown = yaml.safe_load(to_yaml(loaded("providers: {p: {kind: openai}}").settings))
    assert shown["providers"]["p"]["base_url"] == "https://api.openai.com/v1"
    assert shown["providers"]["p"]["auth"] == "bearer"
