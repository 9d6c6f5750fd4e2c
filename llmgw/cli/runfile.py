"""What a running gateway leaves for other commands: where it is, and how its last reload went.

The supervisor holds a lock for as long as it lives, so that a file left by a killed one is not taken for news.
"""

import fcntl
import os
from pathlib import Path

import msgspec

from llmgw.types.json import encode


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the run file.

    `asked` counts reload requests answered, so that a command can tell the answer to its own.
    """

    pid: int
    url: str
    generation: int
    asked: int = 0
    problems: str | None = None
    restart_needed: tuple[str, ...] = ()


class RunFile:
    """`serve.json` in the state directory, written by the supervisor and read by `llmgw config reload`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "serve.json"
        self._lock_path = directory / "serve.lock"
        self._lock: int | None = None

    def claim(self) -> bool:
        """Take the file for this process; False when a running gateway has it.

        Raises:
            OSError: the directory cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def disown(self) -> None:
        """Let go of the lock in a forked child, which would else hold it beyond its parent's death."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, running: Running) -> None:
        """Replace the file as a whole, readable by its owner only; harmless where another process has it."""
        if self._lock is None:
            return
        fresh = self.path.with_suffix(".tmp")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(running))
        fresh.replace(self.path)

    def read(self) -> Running | None:
        """Return what the running gateway wrote; None when none runs here."""
        try:
            lock = os.open(self._lock_path, os.O_RDWR)
        except (FileNotFoundError, PermissionError):
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._read()
        finally:
            os.close(lock)
        return None

    def _read(self) -> Running | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None

    def release(self) -> None:
        """The gateway has stopped."""
        if self._lock is not None:
            self.path.unlink(missing_ok=True)
            self.disown()
