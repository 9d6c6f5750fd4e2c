"""The journal's directory: segments named by worker and sequence, and a lock that says whether a worker lives."""

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llmgw.accounting.journal.status import Damage

_SEGMENT: Final = re.compile(r"([0-9a-f]{16})-([0-9]{10})\.segment")
_LOCK: Final = re.compile(r"([0-9a-f]{16})\.lock")
_DAMAGED: Final = ".damaged"
_TRIES: Final = 20


class Disk:
    """What the journal asks of the operating system for a segment; tests hand in one that fails."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of the bytes at the end, and tell how many."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return once all that was written is on the medium."""
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to its first `size` bytes."""
        os.ftruncate(descriptor, size)


class Lock:
    """A worker's sign of life, held until `release` or until its process is dead."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self, *, remove: bool) -> None:
        """Let go of it, and take the file away while it is still held."""
        if self._descriptor < 0:
            return
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.leave()

    def leave(self) -> None:
        """Close this process' copy; the lock itself stays with a process that still has one."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Directory:
    """The files of all workers of one gateway."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make it, for its owner only.

        Raises:
            OSError: it cannot be made, or is not this user's alone.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.path.stat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise PermissionError(f"{self.path} is not this user's alone: chmod 700 it")

    def enlist(self) -> tuple[str, Lock]:
        """Draw a name for a new worker and hold its lock.

        Raises:
            OSError: the lock cannot be made.
        """
        for _ in range(_TRIES):
            worker = secrets.token_hex(8)
            lock = self._lock(self.path / f"{worker}.lock")
            if lock is not None:
                return worker, lock
        raise OSError(f"no lock could be made and kept in {self.path}")

    def dead(self) -> Iterator[tuple[str, Lock]]:
        """Give each worker that no longer lives, its lock held; the caller releases it.

        Raises:
            OSError: the directory cannot be read.
        """
        names = {path.name for path in self.path.iterdir()}
        workers = {found[1] for name in names if (found := _SEGMENT.fullmatch(name) or _LOCK.fullmatch(name))}
        for worker in sorted(workers):
            lock = self._lock(self.path / f"{worker}.lock")
            if lock is not None:
                yield worker, lock

    def segments(self, worker: str) -> list[int]:
        """The sequences of a worker's segments, oldest first."""
        found = (_SEGMENT.fullmatch(path.name) for path in self.path.iterdir())
        return sorted(int(each[2]) for each in found if each and each[1] == worker)

    def strangers(self) -> Iterator[Damage]:
        """Tell of files that are none of the journal's, which stay untouched."""
        for path in sorted(self.path.iterdir()):
            name = path.name.removesuffix(_DAMAGED)
            if not (_SEGMENT.fullmatch(name) or _LOCK.fullmatch(name)):
                yield Damage(path.name, "foreign", "its name is none of the journal's")

    def quarantined(self) -> int:
        """How many damaged segments lie here for the operator."""
        return sum(1 for path in self.path.iterdir() if path.name.endswith(_DAMAGED))

    def segment(self, worker: str, sequence: int) -> Path:
        """Where a segment is."""
        return self.path / f"{worker}-{sequence:010}.segment"

    def create(self, worker: str, sequence: int) -> int:
        """Make an empty segment and return its descriptor, open for appending.

        Raises:
            OSError: it cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self.segment(worker, sequence), flags, 0o600)

    def read(self, worker: str, sequence: int, longest: int) -> bytes:
        """Read a whole segment.

        Raises:
            OSError: it cannot be read, is longer than `longest` bytes, or others may have written it.
        """
        path = self.segment(worker, sequence)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is no plain file")
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                raise PermissionError("it is not this user's alone")
            if found.st_size > longest:
                raise OSError(f"it has {found.st_size} bytes, more than a segment can have")
            return file.read()

    def remove(self, worker: str, sequence: int) -> None:
        """Take a segment away for good: it stays away after a loss of power, too.

        Raises:
            OSError: it cannot be removed.
        """
        self.segment(worker, sequence).unlink(missing_ok=True)
        self.sync()

    def put_aside(self, worker: str, sequence: int) -> None:
        """Keep a damaged segment for the operator, under a name that nobody reads.

        Raises:
            OSError: it cannot be renamed.
        """
        path = self.segment(worker, sequence)
        path.rename(path.with_name(path.name + _DAMAGED))
        self.sync()

    def sync(self) -> None:
        """Return once the names in the directory are on the medium.

        Raises:
            OSError: they may not be.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _lock(path: Path) -> Lock | None:
        """Hold the lock of this name; None where another has it, or it was taken away meanwhile."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        lock = Lock(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock on a file that somebody removed between these two lines would say nothing to anybody.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError:
            lock.leave()
            raise
        lock.leave()
        return None
