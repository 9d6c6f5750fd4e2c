"""`llmgw demo` ended from outside: whatever ends it, no process stays, and where it can tidy up, no file either."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left(
    signum: signal.Signals, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Simulator, gateway, worker and Valkey end with the demo; its directory goes unless it was killed."""
    printed = tmp_path / "printed"
    # Short: below a long path the store would put its socket into a directory of its own.
    home = tmp_path_factory.mktemp("t")
    # As in a terminal: where the tests run under nohup, the demo would rightly ignore what it ignores.
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with printed.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "llmgw", "demo", "--fast", "--port", "0"],
            env={**os.environ, "TMPDIR": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(
            lambda: "Try it yourself" in printed.read_text() or demo.poll() is not None,
            "the demo to serve",
            within_s=60,
        )
        assert demo.poll() is None, printed.read_text()
        started = {pid: _started(pid) for pid in _below(demo.pid)}
        assert len(started) >= 4
        assert len(list(home.iterdir())) == 1
        demo.send_signal(signum)
        code = demo.wait(timeout=60)
        assert code == (-signum if signum == signal.SIGKILL else 128 + signum)
        if signum == signal.SIGKILL:
            until(lambda: not _alive(started), "the demo's processes to end", within_s=60)
        else:
            assert _alive(started) == []
            assert list(home.iterdir()) == []
    finally:
        demo.kill()
        demo.wait()
        signal.signal(signal.SIGHUP, hangup)
    assert "Traceback" not in printed.read_text()


def _below(pid: int) -> list[int]:
    """Every descendant; children belong to the thread that started them."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [*children, *(grandchild for child in children for grandchild in _below(child))]


def _alive(started: dict[int, str]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid, since in started.items() if _started(pid) == since]


def _started(pid: int) -> str:
    """When a process was started, which with its number tells it from every other; empty once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]
