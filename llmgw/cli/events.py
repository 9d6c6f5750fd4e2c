"""`llmgw events`: what a running gateway tells about money, once or as it comes."""

import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import json, note, safe, show
from llmgw.cli.remote import Remote, connected
from llmgw.types.text import printable

LOOK_S: Final = 1.0
_PAGE: Final = 500


class _Page(Struct, frozen=True):
    events: list[dict[str, Any]]
    next: str
    more: bool


@click.command()
@connected
@click.option("--since", default="24h", show_default=True, help="From when: 24h, 7d or 2026-11-27T00:00:00Z.")
@click.option("--kind", help="Only of this kind, such as budget.threshold.")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--follow", is_flag=True, help="Go on with those to come, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def events(  # one parameter for each option
    remote: Remote, *, since: str, kind: str | None, tenant: str | None, follow: bool, as_json: bool
) -> None:
    """Show budget thresholds, refusals and spikes, oldest first."""
    asked = {name: text for name, text in (("kind", kind), ("tenant", tenant)) if text is not None}
    found = _pages(remote, asked, since, follow=follow)
    if as_json or follow:
        for event in found:
            click.echo(json(event) if as_json else _line(event))
        return
    rows = list(found)
    if not rows:
        note("no such events")
        return
    table = Table("When", "Tenant", "Kind", "What")
    for event in rows:
        table.add_row(*map(Text, _cells(event)))
    show(table)


def _pages(remote: Remote, asked: dict[str, str], since: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    start = {"since": since}
    while True:
        query = urlencode({**asked, **start, "limit": _PAGE})
        page = remote.ask("GET", f"/admin/v1/events?{query}").read(_Page)
        yield from page.events
        start = {"after": page.next}
        if not page.more:
            if not follow:
                return
            time.sleep(LOOK_S)


def _cells(event: dict[str, Any]) -> list[str]:
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(event.get("at_ms", 0)) / 1000))
    return [at, *(safe(event.get(name, "")) for name in ("tenant", "kind", "message"))]


def _line(event: dict[str, Any]) -> str:
    return printable("  ".join(_cells(event)), 1000)
