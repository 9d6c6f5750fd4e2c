"""Datasets of cases as they lie in files: JSON Lines, each line one case."""

from pathlib import Path
from typing import Any, Final

import rich_click as click

from llmgw.cli.printing import safe
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode

MAX_BYTES: Final = 32 * 1024 * 1024


def read_cases(path: Path) -> list[dict[str, Json]]:
    """The cases of a file, empty lines aside.

    Raises:
        ClickException: a line is no JSON object, or there is none at all; the message names file and line.
    """
    cases = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            cases.append(_case(path, number, line))
    if not cases:
        raise click.ClickException(f"{safe(path)} has no cases")
    return cases


def read_object(path: Path) -> dict[str, Json]:
    """A file that holds one JSON object.

    Raises:
        ClickException: it does not.
    """
    return _case(path, 1, _bytes(path))


def _case(path: Path, number: int, line: bytes) -> dict[str, Json]:
    try:
        case: Any = decode(line)
    except InvalidJson as error:
        raise click.ClickException(f"{safe(path)}:{number}: {safe(error.message)}") from None
    if not isinstance(case, dict):
        raise click.ClickException(f"{safe(path)}:{number}: not a JSON object")
    return case


def _lines(path: Path) -> list[bytes]:
    return _bytes(path).split(b"\n")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{safe(path)}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise click.ClickException(f"{safe(path)} is longer than {MAX_BYTES} bytes")
    return content
