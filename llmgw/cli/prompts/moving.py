"""`llmgw prompts push|pull|export`: between files and the registry."""

from pathlib import Path
from typing import Any, Final

import msgspec
import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Prompts, Pushed, Remark
from llmgw.cli.prompts.local import Local, partials_of, pinned, read_prompt, write_new
from llmgw.cli.prompts.refs import (
    DIRECTORY,
    FORCE,
    JSON,
    NEWEST,
    ROOT,
    SUFFIX,
    Ref,
    chosen,
    existing,
    info,
    is_file,
    number,
    parsed,
    ref,
)
from llmgw.cli.prompts.repository import source_of
from llmgw.cli.remote import PATIENT_S, Remote, connected
from llmgw.types.json import Json
from llmgw.types.prompt import GitSource, Include, PromptContent, PromptInfo

ARCHIVE: Final = "/admin/v1/prompt-archive"

_EVERY: Final = click.option("--all", "every", is_flag=True, help="All prompts.")
_WANTED: Final = click.argument("wanted", metavar="[NAME[@VERSION]]", required=False, callback=parsed(ref))


@click.command()
@connected
@JSON
@click.argument("files", metavar="FILE…", nargs=-1, required=True, callback=parsed(existing))
@click.option("-m", "--message", default="", help="What is new.")
@click.option("--parent", type=click.IntRange(1), help="Only if this is still the newest version (one FILE).")
def push(remote: Remote, files: tuple[Path, ...], message: str, parent: int | None, *, as_json: bool) -> None:
    """Store files as new versions, as drafts; a content that is there already makes no new version."""
    if parent is not None and len(files) > 1:
        raise click.UsageError("--parent is about one file")
    pushed: dict[str, dict[str, Any]] = {}
    for each in [read_prompt(path) for path in files]:
        for told in send_file(remote, each, message=message, parent=parent):
            if not as_json and told["name"] not in pushed:
                _say_pushed(told)
            pushed.setdefault(told["name"], told)
    if as_json:
        click.echo(printing.json({"pushed": list(pushed.values())}))


@click.command()
@connected
@JSON
@_WANTED
@_EVERY
@DIRECTORY
@FORCE
def pull(
    remote: Remote, wanted: Ref | None, output: Path, *, every: bool, force: bool, as_json: bool
) -> None:
    """Write a version as a file, the newest by default; a file that differs stays, unless --force."""
    written = []
    for found, which in _asked_for(remote, wanted, every=every):
        path = output / f"{found.name}{SUFFIX}"
        number = chosen(found, which)
        fresh = write_new(path, _file(remote, found.name, number), force=force)
        written.append({"name": found.name, "version": number, "file": str(path), "changed": fresh})
        if not as_json:
            click.echo(f"{found.name}@{number} {'written to' if fresh else 'is as in'} {printing.safe(path)}")
    if as_json:
        click.echo(printing.json({"pulled": written}))


@click.command()
@connected
@JSON
@_WANTED
@_EVERY
@DIRECTORY
@click.option(
    "--archive",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --all: one file that another gateway takes over (import --format archive).",
)
@FORCE
def export(
    remote: Remote,
    wanted: Ref | None,
    output: Path,
    archive: Path | None,
    *,
    every: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write each version of a prompt as a file NAME@VERSION.prompt, and its labels beside them as JSON."""
    if archive is not None:
        if not every:
            raise click.UsageError("--archive goes with --all")
        text = remote.ask("GET", ARCHIVE, timeout_s=PATIENT_S).text
        write_new(archive, text, force=force)
        lines = text.count("\n")
        _say_exported([{"file": str(archive), "lines": lines}], as_json=as_json)
        return
    written: list[dict[str, Any]] = []
    for found, _ in _asked_for(remote, wanted, every=every):
        for version in sorted(found.versions):
            path = output / f"{found.name}@{version}{SUFFIX}"
            write_new(path, _file(remote, found.name, version), force=force)
            written.append({"name": found.name, "version": version, "file": str(path)})
        beside = output / f"{found.name}.json"
        write_new(beside, f"{printing.json(found)}\n", force=force)
        written.append({"name": found.name, "file": str(beside)})
    _say_exported(written, as_json=as_json)


def meant(remote: Remote, wanted: str) -> Ref:
    """The version that is named, or that has the content of a FILE, which is pushed if it is not there.

    Raises:
        Refused: there is none, or the file has errors.
    """
    if not is_file(wanted):
        found = ref(wanted)
        return found if found == Ref(found.name) else Ref(found.name, version=number(remote, found))
    local = read_prompt(existing(wanted))
    told = send_file(remote, local)[-1]
    return Ref(ref(local.name).name, version=int(told["version"]))


def send_file(
    remote: Remote, local: Local, *, message: str = "", parent: int | None = None
) -> list[dict[str, Any]]:
    """Push a file, behind the partials that lie beside it: it includes these very versions.

    Returns what the gateway answered to each.
    """
    includes: dict[str, Include] = {}
    answers = []
    for name, each in (*partials_of(local).items(), (local.name, local)):
        last = each is local
        extra: dict[str, Json] = {"message": message} | ({"parent": parent} if last and parent else {})
        told = send(remote, name, pinned(each, includes).content, source_of(each.path), extra)
        answers.append(told)
        if each.content.partial is not None:
            includes[name] = Include(version=told["version"], hash=told["hash"], text=each.content.partial)
    return answers


def send(
    remote: Remote, name: str, content: PromptContent, source: GitSource, extra: dict[str, Json]
) -> dict[str, Any]:
    """Push one content; returns what the gateway answered.

    Raises:
        Refused: it has errors, or `parent` is not the newest version.
    """
    body = {"name": name, "content": content, "source": source} | {
        key: value for key, value in extra.items() if value not in ("", None)
    }
    answer = remote.ask("POST", ROOT, body)
    answer.read(Pushed)
    told: dict[str, Any] = answer.json
    return told


def _say_pushed(told: dict[str, Any]) -> None:
    name = f"{told['name']}@{told['version']}"
    click.echo(f"{name} {'is new, a draft' if told['created'] else 'has this content already'}")
    for each in pages.remarks(name, msgspec.convert(told.get("findings", []), list[Remark])):
        printing.note(each.plain)


def _say_exported(written: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(printing.json({"exported": written}))
    else:
        for each in written:
            click.echo(printing.safe(each["file"]))


def _asked_for(remote: Remote, wanted: Ref | None, *, every: bool) -> list[tuple[PromptInfo, str]]:
    """The prompts that are meant, each with the version or label that is."""
    if every == (wanted is not None):
        raise click.UsageError("name a prompt, or say --all")
    if wanted is not None:
        which = wanted.label if wanted.version is None else str(wanted.version)
        return [(info(remote, wanted.name), which or NEWEST)]
    names = [each.name for each in remote.ask("GET", ROOT).read(Prompts).prompts]
    return [(info(remote, name), NEWEST) for name in names]


def _file(remote: Remote, name: str, number: int) -> str:
    return remote.ask("GET", f"{ROOT}/{name}/versions/{number}/file").text
