"""`llmgw query`: one SELECT over the call log of a running gateway."""

from typing import Any

import rich_click as click
from msgspec import Struct

from llmgw.cli.calls.tables import print_table
from llmgw.cli.printing import json, note
from llmgw.cli.remote import Remote, connected


class _Column(Struct, frozen=True):
    name: str
    type: str


class _Answer(Struct, frozen=True):
    columns: list[_Column]
    rows: list[list[Any]]
    truncated: bool = False
    live: bool = True


@click.command()
@connected
@click.argument("sql")
@click.option("--from", "from_", help="Only calls from then on: 24h, 7d, or a time. Makes it faster.")
@click.option("--to", help="Only calls up to then.")
@click.option("--param", "params", multiple=True, help="What stands for $1, $2 and so on, in order, as text.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def query(
    remote: Remote, sql: str, *, from_: str | None, to: str | None, params: tuple[str, ...], as_json: bool
) -> None:
    """Ask a SELECT of the table `calls`: what was logged, that of the last minute too."""
    asked = {"sql": sql, "params": list(params), "from": from_, "to": to}
    answer = remote.ask("POST", "/admin/v1/calls/query", {k: v for k, v in asked.items() if v is not None})
    if as_json:
        click.echo(json(answer.json))
        return
    found = answer.read(_Answer)
    print_table([each.name for each in found.columns], found.rows)
    if found.truncated:
        note("there are more rows than are answered")
    if not found.live:
        note("the store is away: calls of the last minute are missing")
