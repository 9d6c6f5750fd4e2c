"""The lint of one file, as far as it goes without a gateway: the prompt, its dataset, and each case rendered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import rich_click as click

from llmgw.cli.prompts.answers import Remark
from llmgw.cli.prompts.datasets import dataset_of
from llmgw.cli.prompts.local import Local, compiled, read_prompt, read_text, with_partials
from llmgw.prompts.gates.dataset import DATASET_MAX, Case, read_cases, read_lines
from llmgw.prompts.gates.lint import lint
from llmgw.types.errors import GatewayError

MOST: Final = 100
"""Findings of one file that are told."""


def lint_file(path: Path) -> tuple[str, list[Remark]]:
    """The name of the prompt in a file, and what is wrong with it; empty for no name."""
    try:
        local = read_prompt(path)
    except click.ClickException as error:
        return "", [Remark(severity="error", rule="file", message=line) for line in error.message.split("\n")]
    found = [
        Remark(severity=each.severity, rule=each.rule, pointer=each.pointer, message=each.message)
        for each in lint(with_partials(local).content)
    ]
    if not any(each.severity == "error" for each in found):
        found += _cases(local)
    return local.name, found[:MOST]


def _cases(local: Local) -> Iterator[Remark]:
    """What is wrong with the cases on which the version will be tried."""
    if local.content.partial is not None or local.content.tests is None:
        return
    try:
        yield from _unrendered(local, read_cases(local.content.tests.cases).cases, "tests.cases")
        path = dataset_of(local)
        if path is not None:
            yield from _unrendered(local, read_lines(read_text(path, DATASET_MAX)).cases, str(path))
    except click.ClickException as error:
        yield Remark(severity="error", rule="dataset", message=error.message)
    except GatewayError as error:
        yield from _told(error, "dataset")


def _unrendered(local: Local, cases: tuple[Case, ...], place: str) -> Iterator[Remark]:
    """The cases whose variables the prompt cannot be rendered with."""
    prompt = compiled(local)
    for case in cases:
        try:
            prompt.render(case.vars)
        except GatewayError as error:
            yield Remark(severity="error", rule="case", message=f"{place}, {case.name}: {_first(error)}")


def _first(error: GatewayError) -> str:
    first = error.violations[0] if error.violations else None
    return error.message if first is None else f"{error.message}: {first.message} at {first.pointer or '/'}"


def _told(error: GatewayError, rule: str) -> Iterator[Remark]:
    for each in error.violations:
        yield Remark(severity="error", rule=rule, pointer=each.pointer, message=each.message)
    if not error.violations:
        yield Remark(severity="error", rule=rule, message=error.message)
