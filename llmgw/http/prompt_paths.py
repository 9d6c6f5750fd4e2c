"""Addresses of prompts: a name's slashes are slashes of the path, so each route stands under four patterns."""

from collections.abc import Mapping
from typing import Final

from llmgw.http.asked import HttpRequest
from llmgw.types.prompt import LABEL, is_prompt_name
from llmgw.types.prompt_errors import PromptNotFound, PromptVersionNotFound

_PARTS: Final = ("part1", "part2", "part3", "part4")
_LONGEST_NUMBER: Final = 7


def paths(prefix: str, rest: str = "") -> list[str]:
    """The patterns of a route under `prefix`, a prompt's name and `rest`: one for each number of words.

    No step of an address may be a word of a name (`RESERVED`), so no two of them ever mean the same request.
    """
    words = [f"{{{part}:str}}" for part in _PARTS]
    return [f"{prefix}/{'/'.join(words[:count])}{rest}" for count in range(1, len(words) + 1)]


def name_of(request: HttpRequest) -> str:
    """Read the prompt's name from the path.

    Raises:
        PromptNotFound: no prompt can be called so.
    """
    return name_in(request.path_params)


def name_in(found: Mapping[str, str]) -> str:
    """Read the prompt's name from what stood in the path.

    Raises:
        PromptNotFound: no prompt can be called so.
    """
    name = "/".join(found[part] for part in _PARTS if part in found)
    if not is_prompt_name(name):
        raise PromptNotFound(
            "no prompt can have this name: names are up to four words of a-z, 0-9, '_' and '-' with slashes between"
        )
    return name


def version_of(request: HttpRequest) -> int:
    """Read the version's number, which a route calls `number`, from the path.

    Raises:
        PromptVersionNotFound: it is no number.
    """
    written: str = request.path_params["number"]
    if not (written.isascii() and written.isdigit() and len(written) <= _LONGEST_NUMBER and int(written)):
        raise PromptVersionNotFound("versions are numbers: 1, 2, 3 …")
    return int(written)


def label_of(request: HttpRequest) -> str:
    """Read the label, which a route calls `label`, from the path.

    Raises:
        PromptVersionNotFound: no label can be called so.
    """
    label: str = request.path_params["label"]
    if LABEL.fullmatch(label) is None:
        raise PromptVersionNotFound(
            "no label can have this name: it is 1 to 64 of a-z, 0-9, '_', '.' and '-', and begins with a letter"
        )
    return label
