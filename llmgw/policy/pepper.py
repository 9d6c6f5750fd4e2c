"""The secret mixed into the stored digests of keys: without it, a copy of the store checks no guess."""

import secrets
from pathlib import Path

from llmgw.state.private_file import PrivateFileError, make_once, read_private
from llmgw.types.secret import Secret

MIN_LENGTH = 32


class PepperError(Exception):
    """The pepper cannot be used; the message ends with what to do about it."""


def load_pepper(directory: Path) -> Secret:
    """Read `<directory>/pepper`, made of 32 random bytes when absent.

    Several processes may do this at once: all get the same pepper.

    Raises:
        PepperError: the file is readable by others, too short, or cannot be read or made.
    """
    path = directory / "pepper"
    try:
        make_once(path, secrets.token_hex(32) + "\n")
        text = read_private(path).strip()
    except PrivateFileError as error:
        raise PepperError(f"the key pepper {error}, or set auth.pepper") from error
    if len(text) < MIN_LENGTH:
        raise PepperError(
            f"the key pepper {path} is shorter than {MIN_LENGTH} characters; restore it from a backup, or "
            "delete it to start with a new one, which makes every key issued so far invalid"
        )
    return Secret(text)
