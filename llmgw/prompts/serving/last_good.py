"""The registry as a worker last saw it, in a file: what is served when a worker starts and the store is away.

The file is a line of JSON that says what follows, and MessagePack. It is replaced whole, readable by its owner
only, and refused where its digest, its form or its owner is not what it should be.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmgw.types.prompt import PromptInfo

FILE: Final = "prompts.snapshot"
FORMAT: Final = "llmgw-prompts-snapshot/1"
_HEADER_MAX: Final = 4096


class LastGoodRefused(Exception):
    """The file cannot be used; the message says why."""


class KeptPrompt(Struct, frozen=True, array_like=True):
    """One prompt with its contents and the stamp of its last change."""

    tenant: str
    stamp: str
    info: PromptInfo
    contents: dict[str, bytes]


class Header(Struct, frozen=True, kw_only=True):
    """What a file says about itself; `sha256` is of this line's other members and of all that follows it."""

    format: str
    epoch: str
    generation: int
    written_unix_ns: int
    sha256: str = ""


def write(path: Path, epoch: str, generation: int, prompts: Sequence[KeptPrompt], now_unix_ns: int) -> None:
    """Put a state in the place of the one in the file, unless it is the same.

    Raises:
        OSError: it cannot be written.
    """
    body = _encode(prompts)
    with contextlib.suppress(LastGoodRefused):
        there = _read(path)
        if there is not None and (there[0].epoch, there[0].generation, there[1]) == (epoch, generation, body):
            return
    header = Header(format=FORMAT, epoch=epoch, generation=generation, written_unix_ns=now_unix_ns)
    header = replace(header, sha256=_digest(header, body))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(header) + b"\n")
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read(path: Path) -> tuple[Header, list[KeptPrompt]] | None:
    """Read the state in the file; None where there is no file.

    Raises:
        LastGoodRefused: it is not what was written, or others may have written it.
    """
    found = _read(path)
    if found is None:
        return None
    try:
        return found[0], _decode(found[1])
    except (msgspec.DecodeError, ValueError) as error:
        raise LastGoodRefused(f"{path} cannot be read: {error}") from None


def _read(path: Path) -> tuple[Header, bytes] | None:
    try:
        with path.open("rb") as file:
            _owned(path, file.fileno())
            header = _header(file.readline(_HEADER_MAX))
            body = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LastGoodRefused(f"{path} cannot be read: {error.strerror}") from error
    if _digest(header, body) != header.sha256:
        raise LastGoodRefused(f"{path} is damaged: its bytes are not those that were written")
    return header, body


def _digest(header: Header, body: bytes) -> str:
    digest = hashlib.sha256(msgspec.json.encode(replace(header, sha256="")) + b"\n")
    digest.update(body)
    return digest.hexdigest()


def _owned(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise LastGoodRefused(f"{path} is not this user's alone: remove it, or chmod 600 it")


def _header(line: bytes) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, ValueError):
        raise LastGoodRefused("the first line of the file does not say what it is") from None
    if header.format != FORMAT:
        raise LastGoodRefused(f"the file is of another format, {header.format!a}")
    return header


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[KeptPrompt]).decode
