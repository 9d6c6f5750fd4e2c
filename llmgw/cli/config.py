"""`llmgw config`: is the settings file good, what is in effect, what may it hold."""

import os
from typing import NoReturn

import rich_click as click

from llmgw.cli.reload import reload
from llmgw.settings import ConfigError, Loaded, Problem, json_schema_text, load, to_yaml

_FILE = click.argument("file", required=False, type=click.Path())


@click.group()
def config() -> None:
    """Check and show the settings.

    Without FILE: the one that LLMGW_CONFIG names, else llmgw.yaml in this directory, else the defaults.
    """


@config.command()
@_FILE
def check(file: str | None) -> None:
    """Report every problem of FILE with its line; exit with 1 if there is one.

    Warnings, such as a provider without its key, leave the exit code at 0.
    """
    loaded = _load(file)
    _warn(loaded)
    count = len(loaded.warnings)
    suffix = f" with {count} warning{'' if count == 1 else 's'}" if count else ""
    click.echo(f"{_title(loaded)}: good{suffix}")


@config.command()
@_FILE
def show(file: str | None) -> None:
    """Print the settings in effect as YAML, defaults included and secrets as ***."""
    loaded = _load(file)
    _warn(loaded)
    click.echo(f"# {_title(loaded)}")
    click.echo(to_yaml(loaded.settings), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors and other checkers."""
    click.echo(json_schema_text(), nl=False)


def _load(file: str | None) -> Loaded:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        _fail(error)


def _fail(error: ConfigError) -> NoReturn:
    for problem in error.problems:
        click.echo(_line(error.source, "error", problem), err=True)
    count = len(error.problems)
    click.echo(f"{count} problem{'' if count == 1 else 's'} found", err=True)
    raise SystemExit(1)


def _warn(loaded: Loaded) -> None:
    for problem in loaded.warnings:
        click.echo(_line(loaded.source, "warning", problem), err=True)


def _title(loaded: Loaded) -> str:
    return loaded.source or "defaults (no settings file)"


def _line(source: str | None, level: str, problem: Problem) -> str:
    """Write `FILE:LINE: level: path: message`, which editors and terminals turn into a link."""
    at = f"{source or 'defaults'}:{problem.line}" if problem.line is not None else f"{source or 'defaults'}"
    return f"{at}: {level}: {problem.text}"


config.add_command(reload)
