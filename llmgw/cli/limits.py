"""`llmgw limits`: what tenants, teams, keys and tags may take, read and set in a running gateway."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, get_args
from urllib.parse import quote

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli import printing
from llmgw.cli.durations import when
from llmgw.cli.remote import Remote, connected
from llmgw.policy.rules.terms import Degraded, Headroom
from llmgw.policy.spending.values import COUNT_MAX, LapsePolicy, Scope, WindowName
from llmgw.types.call import DEFAULT_TENANT

_ROOT: Final = "/admin/v1/limits"
_MOST: Final = Decimal(COUNT_MAX)
_COUNTS: Final = ("requests_per_minute", "tokens_per_minute", "concurrent")
_POLICIES: Final = ("on_headroom", "degraded", "lapse")


class _Count(click.ParamType[int]):
    """A whole number, also written as 1e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            read = Decimal(str(value))
        except InvalidOperation:
            read = Decimal("NaN")
        if not (read.is_finite() and 0 <= read <= _MOST and read == int(read)):
            self.fail(f"{printing.safe(value)} is no whole number", param, ctx)
        return int(read)


class _Budget(click.ParamType[tuple[str, float]]):
    """`month=500`: a window and US dollars."""

    name = "window=usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        window, _, amount = str(value).partition("=")
        try:
            read = Decimal(amount)
        except InvalidOperation:
            self._refuse(value, param, ctx)
        if window not in get_args(WindowName) or not read.is_finite():
            self._refuse(value, param, ctx)
        if Decimal(repr(float(read))) != read:
            self.fail(f"{printing.safe(amount)} has too many digits: 15 count", param, ctx)
        return window, float(read)

    def _refuse(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        windows = ", ".join(get_args(WindowName))
        self.fail(f"{printing.safe(value)} is not WINDOW=USD with one of {windows}", param, ctx)


class _Entry(Struct, frozen=True, kw_only=True):
    tenant: str
    scope: str
    name: str
    source: str
    limits: dict[str, Any]
    by: str = ""
    at_ms: int | None = None


class _Listed(Struct, frozen=True, kw_only=True):
    limits: list[_Entry]


class _Event(Struct, frozen=True, kw_only=True):
    at_ms: int
    who: str
    op: str
    tenant: str
    scope: str
    name: str
    limits: dict[str, Any] = {}


class _History(Struct, frozen=True, kw_only=True):
    events: list[_Event]
    intact: bool
    problem: str = ""


_TENANT: Final = click.option(
    "--tenant", default=DEFAULT_TENANT, show_default=True, help="The tenant; '*' is each without its own."
)
_SCOPE: Final = click.argument("scope", type=click.Choice(get_args(Scope)))
_NAME: Final = click.argument("name", required=False)
_JSON: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; times are unix milliseconds."
)


@click.group()
def limits() -> None:
    """Show and set what tenants, teams, keys and tags may take."""


@limits.command("list")
@connected
@click.option("--tenant", help="Only those of this tenant.")
@_JSON
def list_(remote: Remote, tenant: str | None, *, as_json: bool) -> None:
    """List all that is set, in the settings file and in the store."""
    answer = remote.ask("GET", _ROOT if tenant is None else f"{_ROOT}?tenant={quote(tenant, safe='')}")
    if as_json:
        click.echo(printing.json(answer.json))
        return
    found = answer.read(_Listed).limits
    if not found:
        printing.note("nothing is limited; set something: llmgw limits set tenant --budget month=500")
        return
    printing.show(_table(found))


@limits.command()
@connected
@_TENANT
@_SCOPE
@_NAME
@_JSON
def show(remote: Remote, tenant: str, scope: str, name: str | None, *, as_json: bool) -> None:
    """Show what is set for one tenant, team, key or tag."""
    answer = remote.ask("GET", _path(tenant, scope, name))
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        printing.show(_table([answer.read(_Entry)]))


@limits.command("set")
@connected
@_TENANT
@_SCOPE
@_NAME
@click.option("--requests", "requests_per_minute", type=_Count(), help="Calls within any 60 seconds.")
@click.option("--tokens", "tokens_per_minute", type=_Count(), help="Tokens within any 60 seconds: 1e6.")
@click.option("--concurrent", type=_Count(), help="Calls under way at once.")
@click.option(
    "--budget", "budgets", type=_Budget(), multiple=True, help="US dollars: month=500; may be repeated."
)
@click.option("--on-headroom", type=click.Choice(get_args(Headroom)), help="Calls that do not fit a budget.")
@click.option("--degraded", type=click.Choice(get_args(Degraded)), help="Calls while the store is away.")
@click.option("--lapse", type=click.Choice(get_args(LapsePolicy)), help="Calls whose end was never told.")
@click.option("--nothing", is_flag=True, help="Limit nothing, whatever the settings say of it.")
@_JSON
def set_(remote: Remote, tenant: str, scope: str, name: str | None, **options: Any) -> None:
    """Set what one tenant, team, key or tag may take, in the place of all that was set for it before."""
    as_json, nothing = options.pop("as_json"), options.pop("nothing")
    wanted: dict[str, Any] = {member: value for member, value in options.items() if value not in {None, ()}}
    if bool(wanted) is nothing:
        raise click.UsageError("say what is limited, or --nothing")
    if "budgets" in wanted:
        windows = [window for window, _ in wanted["budgets"]]
        if len(set(windows)) < len(windows):
            raise click.UsageError("--budget has a window twice")
        wanted["budgets"] = dict(wanted["budgets"])
    answer = remote.ask("PUT", _path(tenant, scope, name), wanted)
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        printing.note(f"set for {_called(tenant, scope, name)}; running gateways hear of it within a second")


@limits.command()
@connected
@_TENANT
@_SCOPE
@_NAME
def unset(remote: Remote, tenant: str, scope: str, name: str | None) -> None:
    """Take away what was set; what the settings file says of it, if anything, is in force again."""
    remote.ask("DELETE", _path(tenant, scope, name))
    printing.note(f"unset for {_called(tenant, scope, name)}")


@limits.command()
@connected
@_JSON
def history(remote: Remote, *, as_json: bool) -> None:
    """Show who set what, the newest first; exits with 1 where the chain is broken."""
    answer = remote.ask("GET", "/admin/v1/limits-audit")
    found = answer.read(_History)
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        table = Table("When", "Who", "What", "Tenant", "Scope", "Name", "Limits")
        for each in found.events:
            words = (each.tenant, each.scope, each.name, _terms(each.limits) if each.op == "set" else "")
            table.add_row(when(each.at_ms), *(_text(word) for word in (each.who, each.op, *words)))
        printing.show(table)
    if not found.intact:
        raise click.ClickException(f"the history is not what was written: {printing.safe(found.problem)}")


def _path(tenant: str, scope: str, name: str | None) -> str:
    named = tenant if name is None and scope == "tenant" else name
    if named is None:
        raise click.UsageError(f"name the {scope}, or '*' for each without an entry of its own")
    if not tenant or not named or "//" in named or named[0] == "/" or named[-1] == "/":
        # Addresses do not tell such slashes apart.
        raise click.UsageError(f"{printing.safe(named)} can only be limited in the settings file")
    return f"{_ROOT}/{quote(tenant, safe='')}/{scope}/{quote(named, safe='')}"


def _called(tenant: str, scope: str, name: str | None) -> str:
    return printing.safe(f"tenant {tenant}" if scope == "tenant" else f"{scope} {name} of {tenant}")


def _table(found: list[_Entry]) -> Table:
    table = Table("Tenant", "Scope", "Name", "Limits", "Source", "By", "When")
    for each in found:
        words = (each.tenant, each.scope, each.name, _terms(each.limits), each.source, each.by)
        table.add_row(*(_text(word) for word in words), "" if each.at_ms is None else when(each.at_ms))
    return table


def _terms(terms: dict[str, Any]) -> str:
    told = [f"{name} {terms[name]}" for name in _COUNTS if terms.get(name) is not None]
    budgets = terms.get("budgets")
    if isinstance(budgets, dict):
        told += [
            f"${amount:.10g} a {window}" if window != "total" else f"${amount:.10g} in total"
            for window, amount in budgets.items()
            if isinstance(amount, int | float)
        ]
    told += [f"{name} {terms[name]}" for name in _POLICIES if terms.get(name) is not None]
    return ", ".join(told) or "nothing is limited"


def _text(word: str) -> Text:
    """What people wrote is text, never markup, and does nothing to a terminal."""
    return Text(printing.safe(word))
