"""Reading archives: the rows of one tenant from one or more of them, each once and in order."""

import contextlib
import fcntl
import hashlib
import heapq
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from llmgw.policy.spending.archive.draft import DRAFT, LOCK, ArchiveError
from llmgw.policy.spending.archive.index import FILE, NAME, Entry, Index, read_index
from llmgw.policy.spending.archive.rows import read_row
from llmgw.policy.spending.ledger import FIRST, Row, order_of
from llmgw.types.call import TENANT

_GZIP: Final = 31
_CHUNK: Final = 64 * 1024
_LONGEST_LINE: Final = 8 * 1024 * 1024
_LAST: Final = f"{10**16}-0"


class Folder(NamedTuple):
    """A tenant's directory of an archive: its index, and what lies there beside it."""

    path: Path
    listed: Index
    files: dict[str, Entry]
    """By name, what the index says of each; of two lines the later one."""
    unlisted: tuple[str, ...]
    """What is called like a file of rows, but is not in the index."""
    drafts: tuple[str, ...]
    """What a writer left that died."""
    foreign: tuple[str, ...]
    """What is none of an archive's."""

    @property
    def missing(self) -> list[str]:
        """Files of the index that are not there."""
        return sorted(each for each in self.files if not (self.path / each).is_file())


def tenants_in(archives: Sequence[Path]) -> list[str]:
    """The tenants that archives have rows of."""
    names = {
        each.name
        for archive in archives
        if archive.is_dir()
        for each in archive.iterdir()
        if each.is_dir() and TENANT.fullmatch(each.name)
    }
    return sorted(names)


def open_folder(archive: Path, tenant: str) -> Folder:
    """Look at what there is of a tenant; where there is nothing, it is empty.

    Raises:
        OSError: it cannot be read.
    """
    path = archive / tenant
    with _held(path):
        names = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
        index = read_index(path)
    files = {each.file: each for each in sorted(index.entries, key=lambda each: each.seq)}
    others = [each for each in names if each not in {NAME, LOCK, *files}]
    return Folder(
        path,
        index,
        files,
        tuple(each for each in others if FILE.fullmatch(each)),
        tuple(each for each in others if each.startswith(DRAFT)),
        tuple(each for each in others if not (FILE.fullmatch(each) or each.startswith(DRAFT))),
    )


def archived_rows(folders: Sequence[Folder], after: str = FIRST, last: str = _LAST) -> Iterator[Row]:
    """Read a tenant's rows in order, those after one id up to another, each once; only files of an index count.

    Raises:
        ArchiveError: a file is not what was written; it is named.
    """
    begin, end = order_of(after), order_of(last)
    found = [
        (order_of(entry.first), order_of(entry.last), folder.path, entry)
        for folder in folders
        for entry in folder.files.values()
        if order_of(entry.last) > begin and order_of(entry.first) <= end
    ]
    found.sort(key=lambda each: each[:2])
    for row in _once(found):
        place = order_of(row.id)
        if place > end:
            return
        if place > begin:
            yield row


def file_rows(path: Path, entry: Entry | None = None) -> Iterator[Row]:
    """Read one file, and hold it to its line of the index, if it has one.

    Raises:
        ArchiveError: it is not what was written; rows that came before are not to be trusted.
    """
    rows, total, before, first = 0, 0, (-1, -1), ""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as raw:
            for line in _lines(raw, digest):
                row = read_row(line)
                if order_of(row.id) <= before:
                    raise ArchiveError(f"{path}: row {row.id} is not after the one before it")
                rows, total, before, first = rows + 1, total + row.cost, order_of(row.id), first or row.id
                yield row
    except ArchiveError:
        raise
    except (OSError, zlib.error, ValueError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise ArchiveError(f"{path} cannot be read: {reason}") from None
    if entry is None:
        return
    if digest.hexdigest() != entry.sha256:
        raise ArchiveError(f"{path} is not what was written: its SHA-256 differs from the index")
    found = (first, "{}-{}".format(*before), rows, str(total))
    if found != (entry.first, entry.last, entry.rows, entry.sum):
        raise ArchiveError(f"{path} has other rows than its line of the index says")


def _once(files: list[tuple[tuple[int, int], tuple[int, int], Path, Entry]]) -> Iterator[Row]:
    """Merge files that are in order of their first rows; only those that overlap are open together."""
    place = 0
    while place < len(files):
        end, upto = files[place][1], place + 1
        while upto < len(files) and files[upto][0] <= end:
            end, upto = max(end, files[upto][1]), upto + 1
        readers = [file_rows(path / entry.file, entry) for _, _, path, entry in files[place:upto]]
        last: Row | None = None
        for row in heapq.merge(*readers, key=lambda each: order_of(each.id)):
            if last is None or row.id != last.id:
                yield row
            elif row != last:
                raise ArchiveError(f"two files of {files[place][2]} differ in row {row.id}")
            last = row
        place = upto


def _lines(file: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    unzip, rest = zlib.decompressobj(_GZIP), b""
    while data := file.read(_CHUNK):
        digest.update(data)
        *lines, rest = (rest + unzip.decompress(data)).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE:
            raise ValueError("it has a line that is too long")
    if rest or unzip.unused_data or not unzip.eof:
        raise ValueError("it does not end where it should")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Nobody writes meanwhile; a copy that nobody writes has no lock."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)
