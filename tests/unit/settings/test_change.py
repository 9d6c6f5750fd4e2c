"""Settings from settings."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from llmgw.settings import (
    Auth,
    ConfigError,
    Loaded,
    Settings,
    State,
    Telemetry,
    restart_needed,
    taken_over,
    with_overrides,
)
from llmgw.settings.call_log import CallLog
from llmgw.types.secret import Secret


def test_overrides_replace_what_is_given_only() -> None:
    """None keeps the file's value."""
    settings = Settings()
    assert with_overrides(settings) == settings
    changed = with_overrides(settings, host="0.0.0.0", port=9000, workers=2)
    assert (changed.server.host, changed.server.port, changed.server.workers) == ("0.0.0.0", 9000, 2)
    assert msgspec.structs.replace(changed, server=settings.server) == settings


def test_overrides_are_checked_like_the_file() -> None:
    """A flag cannot open a gateway without keys to the network, nor leave a range."""
    with pytest.raises(ConfigError) as caught:
        with_overrides(Settings(auth=Auth(mode="none")), host="0.0.0.0")
    assert [problem.path for problem in caught.value.problems] == ["auth.mode"]
    with pytest.raises(ConfigError) as caught:
        with_overrides(Settings(), port=70_000, workers=0)
    assert [problem.path for problem in caught.value.problems] == ["server.port", "server.workers"]
    assert str(caught.value).startswith("command line: 2 problems\n  server.port: expected a whole number")


def test_equal_settings_need_no_restart() -> None:
    """Secrets are compared by value."""
    old = Settings(auth=Auth(pepper=Secret("a")))
    assert restart_needed(old, Settings(auth=Auth(pepper=Secret("a")))) == []


def test_what_a_reload_cannot_take_over_is_named() -> None:
    """Sockets, workers, the store, access, telemetry and the call log are fixed while a server runs."""
    old = Settings()
    new = Settings(
        server=msgspec.structs.replace(old.server, port=1, drain_s=1.0),
        state=State(url=Secret("redis://a"), dir=Path("/elsewhere")),
        auth=Auth(mode="none", pepper=Secret("p")),
        telemetry=Telemetry(sample=0.5),
        call_log=CallLog(keep_days=7),
    )
    assert restart_needed(old, new) == [
        "server.port",
        "server.drain_s",
        "state.url",
        "state.dir",
        "auth.mode",
        "auth.pepper",
        "telemetry.sample",
        "call_log.keep_days",
    ]


def test_everything_else_is_taken_over(loaded: Callable[..., Loaded]) -> None:
    """Providers and aliases change under a running server."""
    settings = loaded("providers: {p: {kind: openai}}\naliases: {a: {targets: [p/m]}}").settings
    assert restart_needed(Settings(state=settings.state), settings) == []


def test_a_worker_that_starts_late_has_all_that_a_reload_brought(loaded: Callable[..., Loaded]) -> None:
    """What needs a restart stays as it runs; every other section is the new file's, prices and limits, too."""
    running = Settings(server=msgspec.structs.replace(Settings().server, port=9))
    fresh = loaded(
        "server: {port: 1}\nproviders: {p: {kind: openai}}\naliases: {a: {targets: [p/m]}}\n"
        "prices: {unknown: refuse}\nlimits: {tenants: {'*': {concurrent: 4}}}\n"
        "signals: {thresholds: [50]}\ntelemetry: {sample: 0.5}"
    ).settings
    joined = taken_over(running, fresh)
    assert joined == msgspec.structs.replace(
        running,
        **{name: getattr(fresh, name) for name in ("providers", "aliases", "prices", "limits", "signals")},
    )
    assert restart_needed(running, joined) == []
    assert joined.limits != running.limits
