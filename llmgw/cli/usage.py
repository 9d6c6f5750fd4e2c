"""`llmgw usage`: what was used, by whom and for what, of a running gateway."""

from typing import get_args
from urllib.parse import urlencode

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import json, note, safe, show
from llmgw.cli.remote import Remote, connected
from llmgw.policy.spending.usage import Period
from llmgw.policy.spending.values import Dimension


class _Used(Struct, frozen=True):
    name: str
    calls: int
    cost_nano: int
    cost_usd: str
    input_tokens: int
    output_tokens: int
    tenant: str = ""
    at: str = ""


class _Report(Struct, frozen=True):
    by: str
    period: str
    since: str
    until: str
    totals: list[_Used]
    series: list[_Used] = []


@click.command()
@connected
@click.option(
    "--by",
    type=click.Choice(get_args(Dimension)),
    default="tenant",
    show_default=True,
    help="What to add up for.",
)
@click.option("--since", default="24h", show_default=True, help="24h, 7d, or 2026-11-01T00:00:00Z.")
@click.option("--until", help="Up to when; now by default.")
@click.option("--period", type=click.Choice(get_args(Period)), help="How long each window is.")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--series", is_flag=True, help="Each window too, not only the sums.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def usage(remote: Remote, *, series: bool, as_json: bool, as_csv: bool, **asked: str | None) -> None:
    """Show what calls took: their number, cost and tokens, by tenant, team, key, alias, target, prompt or tag."""
    if as_json and as_csv:
        raise click.UsageError("give either --json or --csv")
    query = {name: value for name, value in asked.items() if value is not None}
    query |= {"series": "true"} if series else {}
    query |= {"format": "csv"} if as_csv else {}
    answer = remote.ask("GET", f"/admin/v1/usage?{urlencode(query)}")
    if as_csv:
        click.echo(answer.text, nl=False)
    elif as_json:
        click.echo(json(answer.json))
    else:
        _print(answer.read(_Report))


def _print(report: _Report) -> None:
    note(f"{report.since} to {report.until} by {safe(report.by)}, window by window ({safe(report.period)})")
    rows = report.series or report.totals
    if not rows:
        note("nothing was used")
        return
    several = len({each.tenant for each in rows}) > 1 and report.by != "tenant"
    first = [*(["From"] if report.series else []), *(["Tenant"] if several else []), report.by.capitalize()]
    table = Table(*first)
    for title in ("Calls", "USD", "Tokens in", "Tokens out"):
        table.add_column(title, justify="right")
    for each in rows:
        named = [*([each.at] if report.series else []), *([each.tenant] if several else []), each.name]
        numbers = (f"{each.calls:,}", each.cost_usd, f"{each.input_tokens:,}", f"{each.output_tokens:,}")
        table.add_row(*(Text(safe(text)) for text in (*named, *numbers)))
    show(table)
