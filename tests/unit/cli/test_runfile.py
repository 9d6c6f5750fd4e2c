"""The run file: how commands find the running gateway."""

import os
from pathlib import Path

from llmgw.cli.runfile import RunFile, Running


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Readable by its owner only, and whole."""
    runfile = RunFile(tmp_path / "state")
    running = Running(pid=os.getpid(), url="http://127.0.0.1:1", generation=3, asked=2, problems="p")
    runfile.write(running)
    assert runfile.read() == running
    assert runfile.path.stat().st_mode & 0o777 == 0o600
    runfile.remove()
    assert runfile.read() is None


def test_a_dead_gateways_file_counts_for_nothing(tmp_path: Path) -> None:
    """A file left by a killed process, or one that is garbled, is as good as none."""
    runfile = RunFile(tmp_path)
    runfile.write(Running(pid=2**22 + 1, url="", generation=1))
    assert runfile.read() is None
    runfile.path.write_bytes(b"{")
    assert runfile.read() is None
