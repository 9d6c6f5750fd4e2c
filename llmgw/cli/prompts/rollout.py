"""`llmgw prompts rollout`: a share of a label's calls for another version, step by step."""

from collections.abc import Callable
from typing import Final, get_args

import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Progress
from llmgw.cli.prompts.refs import (
    FILE_OR_VERSION,
    JSON,
    LABEL_OPTION,
    NAME,
    REASON,
    Ref,
    info,
    parsed,
    share,
)
from llmgw.cli.prompts.releasing import exactly, reasoned, why
from llmgw.cli.remote import Remote, connected
from llmgw.types.json import Json
from llmgw.types.prompt import StickyBy

_WEIGHT: Final = click.option(
    "--weight", callback=parsed(share), metavar="SHARE", help="A share of its own, such as 20%."
)


def _shares(text: str) -> list[int]:
    return [share(each) for each in text.split(",")]


@click.group()
def rollout() -> None:
    """Give a share of calls to another version, and look what comes of it."""


@rollout.command()
@connected
@JSON
@FILE_OR_VERSION
@LABEL_OPTION
@click.option(
    "--steps", callback=parsed(_shares), metavar="SHARES", help="Shares in order: 1%,5%,25%,50%,100%."
)
@_WEIGHT
@click.option("--sticky-by", type=click.Choice(get_args(StickyBy)), help="What stays with one version.")
@REASON
@click.option("--break-glass", is_flag=True, help="Without an evaluation that passed; needs --reason.")
def start(
    remote: Remote,
    wanted: str,
    label: str,
    steps: list[int] | None,
    weight: int | None,
    sticky_by: StickyBy | None,
    reason: str,
    *,
    break_glass: bool,
    as_json: bool,
) -> None:
    """Begin with the first step, or with a --weight."""
    if steps is not None and weight is not None:
        raise click.UsageError("--steps and --weight exclude each other")
    reasoned(reason, break_glass=break_glass)
    what = exactly(remote, wanted)
    body: dict[str, Json] = {"candidate": what.version} | why(reason, break_glass=break_glass)
    chosen: dict[str, Json] = {"steps": steps, "weight": weight, "sticky_by": sticky_by}
    body |= {name: value for name, value in chosen.items() if value is not None}
    remote.ask("POST", f"{what.path}/labels/{label}/rollout", body)
    _status(remote, what, label, as_json=as_json)


@rollout.command()
@connected
@JSON
@NAME
@LABEL_OPTION
@_WEIGHT
def step(remote: Remote, wanted: Ref, label: str, weight: int | None, *, as_json: bool) -> None:
    """Go on to the next step, or to a --weight."""
    _act(remote, wanted, label, "step", {} if weight is None else {"weight": weight})
    _status(remote, wanted, label, as_json=as_json)


@rollout.command()
@connected
@JSON
@NAME
@LABEL_OPTION
def status(remote: Remote, wanted: Ref, label: str, *, as_json: bool) -> None:
    """Compare both arms."""
    _status(remote, wanted, label, as_json=as_json)


def _turning(what: str, says: str, then: Callable[..., None]) -> None:
    """Add a command that does one thing with a rollout and shows what `then` does."""

    @rollout.command(what, help=says)
    @connected
    @JSON
    @NAME
    @LABEL_OPTION
    def turn(remote: Remote, wanted: Ref, label: str, *, as_json: bool) -> None:
        _act(remote, wanted, label, what)
        then(remote, wanted, label, as_json=as_json)


def _act(remote: Remote, wanted: Ref, label: str, what: str, body: Json = None) -> None:
    remote.ask("POST", f"{wanted.path}/labels/{label}/rollout/{what}", {} if body is None else body)


def _status(remote: Remote, wanted: Ref, label: str, *, as_json: bool) -> None:
    answer = remote.ask("GET", f"{wanted.path}/labels/{label}/rollout")
    if as_json:
        click.echo(printing.json(answer.json))
        return
    found = info(remote, wanted.name).labels.get(label)
    printing.show(pages.progress(label, None if found is None else found.version, answer.read(Progress)))


def _ended(remote: Remote, wanted: Ref, label: str, *, as_json: bool) -> None:
    found = info(remote, wanted.name).labels.get(label)
    if as_json:
        click.echo(printing.json(found))
    elif found is not None:
        click.echo(printing.safe(f"{label}: all calls get {wanted.name}@{found.version} (rev {found.rev})"))


_turning("pause", "Keep the share as it is, and refuse steps.", _status)
_turning("resume", "Take steps again.", _status)
_turning("abort", "Give all calls to the version that the label leads to.", _ended)
_turning("promote", "Give all calls to the candidate: the label leads to it from now on.", _ended)
