"""`llmgw keys`: make, list, change and revoke API keys, beside a running gateway or without one."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_args

import rich_click as click
from msgspec import UNSET
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmgw.cli.durations import End, Span, when
from llmgw.cli.stored import CONFIG, with_state
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import KeyChange, KeyRecord, Terms
from llmgw.policy.pepper import load_pepper
from llmgw.settings import Settings
from llmgw.state.connection import State
from llmgw.types.call import DEFAULT_TENANT, Role
from llmgw.types.json import encode

T = TypeVar("T")

DAY_MS = 24 * 60 * 60 * 1000


@click.group()
def keys() -> None:
    """Make, list, change and revoke API keys."""


@keys.command()
@CONFIG
@click.option("--name", required=True, help="Who or what will use the key.")
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="caller", show_default=True, help="What it may do."
)
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose contexts it reaches.")
@click.option("--team", default="", help="Which team of the tenant uses it.")
@click.option("--tag", "tags", multiple=True, help="A mark for sums of what it used; may be repeated.")
@click.option(
    "--allow",
    multiple=True,
    metavar="ENTRY",
    help="What it may call: an alias, provider/model, api:SLUG, prompt:NAME, with '*'; may be repeated. "
    "Everything by default.",
)
@click.option("--allow-nothing", is_flag=True, help="Nothing until a request for access is approved.")
@click.option("--note", default="", help="What administrators should know.")
@click.option("--expires", type=End(), help="When it ends: 90d, 24h, or 2030-01-31; never by default.")
@click.option("--expires-days", type=click.IntRange(1, 36_500), help="Days until it ends.")
def create(config: str | None, name: str, role: Role, **options: Any) -> None:
    """Make a key and print it, once: the gateway keeps only a digest of it."""
    terms = _terms(**options)
    made = _with_keyring(config, lambda keyring: keyring.create(name, role, terms))
    click.echo(
        f"key {made.id} for {name} ({role} of {terms.tenant}); keep it, it is not shown again:", err=True
    )
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
        Console(soft_wrap=True).print(_table(records, _now_ms()))
    else:
        click.echo("no keys yet; make one: llmgw keys create --name NAME", err=True)


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds.")
def show(config: str | None, key_id: str, *, as_json: bool) -> None:
    """Show all there is to know of a key; its secret is nowhere."""
    record = _with_keyring(config, lambda keyring: keyring.find(key_id))
    if as_json:
        click.echo(encode(record).decode())
        return
    table = Table(show_header=False)
    for name, value in _told(record, _now_ms()):
        table.add_row(name, Text(value))  # what people wrote is text, never markup
    Console(soft_wrap=True).print(table)


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=Span(),
    default="24h",
    show_default=True,
    help="How long older secrets stay good; 0s ends them all at once.",
)
def rotate(config: str | None, key_id: str, overlap: int) -> None:
    """Give the key with this ID a new secret and print it, once; its id, rights and sums stay."""
    made = _with_keyring(config, lambda keyring: keyring.rotate(key_id, overlap))
    ends = f"until {when(_now_ms() + overlap)}" if overlap else "no more"
    click.echo(f"key {key_id} has a new secret, older ones are good {ends}; keep it:", err=True)
    click.echo(made.token.reveal())


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
@click.argument("entries", metavar="[ENTRY]...", nargs=-1)
@click.option("--everything", is_flag=True, help="Take the list away: the key may call everything.")
def allow(config: str | None, key_id: str, entries: tuple[str, ...], *, everything: bool) -> None:
    """Let the key with this ID call these ENTRIES and nothing else; without any, nothing at all."""
    if everything and entries:
        raise click.UsageError("give either entries or --everything")
    listed = None if everything else entries
    _with_keyring(config, lambda keyring: keyring.allow(key_id, listed))
    click.echo(f"key {key_id} may call {_allowed(listed)}", err=True)


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
@click.option("--team", help="Another team; '' for none.")
@click.option("--tag", "tags", multiple=True, help="These tags in the place of its own; may be repeated.")
@click.option("--no-tags", is_flag=True, help="No tags.")
@click.option("--note", help="Another note; '' for none.")
@click.option("--expires", type=End(), help="Another end: 90d, 24h, or 2030-01-31.")
@click.option("--never-expires", is_flag=True, help="No end.")
def change(config: str | None, key_id: str, **options: Any) -> None:
    """Change team, tags, note or end of the key with this ID; running gateways hear of it within a second."""
    change = _change(**options)
    _with_keyring(config, lambda keyring: keyring.change(key_id, change))
    click.echo(f"key {key_id} has another {', '.join(change.given).replace('expires_ms', 'end')}", err=True)


@keys.command()
@CONFIG
@click.option("--tenant", help="Only what was done to this tenant's keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds.")
def audit(config: str | None, tenant: str | None, *, as_json: bool) -> None:
    """Show who did what to keys, the newest first; exits with 1 where the chain is broken."""
    found = _with_keyring(config, lambda keyring: keyring.audit.history(tenant))
    if as_json:
        click.echo(encode(found).decode())
    else:
        table = Table("When", "Who", "What", "Key", "Tenant", "Set")
        for each in found.events:
            given = ", ".join(f"{name}: {value}" for name, value in each.set.items())
            table.add_row(when(each.at_ms), each.who, each.op, each.key_id, each.tenant, Text(given))
        Console(soft_wrap=True).print(table)
    if not found.intact:
        raise click.ClickException(f"the history is not what was written: {found.problem}")


@keys.command()
@CONFIG
@click.argument("key_id", metavar="ID")
def revoke(config: str | None, key_id: str) -> None:
    """End the key with this ID for good; running gateways hear of it within a second."""
    if not _with_keyring(config, lambda keyring: keyring.revoke(key_id)):
        raise click.ClickException(f"there is no key {key_id!r}; see the IDs with: llmgw keys list")
    click.echo(f"key {key_id} is revoked", err=True)


def _terms(
    tenant: str, allow: tuple[str, ...], expires: int | None, expires_days: int | None, **options: Any
) -> Terms:
    nothing = options.pop("allow_nothing")
    if nothing and allow:
        raise click.UsageError("give either --allow or --allow-nothing")
    if expires is not None and expires_days is not None:
        raise click.UsageError("give either --expires or --expires-days")
    if expires_days is not None:
        expires = _now_ms() + expires_days * DAY_MS
    return Terms(tenant=tenant, allow=allow if allow or nothing else None, expires_ms=expires, **options)


def _change(
    team: str | None,
    tags: tuple[str, ...],
    note: str | None,
    expires: int | None,
    **flags: bool,
) -> KeyChange:
    if tags and flags["no_tags"]:
        raise click.UsageError("give either --tag or --no-tags")
    if expires is not None and flags["never_expires"]:
        raise click.UsageError("give either --expires or --never-expires")
    return KeyChange(
        team=UNSET if team is None else team,
        tags=tags if tags or flags["no_tags"] else UNSET,
        note=UNSET if note is None else note,
        expires_ms=expires if expires is not None or flags["never_expires"] else UNSET,
    )


def _with_keyring(config: str | None, act: Callable[[Keyring], Awaitable[T]]) -> T:
    def use(settings: Settings, state: State) -> Awaitable[T]:
        return act(Keyring(state, settings.auth.pepper or load_pepper(settings.state.dir)))

    return with_state(config, use)


def _table(records: list[KeyRecord], now_ms: int) -> Table:
    table = Table("ID", "Name", "Role", "Tenant", "Team", "May call", "Created", "Expires", "State")
    for record in records:
        table.add_row(
            record.id,
            Text(record.name),  # a name is text, never markup
            record.role,
            record.tenant,
            record.team,
            Text(_allowed(record.allow)),
            when(record.created_ms),
            "never" if record.expires_ms is None else when(record.expires_ms),
            _state(record, now_ms),
        )
    return table


def _told(record: KeyRecord, now_ms: int) -> list[tuple[str, str]]:
    return [
        ("ID", record.id),
        ("Name", record.name),
        ("Role", record.role),
        ("Tenant", record.tenant),
        ("Team", record.team),
        ("Tags", ", ".join(record.tags)),
        ("May call", _allowed(record.allow)),
        ("Note", record.note),
        ("Created", when(record.created_ms)),
        ("Rotated", "never" if record.rotated_ms is None else when(record.rotated_ms)),
        ("Older secrets until", ", ".join(map(when, record.previous_until_ms)) or "none is good"),
        ("Expires", "never" if record.expires_ms is None else when(record.expires_ms)),
        ("State", _state(record, now_ms)),
    ]


def _allowed(entries: tuple[str, ...] | None) -> str:
    return "everything" if entries is None else ", ".join(entries) or "nothing"


def _state(record: KeyRecord, now_ms: int) -> str:
    if record.revoked_ms is not None:
        return f"revoked {when(record.revoked_ms)}"
    if record.expires_ms is not None and record.expires_ms <= now_ms:
        return "expired"
    return "active"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
