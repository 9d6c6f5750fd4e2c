"""What a prompt may be called."""

from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import PROMPT_NAME, RESERVED


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
