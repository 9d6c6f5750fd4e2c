"""The embedded store's place on disk: made private, held by one gateway at a time."""

import errno
import fcntl
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET_PATH_MAX = 107 if sys.platform == "linux" else 103
"""Bytes of a unix socket's path the kernel takes (sun_path without its NUL)."""

LOG_MAX_BYTES = 8 * 1024 * 1024


class EmbeddedStateError(Exception):
    """The embedded store cannot run here; the message ends with what to do about it."""


class DataDir:
    """`<state dir>/valkey`: data, log, pid file, lock and, where the path is short enough, the socket."""

    def __init__(self, state_dir: Path) -> None:
        self.path = Path(os.path.abspath(state_dir), "valkey")  # noqa: PTH100 - a symlinked directory keeps its name
        self.log = self.path / "valkey.log"
        self.pid_file = self.path / "valkey.pid"
        self._lock_file = self.path / "gateway.lock"
        self._socket_note = self.path / "socket.path"
        self._lock: int | None = None

    @property
    def socket(self) -> Path:
        """Where the server listens, as the gateway that last started it chose."""
        direct = self.path / "valkey.sock"
        if len(os.fsencode(direct)) <= SOCKET_PATH_MAX:
            return direct
        try:
            return Path(self._socket_note.read_text(encoding="utf-8"))
        except OSError:
            return self._distant_socket()

    def prepare(self) -> None:
        """Make the directory, private to this user, and take its lock.

        Raises:
            EmbeddedStateError: it cannot be made or written, is someone else's, or another gateway has it.
        """
        with self._explained():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.path.stat().st_uid
            if owner != os.geteuid():
                raise EmbeddedStateError(
                    f"{self.path} belongs to user {owner}; chown it to user {os.geteuid()}, or set state.dir "
                    "to another directory"
                )
            self.path.chmod(0o700)
            self._take_lock()
            self._keep_log_short()
            self._make_socket_place()

    def release(self) -> None:
        """Let the next gateway have the directory; harmless when not held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def log_tail(self, lines: int = 3) -> str:
        """The log's last lines, for an error message; empty where there is no log."""
        try:
            text = self.log.read_bytes()[-4096:].decode("utf-8", "backslashreplace")
        except OSError:
            return ""
        return " | ".join(line.strip() for line in text.splitlines()[-lines:])

    def _take_lock(self) -> None:
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise DirectoryInUse(
                f"another gateway (process {holder}) uses {self.path}; stop it, or give this one its own "
                "state.dir"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock
        os.register_at_fork(
            after_in_child=self.release
        )  # a forked worker must not hold it beyond its gateway

    def _keep_log_short(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_MAX_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))

    def _make_socket_place(self) -> None:
        place = self.socket
        if place.parent == self.path:
            return
        try:
            _make_private(place.parent)
        except FileNotFoundError:  # the temporary directory of an earlier start is gone
            place = self._distant_socket()
            _make_private(place.parent)
        self._socket_note.write_text(str(place), encoding="utf-8")

    def _distant_socket(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"llmgw-{os.geteuid()}-{name}", "valkey.sock")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.release()
            fix = _FIXES.get(error.errno or 0, "set state.dir to a directory that this user can write")
            raise EmbeddedStateError(
                f"the store's directory {self.path} cannot be used ({error.strerror}); {fix}"
            ) from error
        except EmbeddedStateError:
            self.release()
            raise


class DirectoryInUse(EmbeddedStateError):
    """A live gateway holds the directory."""


_FIXES = {
    errno.EACCES: "give this user write permission there, or set state.dir to a directory it can write",
    errno.EPERM: "give this user write permission there, or set state.dir to a directory it can write",
    errno.ENOTDIR: "a part of the path is a file: set state.dir to a directory",
    errno.EEXIST: "it exists and is a file: set state.dir to a directory",
    errno.EROFS: "the disk is mounted read-only: remount it, or set state.dir to a writable disk",
    errno.ENOSPC: "the disk is full: free some space, or set state.dir to another disk",
}


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise EmbeddedStateError(
            f"{directory} should be a private directory of this user and is not; remove it, or set "
            f"state.dir to a path shorter than {SOCKET_PATH_MAX - 20} bytes"
        )
