"""A server that outlived its gateway: told apart from strangers, then stopped, to be started anew."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from threading import Event

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from llmgw.state.data_dir import DataDir, EmbeddedStateError

STOP_STEPS = ((signal.SIGTERM, 0.0), (signal.SIGCONT, 5.0), (signal.SIGKILL, 5.0))
"""Signals in turn, with the seconds each may take; a frozen server heeds SIGTERM once it is thawed."""

_TICK_S = 0.01


def answers(socket: Path, timeout_s: float = 0.5) -> bool:
    """Whether a server at this socket is ready for commands."""
    with _client(socket, timeout_s) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False


def loads(socket: Path) -> bool:
    """Whether a server at this socket is alive and still reading its data."""
    with _client(socket, 0.5) as client:
        try:
            client.ping()
        except BusyLoadingError:
            return True
        except (RedisError, OSError):
            return False
        return False


def stop_leftover(data_dir: DataDir) -> bool:
    """Stop the server a dead gateway left in this directory; says whether there was one. Hold the lock first.

    Raises:
        EmbeddedStateError: it does not stop.
    """
    pid = _pid_at_socket(data_dir.socket) or _pid_in_file(data_dir)
    if pid is None:
        return False
    for step, patience_s in STOP_STEPS:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, step)
        if _gone(pid, patience_s):
            return True
    raise EmbeddedStateError(
        f"process {pid}, left over from an earlier gateway, does not stop; end it by hand: kill -9 {pid}"
    )


def _client(socket: Path, timeout_s: float) -> Redis:
    return Redis(
        unix_socket_path=str(socket), socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0), protocol=2
    )


def _pid_at_socket(socket: Path) -> int | None:
    # Only a server of this user can listen in this private directory, so its word about itself is good.
    with _client(socket, 0.5) as client:
        try:
            return int(client.info("server")["process_id"])
        except (RedisError, OSError):
            return None


def _pid_in_file(data_dir: DataDir) -> int | None:
    try:
        pid = int(data_dir.pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    # Process numbers are reused: it is ours only if it names our socket in its title.
    return pid if str(data_dir.socket) in _command_line(pid) else None


def _command_line(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            return ""
    ps = shutil.which("ps")
    if ps is None:
        return ""
    return subprocess.run(  # noqa: S603 - an absolute path and a number
        [ps, "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


def _gone(pid: int, patience_s: float) -> bool:
    tick = Event()
    for _ in range(round(patience_s / _TICK_S)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _zombie(pid):
            return True
        tick.wait(_TICK_S)
    return False


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
