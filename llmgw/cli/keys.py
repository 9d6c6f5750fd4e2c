"""`llmgw keys`: make, list and revoke API keys, beside a running gateway or without one."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, get_args

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmgw.cli.stored import CONFIG, with_state
from llmgw.policy.keyring import KeyRecord, Keyring
from llmgw.policy.pepper import load_pepper
from llmgw.settings import Settings
from llmgw.state.connection import State
from llmgw.types.call import DEFAULT_TENANT, Role
from llmgw.types.json import encode

T = TypeVar("T")

DAY_MS = 24 * 60 * 60 * 1000


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@CONFIG
@click.option("--name", required=True, help="Who or what will use the key.")
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="caller", show_default=True, help="What it may do."
)
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose contexts it reaches.")
@click.option("--expires-days", type=click.IntRange(1, 36_500), help="Days until it ends; never by default.")
def create(config: str | None, name: str, role: Role, tenant: str, expires_days: int | None) -> None:
    """Make a key and print it, once: the gateway keeps only a digest of it."""
    expires_at_ms = None if expires_days is None else time.time_ns() // 1_000_000 + expires_days * DAY_MS
    made = _with_keyring(config, lambda keyring: keyring.create(name, role, expires_at_ms, tenant=tenant))
    click.echo(f"key {made.id} for {name} ({role} of {tenant}); keep it, it is not shown again:", err=True)
    click.echo(made.token.reveal())


@keys.command("list")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds.")
def list_(config: str | None, *, as_json: bool) -> None:
    """List every key, oldest first."""
    records = _with_keyring(config, lambda keyring: keyring.list())
    if as_json:
        click.echo(encode(records).decode())
    elif records:
        Console(soft_wrap=True).print(_table(records, time.time_ns() // 1_000_000))
    else:
        click.echo("no keys yet; make one: llmgw keys create --name NAME", err=True)


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
def revoke(config: str | None, key_id: str) -> None:
    """End the key with this ID for good; running gateways notice within seconds."""
    if not _with_keyring(config, lambda keyring: keyring.revoke(key_id)):
        raise click.ClickException(f"there is no key {key_id!r}; see the IDs with: llmgw keys list")
    click.echo(f"key {key_id} is revoked", err=True)


def _with_keyring(config: str | None, act: Callable[[Keyring], Awaitable[T]]) -> T:
    def use(settings: Settings, state: State) -> Awaitable[T]:
        return act(Keyring(state, settings.auth.pepper or load_pepper(settings.state.dir)))

    return with_state(config, use)


def _table(records: list[KeyRecord], now_ms: int) -> Table:
    table = Table("ID", "Name", "Role", "Tenant", "Created", "Expires", "State")
    for record in records:
        table.add_row(
            record.id,
            Text(record.name),  # a name is text, never markup
            record.role,
            record.tenant,
            _day(record.created_ms),
            "never" if record.expires_ms is None else _day(record.expires_ms),
            _state(record, now_ms),
        )
    return table


def _state(record: KeyRecord, now_ms: int) -> str:
    if record.revoked_ms is not None:
        return f"revoked {_day(record.revoked_ms)}"
    if record.expires_ms is not None and record.expires_ms <= now_ms:
        return "expired"
    return "active"


def _day(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
