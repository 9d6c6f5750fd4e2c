"""Datasets as they lie in files: JSON Lines, each line one case, checked before they are sent."""

import sys
from pathlib import Path
from typing import Final

import rich_click as click

from llmgw.cli.printing import safe
from llmgw.cli.prompts.local import Local, beside, complaints, read_text
from llmgw.prompts.gates.dataset import DATASET_MAX, read_lines
from llmgw.types.errors import GatewayError, InvalidJson, InvalidRequest
from llmgw.types.json import Json, decode

MAX_OBJECT: Final = 4 * 1024 * 1024


def read_dataset(path: Path) -> list[Json]:
    """The cases of a file.

    Raises:
        ClickException: some are none, or there are none; the message names file and lines.
    """
    text = read_text(path, DATASET_MAX)
    try:
        read_lines(text)
    except GatewayError as error:
        raise click.ClickException("\n".join(complaints(path, error))) from None
    cases = [decode(line.encode()) for line in text.splitlines() if line.strip()]
    if not cases:
        raise click.ClickException(f"{safe(path)} has no cases")
    return cases


def dataset_of(local: Local) -> Path | None:
    """The dataset that a file names, beside it.

    Raises:
        ClickException: it is named elsewhere.
    """
    tests = local.content.tests
    if tests is None or tests.dataset is None:
        return None
    try:
        beside(local.path, tests.dataset)
    except InvalidRequest as error:
        raise click.ClickException(safe(f"{local.path}: {error.message}")) from None
    return local.path.parent / tests.dataset


def read_object(path: Path) -> dict[str, Json]:
    """A file that holds one JSON object; `-` is what is piped in.

    Raises:
        ClickException: it does not.
    """
    text = sys.stdin.read() if str(path) == "-" else read_text(path, MAX_OBJECT)
    try:
        found = decode(text.encode())
    except (InvalidJson, UnicodeEncodeError) as error:
        raise click.ClickException(f"{safe(path)}: {safe(error)}") from None
    if not isinstance(found, dict):
        raise click.ClickException(f"{safe(path)}: not a JSON object")
    return found
