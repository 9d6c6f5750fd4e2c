"""`llmgw store`, with the embedded store it finds or starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from llmgw.cli.doctor import doctor
from llmgw.cli.store import store
from llmgw.state.embedded import EmbeddedValkey
from redis import Redis


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with a state directory of its own."""
    file = tmp_path / "llmgw.yaml"
    file.write_text(f"state: {{dir: {tmp_path / 'state'}}}\n", encoding="utf-8")
    return file


def run(config: Path, *arguments: str, said: str = "") -> Result:
    """Run `llmgw store` as a user would."""
    environ = {"LLMGW_CONFIG": str(config), "COLUMNS": "200"}
    return CliRunner().invoke(store, arguments, input=said, env=environ)


def known(config: Path, name: str | None) -> None:
    """Have the gateway know a store, or none."""
    file = config.parent / "state" / "store-id"
    file.unlink(missing_ok=True)
    if name is not None:
        file.write_text(name)
        file.chmod(0o600)


def test_a_loss_is_told_and_accepted(config: Path) -> None:
    """Status exits with 1 until the loss is accepted, which asks first; then the file and the store agree."""
    with EmbeddedValkey(config.parent / "state") as server, Redis.from_url(server.url) as client:
        first = run(config, "status")
        assert (first.exit_code, first.stdout) == (0, "known  none\nfound  none\n")
        known(config, "a" * 32)
        lost = run(config, "status")
        assert lost.exit_code == 1
        assert "llmgw store accept" in lost.output
        assert "llmgw store accept" in CliRunner().invoke(doctor, env={"LLMGW_CONFIG": str(config)}).output
        refused = run(config, "accept", said="n\n")
        assert refused.exit_code == 1
        assert "ledger" in refused.output
        assert client.hgetall("llmgw:store") == {}
        assert run(config, "accept", "--yes").exit_code == 0
        stored = client.hgetall("llmgw:store")
        assert set(stored) == {b"id", b"over:" + b"a" * 32}
        assert (config.parent / "state" / "store-id").read_text() == stored[b"id"].decode()
        assert run(config, "status").exit_code == 0
        again = run(config, "accept", "--yes")
        assert (again.exit_code, "nothing to accept" in again.output) == (0, True)
        assert client.hgetall("llmgw:store") == stored


def test_a_file_that_others_can_read_is_refused(config: Path) -> None:
    """The message says which, and what to do."""
    with EmbeddedValkey(config.parent / "state"):
        known(config, "a" * 32)
        (config.parent / "state" / "store-id").chmod(0o644)
        for arguments in (["status"], ["accept", "--yes"]):
            done = run(config, *arguments)
            assert done.exit_code == 1
            assert "chmod 600" in done.output
