"""`llmgw prompts eval`: a version tried on cases, beside the one that callers get now."""

from pathlib import Path
from typing import Any

import rich_click as click

from llmgw.cli import printing
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import Gate, Version
from llmgw.cli.prompts.datasets import dataset_of, read_dataset
from llmgw.cli.prompts.local import Local, read_prompt
from llmgw.cli.prompts.moving import send_file
from llmgw.cli.prompts.refs import JSON, Ref, existing, is_file, number, ref
from llmgw.cli.remote import PATIENT_S, Remote, connected
from llmgw.types.json import Json
from llmgw.types.prompt import PromptTests


@click.command("eval")
@connected
@JSON
@click.argument("wanted", metavar="FILE|NAME[@VERSION]")
@click.option(
    "--dataset",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Cases as JSON Lines; by default those that the version names.",
)
@click.option("--against", help="A label or a number; the version that the label leads to now by default.")
@click.option("--concurrency", type=click.IntRange(1, 16), help="Cases at once.")
@click.option("--cases", "every", is_flag=True, help="List the cases that passed, too.")
@click.option("--allow-insufficient", is_flag=True, help="Exit with 0 where there are too few cases to say.")
def evaluate(
    remote: Remote,
    wanted: str,
    dataset: Path | None,
    against: str | None,
    concurrency: int | None,
    *,
    every: bool,
    allow_insufficient: bool,
    as_json: bool,
) -> None:
    """Try a version on cases; a FILE is pushed first. Exits with 1 unless it passes."""
    local = read_prompt(existing(wanted)) if is_file(wanted) else None
    if local is not None and local.content.partial is not None:
        if as_json:
            click.echo(printing.json({"name": local.name, "partial": True}))
        else:
            click.echo(f"{local.name} is a partial: what includes it is evaluated")
        return
    what, version, cases, name = _chosen(remote, wanted, local, dataset)
    body: dict[str, Any] = {"cases": cases, "dataset": name, "concurrency": concurrency}
    if against is not None:
        body["against"] = int(against) if against.isascii() and against.isdigit() else against
    answer = remote.ask(
        "POST",
        f"{what.path}/versions/{version}/evaluate",
        {key: value for key, value in body.items() if value not in (None, "")},
        timeout_s=PATIENT_S,
    )
    found = answer.read(Gate)
    if as_json:
        click.echo(printing.json(answer.json))
    else:
        printing.show(pages.gate(f"{what.name}@{version}", found, every=every))
    good = {"pass", "insufficient_data"} if allow_insufficient else {"pass"}
    if found.verdict not in good:
        raise SystemExit(1)


def _chosen(
    remote: Remote, wanted: str, local: Local | None, dataset: Path | None
) -> tuple[Ref, int, list[Json], str]:
    """The version to try, the cases to try it on, and what these are called."""
    if local is not None:
        beside = dataset or dataset_of(local)
        cases = read_dataset(beside) if beside is not None else _own(local.content.tests)
        told = send_file(remote, local)[-1]
        return ref(local.name), int(told["version"]), _some(cases, wanted), str(beside or "")
    what = ref(wanted)
    version = number(remote, what)
    if dataset is not None:
        return what, version, read_dataset(dataset), str(dataset)
    content = remote.ask("GET", f"{what.path}/versions/{version}").read(Version).content
    return what, version, _some(_own(content.tests), wanted), ""


def _own(tests: PromptTests | None) -> list[Json]:
    return [] if tests is None else list(tests.cases)


def _some(cases: list[Json], wanted: str) -> list[Json]:
    if not cases:
        raise click.UsageError(f"{wanted!a} has no cases of its own: --dataset FILE")
    return cases
