"""Settings from what was read of them before."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from llmgw.settings import ConfigError, Loaded, load_snapshot
from tests.local_issuer import SigningKey

TEXT = """
state: {dir: here}
providers: {p: {kind: openai, api_key: "${file:key}${file:key}", base_url: "${URL:-https://one.example/v1}"}}
aliases: {a: {targets: [p/m]}}
auth: {issuers: [{name: i, issuer: "https://i.example", audience: a, algorithm: RS256, jwks_file: keys.json,
  tenant: {fixed: t}, roles: {default: caller}}]}
"""


def test_a_snapshot_gives_the_same_settings_whatever_became_of_the_files(
    loaded: Callable[..., Loaded], tmp_path: Path
) -> None:
    """Neither the file nor those it refers to are read again."""
    (tmp_path / "key").write_text("sk-secret\n")
    keys = {"keys": [SigningKey("k", "RS256").jwk]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    first = loaded(TEXT, URL="https://two.example/v1")
    for name in ("key", "keys.json"):
        (tmp_path / name).unlink()
    (tmp_path / "llmgw.yaml").write_text("broken: [")
    assert first.snapshot is not None
    again = load_snapshot(first.snapshot, {"URL": "https://two.example/v1"})
    assert (again.settings, again.source, again.snapshot) == (first.settings, first.source, first.snapshot)
    assert "sk-secret" not in repr(first)


def test_a_snapshot_of_another_environment_is_refused(loaded: Callable[..., Loaded]) -> None:
    """What cannot be what was checked is an error, and no half of it is taken."""
    first = loaded("providers: {p: {kind: openai, base_url: '${URL}'}}", URL="https://two.example/v1")
    assert first.snapshot is not None
    with pytest.raises(ConfigError, match="URL"):
        load_snapshot(first.snapshot, {})
