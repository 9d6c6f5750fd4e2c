"""`llmgw webhooks`: how those of a running gateway are, and a test of one that is configured."""

import asyncio
import os
from contextlib import aclosing
from typing import Any

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import json, minute, note, safe, show
from llmgw.cli.remote import Remote, connected
from llmgw.cli.stored import CONFIG
from llmgw.policy.signals.webhook import Webhook, body_of, message_id, ping, signed_headers
from llmgw.settings import ConfigError, load
from llmgw.settings.signals import webhooks as configured
from llmgw.types.clock import SystemClock
from llmgw.types.errors import GatewayError
from llmgw.upstream import Upstream
from llmgw.upstream.posting import post


class _Found(Struct, frozen=True):
    webhooks: list[dict[str, Any]]


@click.group()
def webhooks() -> None:
    """Show and test the webhooks of `signals.webhooks`."""


@webhooks.command("list")
@connected
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds.")
def list_(remote: Remote, *, as_json: bool) -> None:
    """Show how each webhook is."""
    found = remote.ask("GET", "/admin/v1/webhooks").read(_Found).webhooks
    if as_json:
        click.echo(json(found))
    elif not found:
        note("no webhooks are configured")
    else:
        table = Table("#", "Where", "State", "Last", "Status", "Delivered", "Given up")
        for each in found:
            status = each.get("last_error") or each.get("last_status") or ""
            row = (
                each.get("number"),
                each.get("origin"),
                each.get("state"),
                minute(each.get("last_ms")),
                status,
            )
            counts = (each.get("delivered"), each.get("given_up"))
            table.add_row(*(Text(safe(cell)) for cell in (*row, *counts)))
        show(table)


@webhooks.command()
@CONFIG
@click.argument("number", metavar="N", type=click.IntRange(min=1))
def test(config: str | None, number: int) -> None:
    """Send a `ping` to the N-th webhook of the configuration, from here; exits with 1 where it is not taken."""
    try:
        hooks = configured(load(config, os.environ).settings.signals)
    except ConfigError as error:
        raise click.ClickException(f"{error}\nsee every problem with: llmgw config check") from error
    if number > len(hooks):
        raise click.ClickException(f"there are {len(hooks)} webhooks in the configuration")
    hook = hooks[number - 1]
    try:
        status = asyncio.run(_ping(hook))
    except GatewayError as error:
        raise click.ClickException(f"{hook.origin} did not take it: {error.code}") from error
    if not 200 <= status < 300:
        raise click.ClickException(f"{hook.origin} did not take it: it answered {status}")
    note(f"{hook.origin} took it: it answered {status}")


async def _ping(hook: Webhook) -> int:
    now_ms = SystemClock().unix_ns() // 1_000_000
    event = ping(now_ms)
    body = body_of(event)
    headers = signed_headers(hook.secret, message_id(event), now_ms // 1000, body)
    async with aclosing(Upstream()) as upstream:
        return (await post(upstream, hook.url, headers, body, who="the webhook")).status
