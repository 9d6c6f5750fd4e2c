"""`llmgw ledger`: the rows of the books, of a running gateway or of an archive, and proof of archives."""

import sys
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.accounting.sheets import sheet
from llmgw.cli.archives import (
    ARCHIVE_DIR,
    Asked,
    folders_of,
    moment_asked,
    places,
    readable,
    rows_asked,
    the_tenant,
)
from llmgw.cli.printing import json, note, safe, show
from llmgw.cli.reconcile import DIFFERS
from llmgw.cli.remote import Remote, connected
from llmgw.cli.stored import CONFIG, with_state
from llmgw.http.ledger_rows import COLUMNS, cells, told
from llmgw.policy.spending.archive.reading import open_folder, tenants_in
from llmgw.policy.spending.archive.verifying import verify as verify_archives
from llmgw.policy.spending.books import base_of, reconcile
from llmgw.policy.spending.ledger import Row
from llmgw.policy.spending.usage import tenants
from llmgw.state.connection import State
from llmgw.types.call import TENANT
from llmgw.types.json import encode
from llmgw.types.limit_errors import StoreReset
from llmgw.types.money import signed_usd

_PAGE = 1000


class _Detail(Struct, frozen=True):
    target: str = ""
    answered: str = ""


class _Who(Struct, frozen=True):
    dimension: str
    name: str


class _Row(Struct, frozen=True):
    id: str
    at: str
    operation: str
    kind: str
    cost_usd: str
    who: list[_Who]
    detail: _Detail | None = None


class _Page(Struct, frozen=True):
    rows: list[_Row]
    next: str | None = None


@click.group()
def ledger() -> None:
    """Read the ledger: one row for each call that was charged."""


@ledger.command("list")
@connected
@click.option("--tenant", help="Whose; the key's own tenant by default.")
@click.option("--since", default="24h", show_default=True, help="24h, 7d, or 2026-11-01T00:00:00Z.")
@click.option("--until", help="Up to when; now by default.")
@click.option("--op", help="Only the rows of this operation.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Rows at most."
)
@click.option("--archive", is_flag=True, help="Of the archive on this machine, not of a gateway.")
@ARCHIVE_DIR
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_(
    remote: Remote,
    limit: int,
    *,
    archive: bool,
    archive_dirs: tuple[Path, ...],
    as_json: bool,
    as_csv: bool,
    **asked: str | None,
) -> None:
    """List rows, the oldest first."""
    if as_json and as_csv:
        raise click.UsageError("give either --json or --csv")
    if archive or archive_dirs:
        archived, more = _archived(places(remote.config, archive_dirs), limit, asked)
        if as_csv:
            click.echo(sheet(COLUMNS, map(cells, archived)), nl=False)
        else:
            lines = [told(each) for each in archived]
            _print(lines, msgspec.json.decode(encode(lines), type=list[_Row]), as_json=as_json, more=more)
        return
    query = {name: value for name, value in asked.items() if value is not None}
    if as_csv:
        if limit > _PAGE:
            raise click.UsageError(f"CSV is of at most {_PAGE} rows: narrow --since and --until")
        path = f"/admin/v1/ledger?{urlencode({**query, 'limit': str(limit), 'format': 'csv'})}"
        click.echo(remote.ask("GET", path).text, nl=False)
        return
    found, rows, more = _rows(remote, query, limit)
    _print(found, rows, as_json=as_json, more=more)


@ledger.command()
@CONFIG
@click.option("--tenant", help="Only this tenant's; all by default.")
@ARCHIVE_DIR
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(config: str | None, tenant: str | None, archive_dirs: tuple[Path, ...], *, as_json: bool) -> None:
    """Prove that archives have every row that left the store, and that these and the books agree.

    Reads the store and the files itself. Exits with 1 where something is damaged, missing or different.
    """
    if tenant is not None and not TENANT.fullmatch(tenant):
        raise click.UsageError("--tenant is no tenant's name")
    archives = places(config, archive_dirs)
    found = with_state(config, lambda _, state: _verified(state, archives, tenant))
    if as_json:
        click.echo(json({"proved": all(each["proved"] for each in found), "tenants": found}))
    else:
        for each in found:
            _show_verified(each)
        if not found:
            note("no row has left the store yet")
    if not all(each["proved"] for each in found):
        sys.exit(DIFFERS)


async def _verified(state: State, archives: list[Path], tenant: str | None) -> list[dict[str, Any]]:
    names = {*tenants_in(archives), *await tenants(state)} if tenant is None else {tenant}
    return [await _verified_one(state, archives, each) for each in sorted(names)]


async def _verified_one(state: State, archives: list[Path], tenant: str) -> dict[str, Any]:
    base = await base_of(state, tenant)
    with readable():
        folders = [open_folder(each, tenant) for each in archives]
    found = verify_archives(folders, base)
    problems = list(found.problems)
    try:
        books = await reconcile(state, tenant, whole=True)
    except StoreReset as lost:
        problems.append(lost.message)
    else:
        problems += [f"{each.name}: the books do not agree: llmgw reconcile" for each in books.drifting]
    return {
        "tenant": tenant,
        "proved": found.proved and len(problems) == len(found.problems),
        "files": found.files,
        "rows": found.rows,
        "rows_that_left": base.sums.rows,
        "total_usd": signed_usd(found.total_nano),
        "problems": problems,
        "gaps": [{"after": after, "last": last} for after, last in found.gaps],
        "notes": list(found.notes),
    }


def _show_verified(found: dict[str, Any]) -> None:
    word = "proved" if found["proved"] else "NOT PROVED"
    click.echo(
        f"{safe(found['tenant'])}: {word}: {found['files']:,} files, {found['rows']:,} of "
        f"{found['rows_that_left']:,} rows that left the store, {found['total_usd']} USD"
    )
    for each in found["problems"]:
        click.echo(f"  {safe(each)}")
    for each in found["gaps"]:
        click.echo(f"  rows after {each['after']} up to {each['last']} are not in the archives here")
    for each in found["notes"]:
        note(f"  {safe(each)}")


def _archived(archives: list[Path], limit: int, asked: dict[str, str | None]) -> tuple[list[Row], bool]:
    """Rows of an archive, so many at most, and whether there are more."""
    since, until = asked["since"], asked["until"]
    wanted = Asked(
        0 if since is None else moment_asked("--since", since),
        None if until is None else moment_asked("--until", until),
        asked["op"],
    )
    folders = folders_of(archives, the_tenant(archives, asked["tenant"]))
    with readable():
        found = list(islice(rows_asked(folders, wanted), limit + 1))
    return found[:limit], len(found) > limit


def _print(found: list[Any], rows: list[_Row], *, as_json: bool, more: bool) -> None:
    if as_json:
        click.echo(json(found))
        return
    table = Table("When", "Operation", "Kind", "Who", "Target", "Answered")
    table.add_column("USD", justify="right")
    for row in rows:
        detail = row.detail or _Detail()
        who = " ".join(f"{each.dimension}={each.name}" for each in row.who)
        cells = (row.at, row.operation, row.kind, who, detail.target, detail.answered, row.cost_usd)
        table.add_row(*(Text(safe(each)) for each in cells))
    show(table)
    if more:
        note("there are more: raise --limit, or narrow --since and --until")


def _rows(remote: Remote, query: dict[str, str], limit: int) -> tuple[list[Any], list[_Row], bool]:
    found, rows, after = list[Any](), list[_Row](), dict[str, str]()
    while len(rows) < limit:
        page = {**query, **after, "limit": str(min(_PAGE, limit - len(rows)))}
        answer = remote.ask("GET", f"/admin/v1/ledger?{urlencode(page)}")
        read = answer.read(_Page)
        found += answer.json["rows"]
        rows += read.rows
        if read.next is None:
            return found, rows, False
        after = {"after": read.next}
    return found, rows, True
