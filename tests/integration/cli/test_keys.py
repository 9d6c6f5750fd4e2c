"""`llmgw keys`, with the embedded store it finds or starts."""

import asyncio
import re
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from llmgw.cli.keys import keys
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import KeyRecord
from llmgw.policy.pepper import load_pepper
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.call import Caller
from tests.waiting import ROOMY_S


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with a state directory of its own."""
    file = tmp_path / "llmgw.yaml"
    file.write_text(f"state: {{dir: {tmp_path / 'state'}}}\n", encoding="utf-8")
    return file


def run(config: Path, *arguments: str) -> Result:
    """Run `llmgw keys` as a user would."""
    return CliRunner().invoke(keys, arguments, env={"LLMGW_CONFIG": str(config), "COLUMNS": "200"})


def listed(config: Path) -> list[KeyRecord]:
    """All keys, as `list --json` tells them."""
    result = run(config, "list", "--json")
    assert result.exit_code == 0
    return msgspec.json.decode(result.stdout, type=list[KeyRecord])


def test_a_made_key_is_printed_alone_and_works(config: Path) -> None:
    """Standard output is the key and nothing else, so that a script can take it; the gateway knows it."""
    made = run(config, "create", "--name", "ci", "--role", "operator")
    assert made.exit_code == 0
    token = made.stdout.strip()
    assert re.fullmatch(r"llmgw_live_\w{12}_\w{49}", token)

    async def caller(url: str) -> Caller:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            return await Keyring(state, load_pepper(config.parent / "state")).authenticate(token)

    with EmbeddedValkey(config.parent / "state") as server:
        found = asyncio.run(caller(server.url))
    assert (found.name, found.role) == ("ci", "operator")


def test_keys_are_made_listed_and_revoked_beside_a_running_store(config: Path) -> None:
    """Commands use the running gateway's store; the list shows what they did."""
    with EmbeddedValkey(config.parent / "state"):
        assert run(config, "create", "--name", "one").exit_code == 0
        assert (
            run(config, "create", "--name", "two", "--expires-days", "30", "--tenant", "acme").exit_code == 0
        )
        one, two = listed(config)
        assert (one.name, one.role, one.expires_ms) == ("one", "caller", None)
        assert two.expires_ms is not None
        assert (one.tenant, two.tenant) == ("default", "acme")
        assert run(config, "revoke", one.id).exit_code == 0
        assert [record.revoked_ms is None for record in listed(config)] == [False, True]
        table = run(config, "list").stdout
        assert re.search(rf"{one.id}.*revoked", table)
        assert re.search(rf"{two.id}.*active", table)


def test_an_empty_list_says_what_to_do(config: Path) -> None:
    """No keys is not an error."""
    result = run(config, "list")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "llmgw keys create" in result.stderr


def test_a_name_is_shown_as_text(config: Path) -> None:
    """Markup in a name is not interpreted."""
    assert run(config, "create", "--name", "[red]x[/red]").exit_code == 0
    assert "[red]x[/red]" in run(config, "list").stdout


def test_an_unknown_id_fails_with_the_way_to_the_ids(config: Path) -> None:
    """Revoking what is not there exits with 1 and names the command that shows IDs."""
    result = run(config, "revoke", "nobody")
    assert result.exit_code == 1
    assert "llmgw keys list" in result.stderr


def test_a_store_that_is_away_fails_with_the_doctor(config: Path) -> None:
    """An external store that does not answer exits with 1 and names what finds out why."""
    config.write_text(
        f"state: {{url: 'unix://{config.parent}/nobody.sock', dir: {config.parent / 'state'}}}\n",
        encoding="utf-8",
    )
    result = run(config, "list")
    assert result.exit_code == 1
    assert "llmgw doctor" in result.stderr


def test_a_bad_settings_file_fails_with_its_problems(config: Path) -> None:
    """The problem itself is shown."""
    config.write_text("sate: {}\n", encoding="utf-8")
    result = run(config, "list")
    assert result.exit_code == 1
    assert "state" in result.stderr


def test_a_readable_pepper_fails_with_its_fix(config: Path) -> None:
    """A pepper other users can read stops every command."""
    load_pepper(config.parent / "state")
    (config.parent / "state" / "pepper").chmod(0o644)
    result = run(config, "list")
    assert result.exit_code == 1
    assert "chmod 600" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "--name", "x", "--role", "root"),
        ("create", "--name", "x", "--expires-days", "0"),
        ("revoke",),
        ("burn",),
    ],
)
def test_wrong_usage_exits_with_2(config: Path, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is told apart from what failed."""
    assert run(config, *arguments).exit_code == 2


def test_a_name_that_could_forge_a_log_line_is_refused(config: Path) -> None:
    """The reason is told; no key is made."""
    result = run(config, "create", "--name", "a\nb")
    assert result.exit_code == 1
    assert "printable" in result.stderr
    assert listed(config) == []
