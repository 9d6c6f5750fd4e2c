"""Other gateways that cannot be installed or started are said so, and the rest goes on."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from loadtests import peers
from loadtests.peers import LiteLLM, Portkey
from loadtests.subjects import StartError, Subject


def broken(home: Path) -> Path:
    """A program that complains and ends."""
    program = home / "broken"
    program.write_text("#!/bin/sh\necho 'the port is\nmine'\nexit 3\n", encoding="utf-8")
    program.chmod(0o700)
    return program


def test_a_peer_that_does_not_start_is_one_line_and_the_next_one_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One ends at once, one was not installed, and both reasons are told in a line each."""

    def failing(cpus: Sequence[int], home: Path, upstream_port: int) -> Subject:
        return LiteLLM(cpus, home, upstream_port, program=broken(tmp_path))

    def missing() -> None:
        raise StartError("Portkey is not measured: there is no node here")

    with ExitStack() as stack:
        guests = ((lambda: None, failing), (missing, Portkey))
        started, absent = peers.invited(stack, [0], tmp_path, 9, guests)

    assert not started
    assert absent[0] == "LiteLLM did not start: the port is mine"
    assert absent[1] == "Portkey is not measured: there is no node here"
    assert capsys.readouterr().out.split("\n\n")[:2] == absent


def test_without_node_there_is_no_portkey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="there is no node here"):
        peers.install_portkey()


def test_a_failed_installation_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the installer complained about is in the message, and what is half there is not taken for installed."""
    (tmp_path / "npm").write_text("#!/bin/sh\necho warn >&2\necho 'npm error code E404' >&2\nexit 1\n")
    (tmp_path / "node").write_text("#!/bin/sh\n")
    for program in ("npm", "node"):
        (tmp_path / program).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers, "HOME", tmp_path / "peers")
    for _ in range(2):
        with pytest.raises(StartError, match=r"Portkey is not measured: .*: npm error code E404"):
            peers.install_portkey()
