"""Writing a tenant's archive: one file at a time, whole and on the disk before anybody trims for it."""

import contextlib
import fcntl
import gzip
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from llmgw.policy.spending.archive.index import FILE, NAME, Entry, next_of
from llmgw.policy.spending.archive.rows import write_row
from llmgw.policy.spending.ledger import Row, order_of
from llmgw.types.json import encode

LEVEL: Final = 6
LOCK: Final = ".lock"
DRAFT: Final = ".draft-"
"""What a file is called while it is written."""
_TAIL: Final = 64 * 1024
"""Bytes from the end of an index in which its last line is."""


class ArchiveError(Exception):
    """The archive cannot be used; the message says why."""


class ArchiveBusy(ArchiveError):
    """Another process of this machine writes the same archive."""


class Kept(NamedTuple):
    """What a file has: `sum` in nano-USD."""

    file: str
    rows: int
    sum: int


class Draft:
    """A file to be, of rows after one of a tenant; calls are made in any threads, one after another.

    Whoever opens one closes it: what was not kept until then leaves nothing behind.
    """

    def __init__(self, folder: Path, after: str) -> None:
        self._folder = folder
        self._after = after
        self._first = self._last = ""
        self._rows = 0
        self._sum = 0
        self._lock: int | None = None
        self._path = folder / f"{DRAFT}{os.getpid()}-{secrets.token_hex(4)}"
        self._file: _Hashed | None = None
        self._zip: gzip.GzipFile | None = None

    def open(self) -> None:
        """Begin, alone.

        Raises:
            ArchiveBusy: another process is at it.
            OSError: the directory cannot be made or written.
        """
        _make_private(self._folder)
        self._lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveBusy(f"another process writes {self._folder}") from None
        for left in self._folder.glob(f"{DRAFT}*"):
            left.unlink(missing_ok=True)  # of a process that died: nobody else has the lock

    def begun(self, first: str) -> str | None:
        """The last row of a file that begins with this one, which is still there: its writer died before trimming.

        The same rows make the same file, which takes its place.
        """
        names = (FILE.fullmatch(each.name) for each in self._folder.glob(f"{first}-*"))
        return max(
            (each[2] for each in names if each is not None and each[1] == first), key=order_of, default=None
        )

    def take(self, rows: Sequence[Row]) -> None:
        """Add rows.

        Raises:
            OSError: they cannot be written: a full disk, say.
        """
        if not rows:
            return
        if self._zip is None:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = _Hashed(os.fdopen(descriptor, "wb"))
            # Neither a name nor a time in it: the same rows are the same bytes.
            self._zip = gzip.GzipFile("", "wb", LEVEL, self._file, mtime=0)
        self._zip.write(b"".join(map(write_row, rows)))
        self._first = self._first or rows[0].id
        self._last = rows[-1].id
        self._rows += len(rows)
        self._sum += sum(each.cost for each in rows)

    def keep(self) -> Kept:
        """Put the file and its line of the index on the disk; from then on the rows may go.

        Raises:
            ArchiveError: the index cannot be gone on with.
            OSError: it cannot be done, and no row may go.
        """
        if self._zip is None or self._file is None:
            raise ArchiveError("there are no rows to keep")
        self._zip.close()
        self._file.end()
        name = f"{self._first}-{self._last}.ndjson.gz"
        self._path.replace(self._folder / name)
        _sync(self._folder)
        entry = Entry(
            seq=0,
            file=name,
            after=self._after,
            first=self._first,
            last=self._last,
            rows=self._rows,
            sum=str(self._sum),
            sha256=self._file.digest.hexdigest(),
            prev="",
        )
        _note(self._folder, entry)
        return Kept(name, self._rows, self._sum)

    def close(self) -> None:
        """Let others have the archive."""
        if self._zip is not None:
            # Else its end would be written when it is collected.
            self._zip.fileobj = None  # type: ignore[assignment]  # what a closed one has
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Hashed:
    """A file that is written from its beginning to its end, and its SHA-256."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, data: bytes) -> int:
        """Write some."""
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._file.flush()

    def end(self) -> None:
        """Put all on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Give up."""
        self._file.close()


def _note(folder: Path, entry: Entry) -> None:
    path = folder / NAME
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        before = _whole_end(file)
        try:
            seq, prev = next_of(before)
        except (msgspec.DecodeError, ValueError):
            raise ArchiveError(f"the last line of {path} cannot be read; see: llmgw ledger verify") from None
        if before is not None and _same(before, entry):
            return
        file.seek(0, os.SEEK_END)
        file.write(encode(msgspec.structs.replace(entry, seq=seq, prev=prev)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        _sync(folder)


def _same(line: bytes, entry: Entry) -> bool:
    found = msgspec.json.decode(line, type=Entry)
    return (found.file, found.sha256) == (entry.file, entry.sha256)


def _whole_end(file: BinaryIO) -> bytes | None:
    """The last line; what a writer left of one when it died is cut off, as nothing was trimmed for it."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL)
    file.seek(start)
    lines = file.read().split(b"\n")
    if lines[-1]:
        file.truncate(size - len(lines[-1]))
    return lines[-2] if len(lines) > 1 else None


def _make_private(folder: Path) -> None:
    missing = list(_missing(folder))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        made.chmod(0o700)
        _sync(made.parent)
    folder.chmod(0o700)


def _missing(folder: Path) -> Iterator[Path]:
    while not folder.exists():
        yield folder
        folder = folder.parent


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
