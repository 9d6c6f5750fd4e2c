"""What a prompt may be called, and how its name is repeated."""

from typing import Final

from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import PROMPT_NAME, RESERVED

_TOLD: Final = 80
"""Characters of a name that cannot be one."""


def check_name(name: str) -> None:
    """Take a prompt's name.

    Raises:
        InvalidRequest: no prompt can be called so.
    """
    if PROMPT_NAME.fullmatch(name) is None:
        raise InvalidRequest(
            "a prompt's name is one to four words with slashes between them, each 1 to 64 of a-z, 0-9, '_' and '-'",
            param="name",
        )
    if taken := RESERVED.intersection(name.split("/")):
        raise InvalidRequest(
            f"{min(taken)} cannot be part of a prompt's name: it is a step of our addresses", param="name"
        )


def told(name: str) -> str:
    """Repeat a name that a caller gave, if it can be one; else as much of it as shows what is meant."""
    return name if PROMPT_NAME.fullmatch(name) else ascii(name[:_TOLD])
