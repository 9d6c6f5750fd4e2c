"""The run file: how commands find the running gateway."""

import os
from pathlib import Path

from llmgw.cli.runfile import RunFile, Running

RUNNING = Running(pid=os.getpid(), url="http://127.0.0.1:1", generation=3, asked=2, problems="p")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Readable by its owner only, and whole, for as long as its gateway runs."""
    runfile = RunFile(tmp_path / "state")
    assert runfile.claim()
    runfile.write(RUNNING)
    assert RunFile(tmp_path / "state").read() == RUNNING
    assert runfile.path.stat().st_mode & 0o777 == 0o600
    runfile.release()
    assert runfile.read() is None
    assert not runfile.path.exists()


def test_a_dead_gateways_file_counts_for_nothing(tmp_path: Path) -> None:
    """A file left by a killed process names nobody, whoever has its number now."""
    runfile = RunFile(tmp_path)
    assert runfile.claim()
    runfile.write(RUNNING)
    runfile.disown()
    assert runfile.path.exists()
    assert RunFile(tmp_path).read() is None


def test_a_garbled_file_counts_for_nothing(tmp_path: Path) -> None:
    """A running gateway whose file does not parse is not guessed at."""
    runfile = RunFile(tmp_path)
    assert runfile.claim()
    runfile.path.write_bytes(b"{")
    assert RunFile(tmp_path).read() is None
    runfile.release()


def test_a_second_gateway_leaves_the_firsts_file_alone(tmp_path: Path) -> None:
    """Only who has claimed the file writes and removes it."""
    first, second = RunFile(tmp_path), RunFile(tmp_path)
    assert first.claim()
    first.write(RUNNING)
    assert not second.claim()
    second.write(Running(pid=1, url="", generation=9))
    second.release()
    assert RunFile(tmp_path).read() == RUNNING
    first.release()
