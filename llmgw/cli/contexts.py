"""`llmgw contexts`: stored conversations found, read, examined, moved, erased; a gateway may run beside it."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final, TypeVar, get_args

import rich_click as click
from rich.console import Console

from llmgw.app import open_archive
from llmgw.cli import context_pages as pages
from llmgw.cli.stored import CONFIG, with_state
from llmgw.context.archive import Archive
from llmgw.context.erasure import Forks, Receipt
from llmgw.context.integrity.chain_keys import load_chain_keys
from llmgw.context.library import Actor, Verified
from llmgw.settings import Settings
from llmgw.state.connection import State
from llmgw.types.call import DEFAULT_TENANT, TENANT
from llmgw.types.context import ContextInfo

T = TypeVar("T")

_PAGE: Final = 200
_WIDE: Final = 10_000


def _checked_tenant(_: click.Context, __: click.Parameter, tenant: str) -> str:
    if not TENANT.fullmatch(tenant):
        raise click.BadParameter("no tenant can be called so")
    return tenant


_TENANT = click.option(
    "--tenant", default=DEFAULT_TENANT, show_default=True, callback=_checked_tenant, help="Whose contexts."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ID = click.argument("context", metavar="ID")


@click.group()
def contexts() -> None:
    """Find, read, examine, move and erase stored conversations."""


@contexts.command("list")
@CONFIG
@_TENANT
@_JSON
@click.option("--subject", help="Only those about this subject.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many.")
def list_(config: str | None, tenant: str, subject: str | None, limit: int, *, as_json: bool) -> None:
    """List contexts, the newest first."""
    found = _with_archive(config, lambda archive: _found(archive, _actor(tenant), subject, limit))
    if as_json:
        click.echo(pages.json(found))
    elif found:
        # Where no terminal sets the width, each line is as long as it has to be.
        Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE).print(pages.table(found))
    else:
        click.echo("no contexts", err=True)


@contexts.command()
@CONFIG
@_TENANT
@_JSON
@_ID
@click.option(
    "--turns", type=click.IntRange(0, 10_000), default=20, show_default=True, help="How many, the last."
)
def show(config: str | None, tenant: str, context: str, turns: int, *, as_json: bool) -> None:
    """Print a context and its last turns, proven; what was said is printed, too."""
    actor = _actor(tenant)

    async def read(archive: Archive) -> tuple[ContextInfo, list[pages.Turn]]:
        info = await archive.library.info(actor, context, op="")
        found, info = await archive.library.turns(actor, context, max(0, info.turns - turns), max(1, turns))
        return info, found[: turns or None] if turns else []

    info, found = _with_archive(config, read)
    if as_json:
        click.echo(pages.json({"context": info, "turns": found}))
    else:
        Console(soft_wrap=True).print(pages.page(info, found))


@contexts.command()
@CONFIG
@_TENANT
@_JSON
@_ID
@click.option("--rev", type=click.IntRange(0), help="The revision that the call made; the last by default.")
def explain(config: str | None, tenant: str, context: str, rev: int | None, *, as_json: bool) -> None:
    """Say in words what of a context reached the model in a call, and what did not."""
    record = _with_archive(config, lambda archive: archive.records.report(_actor(tenant), context, rev))
    if as_json:
        click.echo(pages.json(record))
    else:
        Console(soft_wrap=True).print(pages.explanation(record))


@contexts.command()
@CONFIG
@_TENANT
@_JSON
@click.argument("context", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="All of the tenant's contexts.")
def verify(config: str | None, tenant: str, context: str | None, *, every: bool, as_json: bool) -> None:
    """Prove contexts from their first turn to their last; exits with 1 where one is not what was stored."""
    if every == (context is not None):
        raise click.UsageError("name a context, or say --all")
    actor = _actor(tenant)

    async def prove(archive: Archive) -> list[Verified]:
        if context is not None:
            return [await archive.library.verify(actor, context)]
        found = await _found(archive, actor, None, sys.maxsize)
        return [await archive.library.verify(actor, info.id) for info in found]

    proven = _with_archive(config, prove)
    if as_json:
        click.echo(pages.json(proven))
    else:
        for each in proven:
            click.echo(pages.verdict(each))
        if not proven:
            click.echo("no contexts", err=True)
    if not all(each.ok for each in proven):
        raise SystemExit(1)


@contexts.command()
@CONFIG
@_TENANT
@_ID
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else printed.")
def export(config: str | None, tenant: str, context: str, output: Path | None) -> None:
    """Write a context as a signed bundle that another gateway takes over."""

    async def write(archive: Archive) -> int:
        lines = archive.transfer.export(_actor(tenant), context)
        # No file is made of what cannot be exported.
        first = await anext(lines)
        with nullcontext(sys.stdout.buffer) if output is None else output.open("wb") as target:
            count = target.write(first)
            async for line in lines:
                count += target.write(line)
            target.flush()
        return count

    try:
        written = _with_archive(config, write)
    except OSError as error:
        raise click.FileError(str(output or "standard output"), error.strerror) from error
    click.echo(f"{written} bytes of context {context}", err=True)


@contexts.command("import")
@CONFIG
@_TENANT
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "name", help="What it is to be called here; its own name by default.")
def import_(config: str | None, tenant: str, file: Path, name: str | None) -> None:
    """Take over a context from a FILE that a trusted gateway exported (see `llmgw contexts key`)."""
    document = file.read_bytes()
    info = _with_archive(
        config, lambda archive: archive.transfer.take_over(_actor(tenant), document, name=name, op="op_cli")
    )
    click.echo(f"context {info.id}: {info.turns} turns, signed by {info.imported_from}", err=True)


@contexts.command()
@CONFIG
@_TENANT
@_JSON
@click.argument("context", metavar="[ID]", required=False)
@click.option("--subject", help="All contexts about this subject, forks included.")
@click.option(
    "--forks",
    type=click.Choice(get_args(Forks)),
    default="refuse",
    show_default=True,
    help="What becomes of contexts that begin in it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(
    config: str | None,
    tenant: str,
    context: str | None,
    subject: str | None,
    forks: Forks,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a context for good, or all about a subject, and print receipts."""
    if (context is None) == (subject is None):
        raise click.UsageError("name a context, or a --subject")
    if not yes:
        what = f"context {context}" if context is not None else f"everything about {subject}"
        click.confirm(f"Erase {what} of tenant {tenant} for good?", abort=True, err=True)
    actor = _actor(tenant)

    async def forget(archive: Archive) -> list[Receipt]:
        if context is not None:
            return [await archive.erasure.erase(actor, context, forks)]
        return await archive.erasure.erase_subject(actor, subject or "")

    receipts = _with_archive(config, forget)
    if as_json:
        click.echo(pages.json(receipts))
    else:
        for each in receipts:
            click.echo(pages.receipt(each))
        if not receipts:
            click.echo("nothing was stored", err=True)


@contexts.command()
@CONFIG
def key(config: str | None) -> None:
    """Print the public key by which other gateways trust what this one exports (`contexts.trust`)."""

    async def read(archive: Archive) -> str:
        return archive.library.contexts.chain_keys.public

    click.echo(_with_archive(config, read))


async def _found(archive: Archive, actor: Actor, subject: str | None, limit: int) -> Sequence[ContextInfo]:
    found: list[ContextInfo] = []
    after: str | None = None
    while len(found) < limit:
        page, after = await archive.library.find(
            actor, subject, after=after, limit=min(_PAGE, limit - len(found))
        )
        found += page
        if after is None:
            break
    return found


def _actor(tenant: str) -> Actor:
    return Actor(tenant=tenant, who="cli")


def _with_archive(config: str | None, act: Callable[[Archive], Awaitable[T]]) -> T:
    async def use(settings: Settings, state: State) -> T:
        keys = settings.contexts.keys or load_chain_keys(settings.state.dir)
        archive = open_archive(settings, state, keys)
        try:
            return await act(archive)
        finally:
            await archive.library.contexts.aftercare.aclose()

    return with_state(config, use)
