"""`llmgw prompts list|show|history|callers`: what the registry has."""

import re
from typing import Final

import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Callers, History, Prompts, Version
from llmgw.cli.prompts.refs import JSON, NAME, REF, ROOT, Ref, number
from llmgw.cli.remote import Remote, connected
from llmgw.types.prompt import PromptInfo

_PREFIX: Final = re.compile(r"[a-z0-9_/-]{0,259}", re.ASCII)


@click.command("list")
@connected
@JSON
@click.option("--prefix", default="", help="Only those whose names begin so.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many are shown."
)
def list_(remote: Remote, prefix: str, limit: int, *, as_json: bool) -> None:
    """List prompts, and where their labels lead."""
    if not _PREFIX.fullmatch(prefix):
        raise click.UsageError(f"no prompt's name begins with {prefix!a}")
    answer = remote.ask("GET", f"{ROOT}?prefix={prefix}" if prefix else ROOT)
    if as_json:
        click.echo(printing.json(answer.json))
        return
    found = answer.read(Prompts).prompts
    if not found:
        printing.note("no prompts yet; write one: llmgw prompts new NAME")
        return
    printing.show(pages.listing(found[:limit]))
    if len(found) > limit:
        printing.note(f"and {len(found) - limit} more: --limit, --prefix")


@click.command()
@connected
@JSON
@REF
def show(remote: Remote, wanted: Ref, *, as_json: bool) -> None:
    """Print a prompt with its versions and labels, or one version with its file."""
    if wanted == Ref(wanted.name):
        answer = remote.ask("GET", wanted.path)
        if as_json:
            click.echo(printing.json(answer.json))
        else:
            printing.show(pages.prompt(answer.read(PromptInfo)))
        return
    at = f"{wanted.path}/versions/{number(remote, wanted)}"
    answer = remote.ask("GET", at)
    if as_json:
        click.echo(printing.json(answer.json))
        return
    file = remote.ask("GET", f"{at}/file").text
    printing.show(pages.version(wanted.name, answer.read(Version).info, file))


@click.command()
@connected
@JSON
@NAME
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, the newest."
)
def history(remote: Remote, wanted: Ref, limit: int, *, as_json: bool) -> None:
    """Say who did what with a prompt, and when; exits with 1 where the record was tampered with."""
    answer = remote.ask("GET", f"{wanted.path}/history?limit={limit}")
    found = answer.read(History)
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        printing.show(pages.history(found))
    if not found.intact:
        raise SystemExit(1)


@click.command()
@connected
@JSON
@NAME
def callers(remote: Remote, wanted: Ref, *, as_json: bool) -> None:
    """List who called which version in the last 30 days."""
    answer = remote.ask("GET", f"{wanted.path}/callers")
    if as_json:
        click.echo(printing.json(answer.json))
        return
    found = answer.read(Callers).callers
    if found:
        printing.show(pages.callers(found))
    else:
        printing.note("nobody called it in the last 30 days")
