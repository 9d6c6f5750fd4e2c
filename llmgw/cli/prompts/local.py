"""`.prompt` files on this machine: read, checked, and written without overwriting what differs."""

from pathlib import Path
from typing import Final

import msgspec
import rich_click as click
from msgspec.structs import replace

from llmgw.cli.printing import LONGEST_LINE, safe
from llmgw.cli.prompts.refs import SUFFIX
from llmgw.prompts.files import parse
from llmgw.prompts.rendering.compiled import CompiledPrompt, compile_prompt
from llmgw.prompts.rendering.scan import includes_of
from llmgw.types.errors import GatewayError, InvalidRequest
from llmgw.types.prompt import PROMPT_NAME, Include, PromptContent, content_hash

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
        found = parse(text, files=lambda name: _schema(path, name))
    except GatewayError as error:
        raise click.ClickException("\n".join(complaints(path, error))) from None
    return Local(path, text, found.name, found.content)


def complaints(path: Path, error: GatewayError) -> list[str]:
    """What is wrong with a file, a line for each thing."""
    found = [
        f"{each.message} at {each.pointer}" if each.pointer else each.message for each in error.violations
    ]
    return [safe(f"{path}: {said}", LONGEST_LINE) for said in found or [error.message]]


def with_partials(local: Local) -> Local:
    """The same with the partials that it includes, as far as they lie beside it."""
    return pinned(local, {name: _include(each) for name, each in partials_of(local).items()})


def partials_of(local: Local) -> dict[str, Local]:
    """The partials that a file includes, and those that these include, where there are files of these names.

    Each comes behind those that it includes itself.

    Raises:
        ClickException: one of the files is no prompt.
    """
    found: dict[str, Local] = {}
    _gather(local, _root(local), found, ())
    return found


def pinned(local: Local, includes: dict[str, Include]) -> Local:
    """The same with these versions of partials, as far as it includes them."""
    wanted = {name: includes[name] for name in partials_of(local) if name in includes}
    if not wanted:
        return local
    return replace(local, content=replace(local.content, includes={**local.content.includes, **wanted}))


def _gather(local: Local, root: Path, found: dict[str, Local], within: tuple[str, ...]) -> None:
    texts = [each.text for each in local.content.messages] + [local.content.partial or ""]
    for name in sorted({name for text in texts for name in includes_of(text)}):
        path = root / f"{name}{SUFFIX}"
        if name in found or name in within or not PROMPT_NAME.fullmatch(name) or not path.is_file():
            continue
        partial = read_prompt(path)
        if partial.content.partial is not None:
            _gather(partial, root, found, (*within, name))
            found[name] = partial


def _include(local: Local) -> Include:
    return Include(version=1, hash=content_hash(local.content), text=local.content.partial or "")


def compiled(local: Local) -> CompiledPrompt:
    """The prompt, ready to be rendered.

    Raises:
        GatewayError: it is none that can be.
    """
    return compile_prompt(with_partials(local).content)


def _root(local: Local) -> Path:
    """The directory from which names are paths: that of a file which lies where its name says, else its own."""
    steps = local.name.split("/")
    path = local.path.resolve()
    if path.with_suffix("").parts[-len(steps) :] == tuple(steps):
        return path.parents[len(steps) - 1]
    return path.parent


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


def beside(path: Path, name: str) -> Path:
    """The file that a prompt names, below its own directory or this one: a pull request cannot name others.

    Raises:
        InvalidRequest: it is elsewhere.
    """
    wanted = (path.parent / name).resolve()
    homes = (path.parent.resolve(), Path.cwd().resolve())
    if not any(wanted.is_relative_to(home) for home in homes):
        raise InvalidRequest(f"{name} is outside of the directory of {path.name}")
    return wanted


def _schema(path: Path, name: str) -> str:
    wanted = beside(path, name)
    try:
        return read_text(wanted)
    except click.ClickException as error:
        raise InvalidRequest(error.message) from None
