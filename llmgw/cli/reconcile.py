"""`llmgw reconcile`: proof that the books agree, and a provider's bill against them."""

import sys
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlencode

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.accounting.bills import (
    LONGEST_FILE,
    Billed,
    BillError,
    By,
    Charged,
    Column,
    Difference,
    Tolerance,
    compare,
    read_bill,
)
from llmgw.cli.archives import ARCHIVE_DIR, With, places
from llmgw.cli.printing import json, note, safe, show
from llmgw.cli.remote import PATIENT_S, Remote, connected
from llmgw.http.ledger_rows import Summing
from llmgw.types.moments import moment
from llmgw.types.money import signed_usd

DIFFERS: Final = 1
"""The exit code where books do not agree, or a bill differs by more than is tolerated."""


class _Drift(Struct, frozen=True):
    window: str
    spent_nano: int
    posted_nano: int
    held_nano: int
    on_hold_nano: int


class _Proof(Struct, frozen=True):
    tenant: str
    agree: bool
    problem: str = ""
    rows: int = 0
    total_usd: str = "0"
    windows: int = 0
    drifting: list[_Drift] = []


class _Proofs(Struct, frozen=True):
    agree: bool
    tenants: list[_Proof]


class _Sum(Struct, frozen=True):
    day: str
    model: str
    cost_nano: int


class _Sums(Struct, frozen=True):
    sums: list[_Sum]
    rest_nano: int
    rows: int
    next: str | None = None


class _Percent(click.ParamType[Decimal]):
    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            found = Decimal(str(value).removesuffix("%"))
        except InvalidOperation:
            found = Decimal(-1)
        if not found.is_finite() or found < 0:
            self.fail(f"{value!r} is nothing like 0.5%", param, ctx)
        return found


class _Pair(click.ParamType[tuple[str, str]]):
    name = "name=name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        first, equals, second = str(value).rpartition("=")
        if not (equals and first and second):
            self.fail(f"{value!r} is not like ONE=OTHER", param, ctx)
        return first, second


@click.command()
@connected
@click.option("--tenant", help="Only this tenant's books; all in reach by default.")
@click.option(
    "--whole", is_flag=True, help="Read every row that is kept, not only those since the last proof."
)
@click.option(
    "--bill", type=click.Path(exists=True, dir_okay=False), help="A provider's bill as CSV, to compare with."
)
@click.option("--provider", help="Whose bill it is: a name under `providers` of the configuration.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day of the bill that counts (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="First day that counts no more.")
@click.option(
    "--by", type=click.Choice(get_args(By)), default="day", show_default=True, help="What to compare."
)
@click.option(
    "--column", "columns", type=_Pair(), multiple=True, help="What the bill calls a column: cost=Amount."
)
@click.option(
    "--name",
    "names",
    type=_Pair(),
    multiple=True,
    help="What the bill calls a model: '*Sonnet*=claude-sonnet-4-5'.",
)
@click.option(
    "--tolerance", type=_Percent(), default="0.5%", show_default=True, help="Differences up to this are none."
)
@click.option("--archive", is_flag=True, help="With --bill: count rows archived on this machine, too.")
@ARCHIVE_DIR
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(remote: Remote, tenant: str | None, *, whole: bool, as_json: bool, **bill: Any) -> None:
    """Prove that spent is the sum of the ledger and held that of the open holds; or compare a bill.

    Exits with 1 where they differ.
    """
    if bill["bill"] is None:
        if bill["archive"] or bill["archive_dirs"]:
            raise click.UsageError("--archive goes with --bill; archives are proved by: llmgw ledger verify")
        _prove(remote, tenant, whole=whole, as_json=as_json)
    else:
        _compare(remote, tenant, as_json=as_json, **bill)


def _prove(remote: Remote, tenant: str | None, *, whole: bool, as_json: bool) -> None:
    body = {"whole": whole} if tenant is None else {"whole": whole, "tenant": tenant}
    answer = remote.ask("POST", "/admin/v1/reconcile", body, timeout_s=PATIENT_S)
    proofs = answer.read(_Proofs)
    if as_json:
        click.echo(json(answer.json))
    else:
        for each in proofs.tenants:
            _show_proof(each)
        if not proofs.tenants:
            note("no tenant has books yet")
    if not proofs.agree:
        sys.exit(DIFFERS)


def _show_proof(proof: _Proof) -> None:
    if proof.problem:
        click.echo(f"{safe(proof.tenant)}: {safe(proof.problem)}")
        return
    word = "agree" if proof.agree else "DO NOT AGREE"
    click.echo(
        f"{safe(proof.tenant)}: the books {word}: {proof.rows:,} rows, {safe(proof.total_usd)} USD, "
        f"{proof.windows:,} windows"
    )
    for each in proof.drifting:
        click.echo(
            f"  {safe(each.window)}: spent {each.spent_nano}, by the rows {each.posted_nano}; "
            f"held {each.held_nano}, by the holds {each.on_hold_nano} (nano-USD)"
        )


def _compare(
    remote: Remote,
    tenant: str | None,
    *,
    as_json: bool,
    bill: str,
    provider: str | None,
    since: datetime | None,
    until: datetime | None,
    **how: Any,
) -> None:
    lines = _read(bill, how["columns"])
    if not lines:
        raise click.ClickException("the bill has no lines")
    first = min(each.day for each in lines) if since is None else since.strftime("%Y-%m-%d")
    last = max(each.day for each in lines)
    end = (datetime.fromisoformat(last) + timedelta(days=1) if until is None else until).strftime("%Y-%m-%d")
    if end <= first:
        raise click.UsageError("--until must be after --since")
    within = [each for each in lines if first <= each.day < end]
    within_reach = {"tenant": tenant, "provider": provider}
    if how["archive"] or how["archive_dirs"]:
        both = With(remote, places(remote.config, how["archive_dirs"]), tenant)
        summing = Summing(moment(first, 0), moment(end, 0), provider)
        charged, rest = both.sums(lambda: _sums(remote, first, end, **within_reach), summing)
    else:
        charged, rest = _sums(remote, first, end, **within_reach)
    found = compare(
        within, charged, names=how["names"], tolerance=Tolerance(percent=how["tolerance"]), by=how["by"]
    )
    if as_json:
        _print_json(found, first, end, rest)
    else:
        _print_table(found, first, end)
        if rest:
            note(f"beside that, {signed_usd(rest)} USD of holds that lapsed, which no target accounts for")
        if len(within) < len(lines):
            note(f"{len(lines) - len(within)} lines of the bill are of other days")
    if any(each.over for each in found):
        sys.exit(DIFFERS)


def _read(path: str, columns: tuple[tuple[str, str], ...]) -> list[Billed]:
    known = get_args(Column)
    chosen: dict[Column, str] = {}
    for name, title in columns:
        column: Column | None = next((each for each in known if each == name), None)
        if column is None:
            raise click.UsageError(f"--column is one of {', '.join(known)}, then what the bill calls it")
        chosen[column] = title
    file = Path(path)
    if file.stat().st_size > LONGEST_FILE:
        raise click.ClickException(f"{path} is longer than {LONGEST_FILE // 1024**2} MiB")
    try:
        return read_bill(file.read_text(encoding="utf-8-sig"), chosen)
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8 at byte {error.start}") from None
    except BillError as error:
        raise click.ClickException(safe(f"{path}: {error}")) from None


def _sums(
    remote: Remote, since: str, until: str, *, tenant: str | None, provider: str | None
) -> tuple[list[Charged], int]:
    query = {"since": f"{since}T00:00:00Z", "until": f"{until}T00:00:00Z"}
    query |= {} if tenant is None else {"tenant": tenant}
    query |= {} if provider is None else {"provider": provider}
    found, rest = list[Charged](), 0
    while True:
        page = remote.ask("GET", f"/admin/v1/ledger/sums?{urlencode(query)}", timeout_s=PATIENT_S).read(_Sums)
        found += [Charged(each.day, each.model, each.cost_nano) for each in page.sums]
        rest += page.rest_nano
        if page.next is None:
            return found, rest
        query["after"] = page.next


def _print_json(found: list[Difference], since: str, until: str, rest: int) -> None:
    told = [
        {
            "day": each.day,
            "model": each.model,
            "billed_usd": _plain(each.billed),
            "ledger_usd": _plain(each.ledger),
            "difference_usd": _plain(each.usd),
            "difference_percent": None if each.percent is None else _rounded(each.percent),
            "over": each.over,
        }
        for each in found
    ]
    document = {"since": since, "until": until, "differences": told[:-1], "total": told[-1]}
    click.echo(json({**document, "lapsed_usd": signed_usd(rest)}))


def _print_table(found: list[Difference], since: str, until: str) -> None:
    note(f"{since} up to before {until}, by UTC days")
    table = Table("Day", "Model")
    for title in ("Bill, USD", "Ledger, USD", "Difference", "Percent"):
        table.add_column(title, justify="right")
    table.add_column("")
    for each in found:
        last = each is found[-1]
        percent = "" if each.percent is None else f"{_rounded(each.percent)} %"
        amounts = (_plain(each.billed), _plain(each.ledger), _plain(each.usd), percent)
        cells = ("all" if last else each.day, each.model, *amounts, "over" if each.over else "")
        table.add_row(*(Text(safe(cell)) for cell in cells), style="bold" if last else None)
    show(table)


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(percent: Decimal) -> str:
    return f"{percent:.2f}"
