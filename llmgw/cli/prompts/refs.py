"""What a command is told of a prompt, `name`, `name@7` or `name@label`, and the paths that lead there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import rich_click as click

from llmgw.cli.remote import Refused, Remote, Unreachable
from llmgw.types.prompt import DEFAULT_LABEL, LABEL, LATEST, PromptInfo, is_prompt_name

ROOT: Final = "/admin/v1/prompts"
SUFFIX: Final = ".prompt"
NEWEST: Final = "newest"
"""The last version pushed, draft or not; a word of this command line, no label."""
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%?", re.ASCII)
_WHOLE: Final = 10_000


class Ref(msgspec.Struct, frozen=True):
    """A prompt, and which version of it: by number, by label, or not said."""

    name: str
    version: int | None = None
    label: str | None = None

    @property
    def path(self) -> str:
        """The prompt's address."""
        return f"{ROOT}/{self.name}"

    @property
    def told(self) -> str:
        """As it was written."""
        which = self.version if self.version is not None else self.label
        return self.name if which is None else f"{self.name}@{which}"


def ref(text: str) -> Ref:
    """Read `name`, `name@7` or `name@label`.

    Raises:
        UsageError: it is none of these.
    """
    name, at, which = text.partition("@")
    if not is_prompt_name(name):
        raise click.UsageError(
            f"{text!a} names no prompt: up to four words of a-z, 0-9, _ and - with slashes between them"
        )
    if not at:
        return Ref(name)
    if which.isascii() and which.isdigit() and int(which[:9]) > 0 and len(which) < 8:
        return Ref(name, version=int(which))
    if LABEL.fullmatch(which):
        return Ref(name, label=which)
    raise click.UsageError(f"{which!a} is neither the number of a version nor a label")


def is_file(text: str) -> bool:
    """Whether a file is meant and no prompt of the registry."""
    return text.endswith(SUFFIX)


def existing(text: str) -> Path:
    """The file that is meant.

    Raises:
        UsageError: there is none.
    """
    path = Path(text)
    if not path.is_file():
        raise click.UsageError(f"there is no file {text!a}")
    return path


def info(remote: Remote, name: str) -> PromptInfo:
    """What the registry knows of a prompt.

    Raises:
        Unreachable: the name is none, or it answers with another one, under which nothing may be written.
    """
    if not is_prompt_name(name):
        raise Unreachable("the gateway names a prompt that cannot be called so")
    found = remote.ask("GET", f"{ROOT}/{name}").read(PromptInfo)
    if found.name != name:
        raise Unreachable(f"the gateway was asked for {name} and answers with another prompt")
    return found


def number(remote: Remote, wanted: Ref, *, otherwise: str = NEWEST) -> int:
    """The version that is meant; `otherwise` says which where none is named.

    Raises:
        Refused: there is no such version.
    """
    if wanted.version is not None:
        return wanted.version
    return chosen(info(remote, wanted.name), wanted.label or otherwise)


def chosen(found: PromptInfo, word: str) -> int:
    """The version that a number, a label, `latest` or `newest` leads to.

    Raises:
        Refused: none.
    """
    if word.isdigit():
        return int(word)
    if word == NEWEST:
        version: int | None = found.newest or None
    elif word == LATEST:
        version = found.latest
    else:
        version = found.labels[word].version if word in found.labels else None
    if version is None:
        there = ", ".join(sorted(found.labels)) or "none yet"
        raise Refused(
            f"{found.name} has no label {word}; its labels: {there}", 404, "prompt_version_not_found"
        )
    return version


def usual(found: PromptInfo) -> str:
    """The label that a call means when it names none, or the newest version while there is none."""
    return DEFAULT_LABEL if DEFAULT_LABEL in found.labels else NEWEST


def share(text: str) -> int:
    """Read a share, `20%` or `0.5`, in basis points.

    Raises:
        UsageError: it is none.
    """
    match = _SHARE.fullmatch(text.strip())
    points = round(float(match[1]) * 100) if match else _WHOLE + 1
    if points > _WHOLE:
        raise click.UsageError(f"{text!a} is no share between 0% and 100%")
    return points


def percent(points: int) -> str:
    """A share in basis points, as people say it."""
    return f"{points / 100:g}%"


def parsed(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Read what an argument or option is told; several of them, and none, too."""

    def each(_: click.Context, __: click.Parameter, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(read(item) for item in value)
        return None if value is None else read(value)

    return each


REF: Final = click.argument("wanted", metavar="NAME[@VERSION]", callback=parsed(ref))
NAME: Final = click.argument("wanted", metavar="NAME", callback=parsed(ref))
FILE_OR_REF: Final = click.argument("wanted", metavar="FILE|NAME[@VERSION]")
FILE_OR_VERSION: Final = click.argument("wanted", metavar="FILE|NAME@VERSION")


def _label(text: str) -> str:
    if not LABEL.fullmatch(text) or text == LATEST:
        raise click.UsageError(f"{text!a} is no label that can be moved")
    return text


LABEL_OPTION: Final = click.option(
    "--label", default=DEFAULT_LABEL, show_default=True, callback=parsed(_label), help="Which label."
)
REASON: Final = click.option("--reason", default="", help="Why; kept in the history.")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DIRECTORY: Final = click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("prompts"),
    show_default=True,
    help="A directory.",
)
FORCE: Final = click.option("--force", is_flag=True, help="Overwrite files that differ.")
