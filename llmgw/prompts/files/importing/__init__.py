"""Prompts of other tools, read as contents: what has a place here is kept, what has none is told."""

from collections.abc import Callable, Mapping
from typing import Final

from llmgw.prompts.files.importing import dotprompt, langfuse, litellm, prompty
from llmgw.prompts.files.importing.building import Imported
from llmgw.types.prompt_errors import InvalidPrompt

TEXT_MAX: Final = 1024 * 1024
"""Characters of a file."""

_READERS: Final[Mapping[str, Callable[[str], list[Imported]]]] = {
    "dotprompt": dotprompt.read,
    "prompty": prompty.read,
    "langfuse": langfuse.read,
    "litellm": litellm.read,
}
FORMATS: Final = tuple(_READERS)
"""What can be imported."""

__all__ = ["FORMATS", "TEXT_MAX", "Imported", "import_prompt"]


def import_prompt(kind: str, text: str) -> list[Imported]:
    """Read a file of another tool; `kind` is one of `FORMATS`. Every content that is returned compiles.

    Includes are named, not pinned; names are fit for prompts here, or empty where the file says none.

    Raises:
        InvalidPrompt: it is no such file, or says what has no equal here; the message names the line if it has one.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise InvalidPrompt(f"there is no format {kind[:64]!r}: there are {', '.join(FORMATS)}")
    if len(text) > TEXT_MAX:
        raise InvalidPrompt(f"a file to import has at most {TEXT_MAX} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidPrompt("it has characters that no text has") from None
    return reader(text)
