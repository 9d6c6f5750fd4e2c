"""The secret mixed into the stored digests of keys: without it, a copy of the store checks no guess."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

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
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise PepperError(
            f"the key pepper {path} cannot be read or made ({error.strerror}); give this user access "
            "to it, or set auth.pepper"
        ) from error


def _make(path: Path) -> None:
    # Linked into place when whole: nobody ever reads half a pepper, and of two makers one wins.
    draft = path.with_name(f".pepper-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _read(path: Path) -> Secret:
    with path.open(encoding="utf-8", errors="replace") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            raise PepperError(
                f"the key pepper {path} has mode {stat.S_IMODE(mode):04o}, so other users can read it; run: "
                f"chmod 600 {path}"
            )
        text = file.read(4096).strip()
    if len(text) < MIN_LENGTH:
        raise PepperError(
            f"the key pepper {path} is shorter than {MIN_LENGTH} characters; restore it from a backup, or "
            "delete it to start with a new one, which makes every key issued so far invalid"
        )
    return Secret(text)
