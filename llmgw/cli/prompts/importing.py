"""`llmgw prompts import`: prompts of other tools as `.prompt` files or new versions, and whole archives."""

from pathlib import Path
from typing import Any, Final

import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts.local import complaints, read_text, write_new
from llmgw.cli.prompts.moving import ARCHIVE, send
from llmgw.cli.prompts.refs import DIRECTORY, FORCE, JSON, SUFFIX, ref
from llmgw.cli.remote import PATIENT_S, Remote, connected
from llmgw.prompts.files import write
from llmgw.prompts.files.importing import FORMATS, Imported, import_prompt
from llmgw.types.errors import GatewayError
from llmgw.types.prompt import PROMPT_NAME, GitSource

_ARCHIVE: Final = "archive"
_MAX_ARCHIVE: Final = 256 * 1024 * 1024


@click.command("import")
@connected
@JSON
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice([*FORMATS, _ARCHIVE]), required=True, help="What FILE is."
)
@click.option("--name", help="What the prompt is to be called here (a FILE with one).")
@click.option("--push", is_flag=True, help="Store it as a new version, in place of writing a file.")
@DIRECTORY
@FORCE
def import_(
    remote: Remote,
    file: Path,
    kind: str,
    name: str | None,
    output: Path,
    *,
    push: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Take over a FILE of another tool, and say what of it has no place here; or an archive of another gateway."""
    if kind == _ARCHIVE:
        _take_over(remote, file, as_json=as_json)
        return
    done: list[dict[str, Any]] = []
    for found in _read(file, kind, name):
        told: dict[str, Any] = {"name": found.name, "notes": list(found.notes)}
        if push:
            source = GitSource(kind="import", path=file.name[-512:])
            pushed = send(
                remote, found.name, found.content, source, {"message": f"from {file.name} ({kind})"}
            )
            told |= {"version": pushed["version"], "created": pushed["created"]}
        else:
            path = output / f"{found.name}{SUFFIX}"
            write_new(path, write(found.name, found.content), force=force)
            told["file"] = str(path)
        done.append(told)
    if as_json:
        click.echo(printing.json({"imported": done}))
        return
    for each in done:
        click.echo(printing.safe(each["file"] if "file" in each else f"{each['name']}@{each['version']}"))
        for said in each["notes"]:
            printing.note(f"  {printing.safe(said)}")


def _read(file: Path, kind: str, name: str | None) -> list[Imported]:
    """The prompts of a file; one that it gives no name is called as the file is.

    Raises:
        ClickException: it is no such file; the message says where.
        UsageError: a prompt has no name that it can have here.
    """
    try:
        found = import_prompt(kind, read_text(file))
    except GatewayError as error:
        raise click.ClickException("\n".join(complaints(file, error))) from None
    if name is not None and len(found) != 1:
        raise click.UsageError(f"--name is for one prompt; {printing.safe(file)} has {len(found)}")
    named = []
    for each in found:
        called = name or each.name or file.name.partition(".")[0].lower()
        if not PROMPT_NAME.fullmatch(called):
            raise click.UsageError(f"no prompt can be called {called!a}: say --name")
        named.append(each._replace(name=ref(called).name))
    return named


def _take_over(remote: Remote, file: Path, *, as_json: bool) -> None:
    text = read_text(file, _MAX_ARCHIVE)
    answer = remote.ask(
        "POST",
        ARCHIVE,
        text.encode(),
        headers={"content-type": "application/x-ndjson"},
        timeout_s=PATIENT_S,
    )
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        told = answer.json
        click.echo(
            "\n".join(f"{printing.safe(name)}: {printing.safe(value)}" for name, value in told.items())
            if isinstance(told, dict)
            else "taken over"
        )
