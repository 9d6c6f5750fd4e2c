"""Archives of the ledger on this machine, as commands read them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import rich_click as click
from msgspec import Struct

from llmgw.accounting.bills import Charged
from llmgw.cli.printing import note, safe
from llmgw.cli.remote import Refused, Remote
from llmgw.http.ledger_rows import Summing
from llmgw.policy.spending.archive.draft import ArchiveError
from llmgw.policy.spending.archive.reading import Folder, archived_rows, open_folder, tenants_in
from llmgw.policy.spending.archive.verifying import coverage
from llmgw.policy.spending.ledger import id_before, id_preceding, order_of
from llmgw.settings import ConfigError, load
from llmgw.settings.rooms import ledger_archive
from llmgw.types.clock import SystemClock
from llmgw.types.moments import moment

_NOT_FOUND: Final = 404

ARCHIVE_DIR: Final = click.option(
    "--archive-dir",
    "archive_dirs",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where archives are, several times for copies from other machines; by default as configured.",
)


class Asked(NamedTuple):
    """Which rows: posted from one moment up to another, in unix ms, and of one operation or all."""

    since_ms: int
    until_ms: int | None
    operation: str | None = None


class _First(Struct, frozen=True):
    id: str


class _Rows(Struct, frozen=True):
    rows: list[_First]


def places(config: str | None, named: Sequence[Path]) -> list[Path]:
    """Where archives are: as named, or as configured.

    Raises:
        ClickException: the configuration cannot be read.
    """
    if named:
        return list(named)
    try:
        return [ledger_archive(load(config, os.environ).settings)]
    except ConfigError as error:
        raise click.ClickException(f"{error}\nsee every problem with: llmgw config check") from error


def the_tenant(archives: Sequence[Path], asked: str | None) -> str:
    """Whose archive is read: the one named, or the only one there is.

    Raises:
        UsageError: there are several, and none is named.
        ClickException: there is none.
    """
    there = tenants_in(archives)
    if asked is None and len(there) > 1:
        raise click.UsageError(f"there are archives of {safe(', '.join(there))}: name one with --tenant")
    if not there or asked not in {None, *there}:
        where = safe(", ".join(map(str, archives)))
        raise click.ClickException(f"there is no archive of {safe(asked or 'any tenant')} in {where}")
    return asked or there[0]


def folders_of(archives: Sequence[Path], tenant: str) -> list[Folder]:
    """A tenant's part of each archive; what is in none of their indexes is told of, and not read."""
    with readable():
        found = [open_folder(each, tenant) for each in archives]
    for folder in found:
        for each in (*folder.unlisted, *folder.foreign):
            note(safe(f"{folder.path / each} is passed over, as it is not in the index: llmgw ledger verify"))
    _, gaps = coverage(entries := [each for folder in found for each in folder.files.values()], _end(entries))
    for after, last in gaps:
        note(f"rows after {after} up to {last} are not in the archives here")
    return found


def rows_asked(folders: Sequence[Folder], asked: Asked) -> Iterator[Any]:
    """Rows of a tenant, the oldest first.

    Raises:
        ArchiveError: a file is not what was written.
    """
    last = () if asked.until_ms is None else (id_before(asked.until_ms),)
    for row in archived_rows(folders, id_before(asked.since_ms), *last):
        if asked.operation in {None, row.operation}:
            yield row


def moment_asked(name: str, written: str) -> int:
    """Read a moment of an option.

    Raises:
        UsageError: it is none.
    """
    try:
        return moment(written, SystemClock().unix_ns() // 1_000_000)
    except ValueError:
        raise click.UsageError(
            f"{name} is a time like 2026-11-27T00:00:00Z, or as long ago as 24h or 7d"
        ) from None


@contextmanager
def readable() -> Iterator[None]:
    """Tell what is wrong with an archive as a command's error."""
    try:
        yield
    except ArchiveError as error:
        raise click.ClickException(f"{safe(error)}; see: llmgw ledger verify") from None
    except OSError as error:
        raise click.ClickException(safe(f"the archive cannot be read: {error}")) from None


class With(NamedTuple):
    """Sums of the store and of archives together, of one tenant or all, in whole days."""

    remote: Remote
    archives: Sequence[Path]
    tenant: str | None

    def sums(
        self, ask: Callable[[], tuple[list[Charged], int]], summing: Summing
    ) -> tuple[list[Charged], int]:
        """Add the archived rows that are not in the store any more to what the gateway answers.

        Rows may leave the store meanwhile: then both are read again.
        """
        before = self._firsts()
        while True:
            charged, rest = ask()
            after = self._firsts()
            if after == before:
                break
            before = after
        for tenant, first in after.items():
            folders = folders_of(self.archives, tenant)
            begin, end = summing.range
            last = end if first is None else min(end, id_preceding(first), key=order_of)
            with readable():
                for row in archived_rows(folders, begin, last):
                    summing.add(row)
        more = [Charged(each["day"], each["model"], each["cost_nano"]) for each in summing.told()]
        return charged + more, rest + summing.rest

    def _firsts(self) -> dict[str, str | None]:
        """By tenant in reach, the first row that the store has."""
        found = dict[str, str | None]()
        for tenant in tenants_in(self.archives):
            if self.tenant not in {None, tenant}:
                continue
            try:
                query = urlencode({"tenant": tenant, "limit": "1"})
                page = self.remote.ask("GET", f"/admin/v1/ledger?{query}").read(_Rows)
            except Refused as refused:
                if refused.status != _NOT_FOUND:
                    raise
                note(f"the archive of {tenant} is passed over: the key does not reach it")
            else:
                found[tenant] = page.rows[0].id if page.rows else None
        return found


def _end(entries: Sequence[Any]) -> str:
    return max((each.last for each in entries), key=order_of, default="0-0")
