"""Secrets the gateway makes for itself: a file only its user reads, made once however many processes try."""

import contextlib
import os
import secrets
import stat
from pathlib import Path


class PrivateFileError(Exception):
    """The file cannot be used; the message says what to do about it."""


def make_once(path: Path, content: str) -> None:
    """Write the file where there is none; of several makers one wins, and nobody ever reads half of it.

    Raises:
        PrivateFileError: it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path, content)
    except OSError as error:
        raise _unusable(path, error) from error


def read_private(path: Path) -> str:
    """Read the file.

    Raises:
        PrivateFileError: others can read it, too, or it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(64 * 1024)
    except OSError as error:
        raise _unusable(path, error) from error
    if mode & 0o077:
        raise PrivateFileError(
            f"{path} has mode {stat.S_IMODE(mode):04o}, so other users can read it; run: chmod 600 {path}"
        )
    return text


def _make(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _unusable(path: Path, error: OSError) -> PrivateFileError:
    return PrivateFileError(f"{path} cannot be read or made ({error.strerror}); give this user access to it")
