"""`llmgw access`: requests for access, decided beside a running gateway or without one."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmgw.cli.durations import when
from llmgw.cli.stored import CONFIG, with_state
from llmgw.policy.access import AccessDesk, AccessRequest, Decider, RequestState
from llmgw.policy.keyring import Keyring
from llmgw.policy.pepper import load_pepper
from llmgw.settings import Settings
from llmgw.state.connection import State
from llmgw.types.clock import SystemClock
from llmgw.types.json import encode

T = TypeVar("T")

_HERE = Decider(key_id="cli")

_ID = click.argument("request_id", metavar="ID")
_REASON = click.option("--reason", default="", help="What the asker should read.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds.")


@click.group()
def access() -> None:
    """List, approve and deny requests for access."""


@access.command("list")
@CONFIG
@click.option("--state", type=click.Choice([*get_args(RequestState), "all"]), default="pending")
@click.option("--tenant", help="Only those of this tenant.")
@_JSON
def list_(config: str | None, state: str, tenant: str | None, *, as_json: bool) -> None:
    """List requests, the newest first; those that wait by default."""
    wanted: RequestState | None = next((each for each in get_args(RequestState) if each == state), None)
    found = _with_desk(config, lambda desk: desk.requests(tenant, wanted))
    if as_json:
        click.echo(encode(found).decode())
    elif found:
        Console(soft_wrap=True).print(_table(found))
    else:
        click.echo("no such requests", err=True)


@access.command()
@CONFIG
@_ID
@_REASON
def approve(config: str | None, request_id: str, reason: str) -> None:
    """Grant what was asked for; running gateways hear of it within a second."""
    done = _with_desk(config, lambda desk: desk.approve(request_id, _HERE, reason))
    click.echo(f"key {done.key_id} may call {done.wants}", err=True)


@access.command()
@CONFIG
@_ID
@_REASON
def deny(config: str | None, request_id: str, reason: str) -> None:
    """Refuse what was asked for."""
    done = _with_desk(config, lambda desk: desk.deny(request_id, _HERE, reason))
    click.echo(f"key {done.key_id} was denied {done.wants}", err=True)


@access.command()
@CONFIG
@_JSON
def history(config: str | None, *, as_json: bool) -> None:
    """Show who asked for and decided what, the newest first; exits with 1 where the chain is broken."""
    found = _with_desk(config, lambda desk: desk.history(None))
    if as_json:
        click.echo(encode(found).decode())
    else:
        table = Table("When", "Who", "What", "Key", "Tenant", "Wants", "Reason")
        for each in found.events:
            words = (Text(text) for text in (each.wants, each.reason))
            table.add_row(when(each.at_ms), each.who, each.op, each.key_id, each.tenant, *words)
        Console(soft_wrap=True).print(table)
    if not found.intact:
        raise click.ClickException(f"the history is not what was written: {found.problem}")


def _table(found: list[AccessRequest]) -> Table:
    table = Table("ID", "Asked", "Key", "Name", "Tenant", "Wants", "Reason", "State", "By")
    for each in found:
        # What people wrote is text, never markup.
        table.add_row(
            each.id,
            when(each.asked_ms),
            each.key_id,
            Text(each.key_name),
            each.tenant,
            Text(each.wants),
            Text(each.reason),
            each.state,
            each.decided_by,
        )
    return table


def _with_desk(config: str | None, act: Callable[[AccessDesk], Awaitable[T]]) -> T:
    def use(settings: Settings, state: State) -> Awaitable[T]:
        keyring = Keyring(state, settings.auth.pepper or load_pepper(settings.state.dir))
        return act(AccessDesk(state, keyring, SystemClock()))

    return with_state(config, use)
