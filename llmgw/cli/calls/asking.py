"""`llmgw calls ask`: a prepared question, answered in a sentence and a table."""

from typing import Any
from urllib.parse import quote, urlencode

import rich_click as click
from msgspec import Struct

from llmgw.cli.calls.tables import print_table
from llmgw.cli.printing import json, note, safe
from llmgw.cli.remote import Remote, connected


class _Column(Struct, frozen=True):
    name: str
    unit: str = ""


class _Answer(Struct, frozen=True):
    sentence: str
    columns: list[_Column]
    rows: list[list[Any]]
    live: bool = True
    truncated: bool = False


class _Listed(Struct, frozen=True):
    name: str
    doc: str
    parameters: list[dict[str, Any]]


class _Questions(Struct, frozen=True):
    questions: list[_Listed]


@click.command()
@connected
@click.argument("question", required=False)
@click.option("--from", "from_", help="From when: 24h, 7d, or a time; 7d by default.")
@click.option("--to", help="Up to when; now by default.")
@click.option("--with", "chosen", multiple=True, metavar="NAME=VALUE", help="A parameter, such as by=target.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ask(
    remote: Remote,
    question: str | None,
    *,
    from_: str | None,
    to: str | None,
    chosen: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask a prepared question; without one, list them."""
    if question is None:
        _list(remote, as_json=as_json)
        return
    asked = {name: value for name, value in (("from", from_), ("to", to)) if value is not None}
    for each in chosen:
        name, given, value = each.partition("=")
        if not given:
            raise click.UsageError(f"--with takes NAME=VALUE, not {safe(each)}")
        asked[name] = value
    answer = remote.ask("GET", f"/admin/v1/calls/questions/{quote(question, safe='')}?{urlencode(asked)}")
    if as_json:
        click.echo(json(answer.json))
        return
    found = answer.read(_Answer)
    click.echo(safe(found.sentence, 1000))
    if found.rows:
        print_table([_title(each) for each in found.columns], found.rows)
    if found.truncated:
        note("there are more rows than are answered")
    if not found.live:
        note("the store is away: calls of the last minute are missing")


def _title(column: _Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit not in {"", "1"} else column.name


def _list(remote: Remote, *, as_json: bool) -> None:
    answer = remote.ask("GET", "/admin/v1/calls/questions")
    if as_json:
        click.echo(json(answer.json))
        return
    rows = [
        [
            each.name,
            each.doc,
            ", ".join(
                sorted(str(choice.get("name", "")) for choice in each.parameters if "default" in choice)
            ),
        ]
        for each in answer.read(_Questions).questions
    ]
    print_table(["Question", "What it tells", "Parameters"], rows)
