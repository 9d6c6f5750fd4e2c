"""`.prompt` files on this machine: read, checked, and written without overwriting what differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click

from llmgw.cli.printing import LONGEST_LINE, safe
from llmgw.prompts.files import parse
from llmgw.types.errors import GatewayError, InvalidRequest
from llmgw.types.prompt import PromptContent

MAX_BYTES: Final = 2 * 1024 * 1024


class Local(msgspec.Struct, frozen=True):
    """A file, and the prompt in it."""

    path: Path
    text: str
    name: str
    content: PromptContent


def read_prompt(path: Path) -> Local:
    """Read and parse a file; schemas it names are read beside it.

    Raises:
        ClickException: it cannot be read, or is no prompt; each line of the message begins with the file.
    """
    text = read_text(path)
    try:
        found = parse(text, files=lambda name: _beside(path, name))
    except GatewayError as error:
        raise click.ClickException("\n".join(complaints(path, error))) from None
    return Local(path, text, found.name, found.content)


def complaints(path: Path, error: GatewayError) -> list[str]:
    """What is wrong with a file, a line for each thing."""
    found = [
        f"{each.message} at {each.pointer}" if each.pointer else each.message for each in error.violations
    ]
    return [safe(f"{path}: {said}", LONGEST_LINE) for said in found or [error.message]]


def write_new(path: Path, text: str, *, force: bool) -> bool:
    """Write a file and the directories it needs; False where it is there with the same text.

    Raises:
        ClickException: another text is there and `force` is not said, or it cannot be written.
    """
    try:
        if path.exists():
            if path.read_text(encoding="utf-8", errors="replace") == text:
                return False
            if not force:
                raise click.ClickException(f"{safe(path)} is there and differs; --force overwrites it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{safe(path)}: {error.strerror}") from None
    return True


def partials_first(files: Sequence[Local]) -> list[Local]:
    """The order of a push: what others include, before those others."""
    return sorted(files, key=lambda each: each.content.partial is None)


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file.

    Raises:
        ClickException: it cannot be read, is no UTF-8, or has more than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise click.ClickException(f"{safe(path)} is longer than {limit} bytes")
        return content.decode()
    except OSError as error:
        raise click.ClickException(f"{safe(path)}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{safe(path)}: not UTF-8 from byte {error.start} on") from None


def _beside(path: Path, name: str) -> str:
    """A file that a prompt names, below its own directory or this one: a pull request cannot name others."""
    wanted = (path.parent / name).resolve()
    homes = (path.parent.resolve(), Path.cwd().resolve())
    if not any(wanted.is_relative_to(home) for home in homes):
        raise InvalidRequest(f"{name} is outside of the directory of {path.name}")
    try:
        return read_text(wanted)
    except click.ClickException as error:
        raise InvalidRequest(error.message) from None
