"""`llmgw prompts publish|promote|approve|rollback|deprecate|retire`: which version callers get."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Callers
from llmgw.cli.prompts.moving import meant
from llmgw.cli.prompts.refs import (
    FILE_OR_REF,
    FILE_OR_VERSION,
    JSON,
    LABEL_OPTION,
    NAME,
    REASON,
    REF,
    Ref,
    info,
    number,
)
from llmgw.cli.remote import Answer, Refused, Remote, connected
from llmgw.types.json import Json
from llmgw.types.prompt import Label


@click.command()
@connected
@JSON
@FILE_OR_REF
def publish(remote: Remote, wanted: str, *, as_json: bool) -> None:
    """Let callers have a draft, the newest version by default; no label is moved."""
    what = meant(remote, wanted)
    version = number(remote, what)
    answer = remote.ask("POST", f"{what.path}/versions/{version}/publish")
    _say(answer, f"{what.name}@{version} is published", as_json=as_json)


@click.command()
@connected
@JSON
@FILE_OR_VERSION
@LABEL_OPTION
@REASON
@click.option(
    "--if-match", type=click.IntRange(0), help="Only if the label was changed this many times (`rev`)."
)
@click.option("--break-glass", is_flag=True, help="Without an evaluation that passed; needs --reason.")
def promote(
    remote: Remote,
    wanted: str,
    label: str,
    reason: str,
    if_match: int | None,
    *,
    break_glass: bool,
    as_json: bool,
) -> None:
    """Lead a label to a version; refused where another hand moved the label meanwhile."""
    reasoned(reason, break_glass=break_glass)
    what = exactly(remote, wanted)
    before = info(remote, what.name)
    led = before.labels.get(label)
    rev = if_match if if_match is not None else led.rev if led is not None else None
    body: dict[str, Json] = {"version": what.version} | why(reason, break_glass=break_glass)
    answer = remote.ask(
        "PUT",
        f"{what.path}/labels/{label}",
        body,
        headers={} if rev is None else {"if-match": f'"{rev}"'},
    )
    was = "nowhere" if led is None or not led.version else f"{what.name}@{led.version}"
    _moved(answer, what.name, label, was, as_json=as_json)


@click.command()
@connected
@JSON
@REF
@LABEL_OPTION
def approve(remote: Remote, wanted: Ref, label: str, *, as_json: bool) -> None:
    """Agree to a move of a protected label that somebody else asked for; with a version, to no other one."""
    led = info(remote, wanted.name).labels.get(label)
    pending = led.pending if led is not None else None
    if pending is not None and wanted.version not in {None, pending.version}:
        raise click.ClickException(
            f"what waits is {wanted.name}@{pending.version}, proposed by {pending.by}: look at that one first"
        )
    # Whoever proposes another one in between has proposed what nobody has agreed to.
    seen = {} if led is None else {"if-match": f'"{led.rev}"'}
    answer = remote.ask("POST", f"{wanted.path}/labels/{label}/approve", headers=seen)
    _moved(answer, wanted.name, label, "", as_json=as_json)


@click.command()
@connected
@JSON
@NAME
@LABEL_OPTION
@REASON
@click.option("--to", type=click.IntRange(1), help="An earlier version; the one before by default.")
def rollback(remote: Remote, wanted: Ref, label: str, reason: str, to: int | None, *, as_json: bool) -> None:
    """Lead a label back to a version it led to before, and end its rollout."""
    body = why(reason) | ({} if to is None else {"to": to})
    answer = remote.ask("POST", f"{wanted.path}/labels/{label}/rollback", body)
    _moved(answer, wanted.name, label, "", as_json=as_json)


@click.command()
@connected
@JSON
@REF
@click.option("--sunset", type=click.DateTime(["%Y-%m-%d"]), help="The day it will be retired.")
@click.option("--successor", help="What to call instead.")
def deprecate(
    remote: Remote, wanted: Ref, sunset: datetime | None, successor: str | None, *, as_json: bool
) -> None:
    """Tell callers with each answer that a version, or the whole prompt, will go."""
    body: dict[str, Json] = _which(remote, wanted) | ({"successor": successor} if successor else {})
    if sunset is not None:
        body["sunset"] = sunset.replace(tzinfo=UTC).date().isoformat()
    answer = remote.ask("POST", f"{wanted.path}/deprecate", body)
    _say(answer, f"{wanted.told} is deprecated", as_json=as_json)


@click.command()
@connected
@JSON
@REF
@click.option("--successor", help="What to call instead.")
@click.option("--force", is_flag=True, help="Although it was called in the last 30 days.")
def retire(remote: Remote, wanted: Ref, successor: str | None, *, force: bool, as_json: bool) -> None:
    """Serve a version, or the whole prompt, no more; refused with a list while it has callers."""
    body = _which(remote, wanted) | ({"successor": successor} if successor else {})
    try:
        answer = remote.ask("POST", f"{wanted.path}/retire", body | ({"force": True} if force else {}))
    except Refused as refused:
        if refused.status == HTTPStatus.CONFLICT and not as_json:
            _who_calls(remote, wanted)
        raise
    _say(answer, f"{wanted.told} is retired", as_json=as_json)


def why(reason: str, *, break_glass: bool = False) -> dict[str, Json]:
    """The members of a request that say why; none are empty."""
    return ({"reason": reason} if reason else {}) | ({"break_glass": True} if break_glass else {})


def reasoned(reason: str, *, break_glass: bool) -> None:
    """Refuse a broken glass that nobody gives a reason for."""
    if break_glass and not reason.strip():
        raise click.UsageError("--break-glass needs a --reason: it is kept in the history")


def exactly(remote: Remote, wanted: str) -> Ref:
    """The version that is meant, which has to be said.

    Raises:
        UsageError: it is not.
    """
    found = meant(remote, wanted)
    if found.version is None:
        raise click.UsageError(f"say which version of {found.name}: {found.name}@7")
    return found


def _which(remote: Remote, wanted: Ref) -> dict[str, Any]:
    """The member that names a version; none where all of them are meant."""
    return {} if wanted == Ref(wanted.name) else {"version": number(remote, wanted)}


def _who_calls(remote: Remote, wanted: Ref) -> None:
    found = remote.ask("GET", f"{wanted.path}/callers").read(Callers).callers
    if found:
        printing.show(pages.callers(found))


def _moved(answer: Answer, name: str, label: str, was: str, *, as_json: bool) -> None:
    found = answer.read(Label)
    if answer.status == HTTPStatus.ACCEPTED:
        asked = found.pending.version if found.pending is not None else found.version
        says = (
            f"{label} waits for a second person before it leads to {name}@{asked}: "
            f"llmgw prompts approve {name}@{asked} --label {label}"
        )
    else:
        arrow = f"{was} → " if was else "now "
        says = f"{label}: {arrow}{name}@{found.version} (rev {found.rev})"
    _say(answer, says, as_json=as_json)


def _say(answer: Answer, says: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        click.echo(printing.safe(says, printing.LONGEST_LINE))
