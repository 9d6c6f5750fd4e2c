"""`llmgw access` and what `llmgw keys` does with lists, ends and secrets, with the embedded store."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from llmgw.cli import main
from llmgw.policy.access import AccessDesk, Wish
from llmgw.policy.keyring import Keyring
from llmgw.policy.pepper import load_pepper
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey, attach_or_start
from llmgw.types.clock import SystemClock
from tests.waiting import ROOMY_S


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A settings file whose store runs."""
    file = tmp_path / "llmgw.yaml"
    file.write_text(f"state: {{dir: {tmp_path / 'state'}}}\n", encoding="utf-8")
    with EmbeddedValkey(tmp_path / "state"):
        yield file


def run(config: Path, *arguments: str) -> Result:
    """Run `llmgw` as a user would."""
    return CliRunner().invoke(main, arguments, env={"LLMGW_CONFIG": str(config), "COLUMNS": "250"})


def made(config: Path, *options: str) -> tuple[str, str]:
    """Make a key; returns its id and the key."""
    token = run(config, "keys", "create", "--name", "app", *options).stdout.strip()
    return token.split("_")[2], token


class Ticking(SystemClock):
    """The time, a millisecond later each time it is asked for: what is made within one is in no order."""

    def __init__(self) -> None:
        self._last_ns = 0

    def unix_ns(self) -> int:
        """As `Clock`."""
        self._last_ns = max(super().unix_ns(), self._last_ns + 1_000_000)
        return self._last_ns


def ask(config: Path, token: str, *names: str) -> None:
    """Ask for aliases, as the key's holder."""

    async def asked() -> None:
        with attach_or_start(config.parent / "state") as url:
            async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
                keyring = Keyring(state, load_pepper(config.parent / "state"))
                desk = AccessDesk(state, keyring, Ticking())
                for name in names:
                    await desk.ask(await keyring.authenticate(token), Wish(alias=name, reason="[red]x[/red]"))

    asyncio.run(asked())


def test_a_key_is_shown_whole_and_without_its_secret(config: Path) -> None:
    """As a table and as JSON."""
    key_id, token = made(
        config, "--team", "search", "--tag", "a", "--tag", "b", "--allow", "fast*", "--note", "[b]n[/b]",
        "--expires", "90d",
    )  # fmt: skip
    shown = run(config, "keys", "show", key_id)
    for words in ("search", "a, b", "fast*", "[b]n[/b]", "active"):
        assert words in shown.stdout
    told = json.loads(run(config, "keys", "show", key_id, "--json").stdout)
    assert (told["team"], told["tags"], told["allow"], told["note"]) == (
        "search", ["a", "b"], ["fast*"], "[b]n[/b]",
    )  # fmt: skip
    assert told["expires_ms"] - told["created_ms"] == pytest.approx(90 * 86_400_000, abs=60_000)
    assert token.rpartition("_")[2] not in shown.stdout + json.dumps(told)
    assert "fast*" in run(config, "keys", "list").stdout


def test_a_key_ends_on_a_date(config: Path) -> None:
    """Its day begins in UTC."""
    key_id, _ = made(config, "--expires", "2099-01-31")
    assert json.loads(run(config, "keys", "show", key_id, "--json").stdout)["expires_ms"] == 4_073_500_800_000


def test_a_new_secret_is_printed_alone(config: Path) -> None:
    """Same id, another secret; `show` says until when the old one is good."""
    key_id, old = made(config)
    rotated = run(config, "keys", "rotate", key_id, "--overlap", "24h")
    new = rotated.stdout.strip()
    assert new.split("_")[2] == key_id
    assert new != old
    assert len(json.loads(run(config, "keys", "show", key_id, "--json").stdout)["previous_until_ms"]) == 1
    assert run(config, "keys", "rotate", key_id, "--overlap", "0s").exit_code == 0
    assert json.loads(run(config, "keys", "show", key_id, "--json").stdout)["previous_until_ms"] == []


def test_requests_are_listed_decided_and_told_of(config: Path) -> None:
    """Approved ones widen the list; text that people wrote is shown as text."""
    key_id, token = made(config, "--allow-nothing")
    ask(config, token, "fast", "slow")
    slow, fast = json.loads(run(config, "access", "list", "--json").stdout)
    assert "[red]x[/red]" in run(config, "access", "list").stdout
    assert run(config, "access", "approve", fast["id"], "--reason", "fine").exit_code == 0
    assert run(config, "access", "deny", slow["id"]).exit_code == 0
    assert json.loads(run(config, "keys", "show", key_id, "--json").stdout)["allow"] == ["fast"]
    assert json.loads(run(config, "access", "list", "--json").stdout) == []
    everything = json.loads(run(config, "access", "list", "--state", "all", "--json").stdout)
    assert [each["state"] for each in everything] == ["denied", "approved"]
    history = json.loads(run(config, "access", "history", "--json").stdout)
    assert [(each["who"], each["op"]) for each in history["events"]][:2] == [
        ("cli", "deny"),
        ("cli", "approve"),
    ]
    assert run(config, "keys", "allow", key_id, "other").exit_code == 0
    assert json.loads(run(config, "keys", "show", key_id, "--json").stdout)["allow"] == ["other"]
    assert run(config, "keys", "allow", key_id, "--everything").exit_code == 0
    assert json.loads(run(config, "keys", "show", key_id, "--json").stdout)["allow"] is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("keys", "create", "--name", "x", "--expires", "soon"), 2),
        (("keys", "create", "--name", "x", "--expires", "2020-01-01"), 2),
        (("keys", "create", "--name", "x", "--expires", "1d", "--expires-days", "1"), 2),
        (("keys", "create", "--name", "x", "--allow", "a", "--allow-nothing"), 2),
        (("keys", "create", "--name", "x", "--allow", "a b"), 1),
        (("keys", "create", "--name", "x", "--team", "A"), 1),
        (("keys", "show", "nobody"), 1),
        (("keys", "rotate", "nobody"), 1),
        (("keys", "rotate", "x", "--overlap", "-1h"), 2),
        (("keys", "allow", "nobody", "a"), 1),
        (("keys", "allow", "x", "a", "--everything"), 2),
        (("access", "approve", "acr_0"), 1),
        (("access", "deny", "acr_0"), 1),
        (("access", "list", "--state", "maybe"), 2),
    ],
)
def test_what_cannot_be_meant_or_is_not_there_fails(
    config: Path, arguments: tuple[str, ...], code: int
) -> None:
    """Wrong usage exits with 2, what is refused with 1 and a reason."""
    result = run(config, *arguments)
    assert result.exit_code == code
    assert result.stderr
