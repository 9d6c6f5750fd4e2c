"""Proof that archives have all rows that left the store: file by file, and by their sums."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from llmgw.policy.spending.archive.draft import ArchiveError
from llmgw.policy.spending.archive.index import FILE, Entry
from llmgw.policy.spending.archive.reading import Folder, archived_rows, file_rows
from llmgw.policy.spending.books import Adding, Noted, Sums
from llmgw.policy.spending.ledger import FIRST, id_preceding, order_of


class Verified(NamedTuple):
    """What archives have of a tenant: `problems` are against them, `gaps` is what is not there, `notes` no harm.

    `rows` and `total_nano` are of the rows that left the store, as far as they are here.
    """

    files: int
    rows: int
    total_nano: int
    problems: tuple[str, ...]
    gaps: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether every row that left the store is in the archives, as it was."""
        return not self.problems and not self.gaps


def verify(folders: Sequence[Folder], base: Noted) -> Verified:
    """Hold archives to their indexes, and their sums to what the store has of the rows that left it.

    `base` was read from the store before the folders were opened.
    """
    problems, notes = list[str](), list[str]()
    for folder in folders:
        problems += _wrong_with(folder)
        notes += _notes_on(folder)
    for folder in folders:
        for each in folder.unlisted:
            known = not problems and _known(folder.path / each, folders, base)
            (notes if known else problems).append(f"{folder.path / each} is not in the index{known or ''}")
    entries = [each for folder in folders for each in folder.files.values()]
    begun, gaps = coverage(entries, base.row)
    sums = Adding(Sums())
    if not problems and base.row != FIRST:
        try:
            for row in archived_rows(folders, begun, base.row):
                sums.add(row)
        except ArchiveError as error:
            problems.append(str(error))
        else:
            problems += () if gaps else _differences(sums, base)
    return Verified(len(entries), sums.rows, sums.total, tuple(problems), gaps, tuple(notes))


def _wrong_with(folder: Folder) -> Iterator[str]:
    if folder.listed.problem:
        yield f"the index of {folder.path} is not what was written: {folder.listed.problem}"
    yield from (f"{folder.path / each} is no file of an archive" for each in folder.foreign)
    missing = folder.missing
    yield from (f"{folder.path / each} is in the index, and missing" for each in missing)
    for entry in folder.listed.entries:
        if entry.file in missing or folder.files[entry.file] is not entry:
            continue
        try:
            for _ in file_rows(folder.path / entry.file, entry):
                pass
        except ArchiveError as error:
            yield str(error)


def _notes_on(folder: Folder) -> Iterator[str]:
    if folder.listed.torn:
        yield f"the index of {folder.path} ends in part of a line, whose writer died; nothing was trimmed for it"
    for each in folder.drafts:
        yield f"{folder.path / each} is of a writer that died, and goes with the next one; no row left for it"


def _known(path: Path, folders: Sequence[Folder], base: Noted) -> str:
    """Why a file that is not in its index does no harm; empty where it may: it has rows that are nowhere else."""
    named = FILE.fullmatch(path.name)
    if named is not None and order_of(named[1]) > order_of(base.row):
        return ", as its writer died: its rows are still in the store, and it will be written again"
    try:
        rows = [each for each in file_rows(path) if order_of(each.id) <= order_of(base.row)]
        listed = archived_rows(folders, id_preceding(rows[0].id), rows[-1].id) if rows else ()
        same = rows == list(listed)
    except ArchiveError:
        return ""
    return ", as its writer died: its rows are in other files, and it can go" if same else ""


def coverage(entries: Sequence[Entry], last: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Before which row the books that are kept now begin in the files, and from where to where they are not there.

    Files from before a store was lost are of other books.
    """
    end = order_of(last)
    starts = [each.first for each in entries if each.after == FIRST and order_of(each.first) <= end]
    start = max(starts, key=order_of, default=FIRST)
    gaps, covered = list[tuple[str, str]](), FIRST
    for entry in sorted(entries, key=lambda each: (order_of(each.after), order_of(each.last))):
        if order_of(entry.first) < order_of(start) or order_of(entry.first) > end:
            continue
        if order_of(entry.after) > order_of(covered):
            gaps.append((covered, entry.after))
        covered = max(covered, entry.last, key=order_of)
    if order_of(covered) < end:
        gaps.append((covered, last))
    return FIRST if start == FIRST else id_preceding(start), tuple(gaps)


def _differences(sums: Adding, base: Noted) -> Iterator[str]:
    if sums.rows != base.sums.rows:
        yield f"{base.sums.rows} rows left the store, and {sums.rows} are in the archive"
    if str(sums.total) != base.sums.total:
        yield f"the rows that left the store cost {base.sums.total} nano-USD, and those in the archive {sums.total}"
    for name, amount in base.sums.posted.items():
        found = str(sums.posted.get(name, 0))
        if found != amount:
            yield f"{name}: {amount} nano-USD left the store, and {found} are in the archive"
