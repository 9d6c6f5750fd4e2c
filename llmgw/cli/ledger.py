"""`llmgw ledger`: the rows of the books, of a running gateway."""

from typing import Any
from urllib.parse import urlencode

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import json, note, safe, show
from llmgw.cli.remote import Remote, connected

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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_(remote: Remote, limit: int, *, as_json: bool, as_csv: bool, **asked: str | None) -> None:
    """List rows, the oldest first."""
    if as_json and as_csv:
        raise click.UsageError("give either --json or --csv")
    query = {name: value for name, value in asked.items() if value is not None}
    if as_csv:
        if limit > _PAGE:
            raise click.UsageError(f"CSV is of at most {_PAGE} rows: narrow --since and --until")
        path = f"/admin/v1/ledger?{urlencode({**query, 'limit': str(limit), 'format': 'csv'})}"
        click.echo(remote.ask("GET", path).text, nl=False)
        return
    told, rows, more = _rows(remote, query, limit)
    if as_json:
        click.echo(json(told))
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
    told, rows, after = list[Any](), list[_Row](), dict[str, str]()
    while len(rows) < limit:
        page = {**query, **after, "limit": str(min(_PAGE, limit - len(rows)))}
        answer = remote.ask("GET", f"/admin/v1/ledger?{urlencode(page)}")
        read = answer.read(_Page)
        told += answer.json["rows"]
        rows += read.rows
        if read.next is None:
            return told, rows, False
        after = {"after": read.next}
    return told, rows, True
