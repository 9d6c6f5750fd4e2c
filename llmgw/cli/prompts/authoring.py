"""`llmgw prompts new|lint|render|diff`: a prompt as its author has it in hand, mostly without a gateway."""

import re
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click
from rich.console import RenderableType

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Difference, Rendering
from llmgw.cli.prompts.checking import lint_file
from llmgw.cli.prompts.datasets import read_object
from llmgw.cli.prompts.local import compiled, read_prompt, write_new
from llmgw.cli.prompts.refs import (
    DIRECTORY,
    FORCE,
    JSON,
    NEWEST,
    SUFFIX,
    Ref,
    chosen,
    existing,
    info,
    is_file,
    number,
    parsed,
    ref,
    usual,
)
from llmgw.cli.remote import Refused, Remote, connected
from llmgw.gateway.rendering import rendered_as_told
from llmgw.prompts.files import write
from llmgw.prompts.files.schema import json_schema_text
from llmgw.prompts.gates.differences import unified
from llmgw.prompts.samples import sample, sample_names
from llmgw.types.errors import GatewayError, InvalidJson
from llmgw.types.json import Json, decode
from llmgw.types.prompt import content_bytes, decode_content

_NAME_LINE: Final = re.compile(r"^name:.*$", re.MULTILINE)
_DATASET: Final = re.compile(r"(?<=dataset: )[\w./-]+")
_VARIABLE: Final = re.compile(r"([A-Za-z_]\w{0,127})(:?=)(.*)", re.ASCII | re.DOTALL)


@click.command()
@JSON
@click.argument("name", callback=parsed(ref))
@click.option("--sample", "which", default="sentiment", show_default=True, help="What to begin with.")
@click.option("--model", help="The alias or model it asks.")
@DIRECTORY
@FORCE
def new(name: Ref, which: str, model: str | None, output: Path, *, force: bool, as_json: bool) -> None:
    """Write a prompt and its datasets as files, from one of the samples."""
    if name != Ref(name.name):
        raise click.UsageError("a new prompt has no version yet")
    if which not in sample_names():
        raise click.UsageError(f"there is no sample {which!a}: {', '.join(sample_names())}")
    text, cases, shape = sample(which)
    last = name.name.rpartition("/")[2]
    text = _NAME_LINE.sub(f"name: {name.name}", text, count=1)
    text = _DATASET.sub(f"{last}.jsonl", text, count=1)
    if model:
        text = re.sub(
            r"^model:.*$", lambda _: f"model: {printing.json(model)}", text, count=1, flags=re.MULTILINE
        )
    path = output / f"{name.name}{SUFFIX}"
    written = [path, path.with_suffix(".jsonl"), path.with_name(f"{last}-shape.jsonl")]
    for file, content in zip(written, (text, cases, shape), strict=True):
        write_new(file, content, force=force)
    if as_json:
        click.echo(printing.json({"name": name.name, "files": [str(file) for file in written]}))
    else:
        for file in written:
            click.echo(printing.safe(file))


@click.command()
@JSON
@click.argument("files", metavar="FILE…", nargs=-1, required=True, callback=parsed(existing))
def lint(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check files and the datasets they name, without a gateway; exits with 1 where one has an error."""
    found = [(path, *lint_file(path)) for path in files]
    good = all(pages.is_warning(each) for _, _, remarks in found for each in remarks)
    if as_json:
        told = [
            {"file": str(path), "name": name, "ok": all(map(pages.is_warning, remarks)), "findings": remarks}
            for path, name, remarks in found
        ]
        click.echo(printing.json({"ok": good, "files": told}))
    else:
        for path, name, remarks in found:
            printing.show(*pages.remarks(str(path), remarks))
            if not remarks:
                click.echo(printing.safe(f"{path}: good, {name}"))
    if not good:
        raise SystemExit(1)


@click.command()
@connected
@JSON
@click.argument("wanted", metavar="FILE|NAME[@VERSION]")
@click.option(
    "--var", "pairs", multiple=True, metavar="NAME=TEXT", help="A variable; NAME:=JSON for other than text."
)
@click.option(
    "--vars",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="JSON; - reads it.",
)
def render(remote: Remote, wanted: str, pairs: tuple[str, ...], file: Path | None, *, as_json: bool) -> None:
    """Fill in a prompt's variables and print the messages; a FILE needs no gateway, and no model is asked."""
    variables = ({} if file is None else read_object(file)) | dict(map(_variable, pairs))
    if is_file(wanted):
        told: Json = _rendered_here(existing(wanted), variables)
        rendering = msgspec.convert(told, Rendering)
    else:
        what = ref(wanted)
        at = f"{what.path}/versions/{number(remote, what)}/render"
        answer = remote.ask("POST", at, {"variables": variables})
        told, rendering = answer.json, answer.read(Rendering)
    if as_json:
        click.echo(printing.json(told))
    else:
        printing.show(pages.rendering(rendering))


@click.command()
@connected
@JSON
@click.argument("wanted", metavar="FILE|NAME")
@click.option("--from", "start", help="A number, a label or newest; by default what callers get now.")
@click.option("--to", "end", help="The same; the newest version by default. A FILE is compared itself.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where there is a difference.")
def diff(
    remote: Remote, wanted: str, start: str | None, end: str | None, *, exit_code: bool, as_json: bool
) -> None:
    """Say what two versions differ in, or a FILE and what the registry has."""
    if is_file(wanted):
        if end is not None:
            raise click.UsageError("--to does not go with a FILE: it is what is compared")
        told = _with_file(remote, existing(wanted), start)
        text = str(told["text"])
        page: RenderableType = pages.coloured(text)
    else:
        found = info(remote, ref(wanted).name)
        first = chosen(found, start or usual(found))
        last = chosen(found, end or NEWEST)
        answer = remote.ask("GET", f"{ref(wanted).path}/diff?from={first}&to={last}")
        told, difference = answer.json, answer.read(Difference)
        text, page = difference.text, pages.difference(difference)
    if as_json:
        click.echo(printing.json(told))
    elif text:
        printing.show(page)
    else:
        printing.note("no difference")
    if text and exit_code:
        raise SystemExit(1)


def _with_file(remote: Remote, path: Path, start: str | None) -> dict[str, Json]:
    local = read_prompt(path)
    try:
        found = info(remote, local.name)
        version = chosen(found, start or usual(found))
        there = remote.ask("GET", f"{ref(local.name).path}/versions/{version}/file").text
        title = f"{local.name}@{version}"
    except Refused as refused:
        if refused.code != "prompt_not_found" or start is not None:
            raise
        there, version, title = "", 0, "nothing"
    # As the registry keeps it: without what goes without saying.
    kept = decode_content(content_bytes(local.content))
    here = write(local.name, kept)
    text = unified(there.splitlines(keepends=True), here.splitlines(keepends=True), title, str(path))
    return {"name": local.name, "from": version, "file": str(path), "text": text}


def _variable(pair: str) -> tuple[str, Json]:
    match = _VARIABLE.fullmatch(pair)
    if match is None:
        raise click.UsageError(f"{pair!a} is not NAME=TEXT, nor NAME:=JSON")
    name, kind, value = match.groups()
    if kind == "=":
        return name, value
    try:
        return name, decode(value.encode())
    except (InvalidJson, UnicodeEncodeError):
        raise click.UsageError(f"the value of {name} is not JSON; {name}=… takes text as it is") from None


def _rendered_here(path: Path, variables: dict[str, Json]) -> dict[str, Json]:
    local = read_prompt(path)
    try:
        return rendered_as_told(compiled(local), variables, local.name, 0) | {"prompt": local.name}
    except GatewayError as error:
        lines = [
            f"{path}: {error.message}",
            *(f"  {each.pointer or '/'}: {each.message}" for each in error.violations),
        ]
        raise click.ClickException(
            "\n".join(printing.safe(line, printing.LONGEST_LINE) for line in lines)
        ) from None


@click.command()
def schema() -> None:
    """Print the JSON Schema of a prompt file's front matter, for editors."""
    click.echo(json_schema_text(), nl=False)
