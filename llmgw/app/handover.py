"""How a checked configuration comes from the supervisor to its workers: as it was checked, or not at all.

It goes through a file without a name, which workers have from their fork on: nobody else can open it, and it is
gone with the last of them. A writer fills the half that is not in use and then points to it, by a digest: a reader
finds the old text or the new one, and a writing that failed leaves the old one.
"""

import hashlib
import os
import struct
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec
from msgspec import Struct

from llmgw.settings import Snapshot

_HEADER: Final = struct.Struct("<BQ32s")
_HALVES: Final = (4096, 1 << 26)
"""Where the two begin; what was never written takes no room."""
_TRIES: Final = 3
"""A header is overtaken by another while its text is read only where reloads follow each other at once."""


class HandoverError(Exception):
    """What is handed over cannot be read."""


class Handed(Struct, frozen=True, kw_only=True):
    """The configuration to be at work, by its number, and how many reloads were refused so far.

    `snapshot` is None as long as it is the one that the gateway started with.
    """

    generation: int = 1
    refused: int = 0
    snapshot: Snapshot | None = None


class Handover(AbstractContextManager["Handover"]):
    """Written by the supervisor, read by workers; `last` is what this process wrote or read last.

    Open from its making to the end of its block, in which all workers are forked.

    Raises:
        OSError: the directory takes no file.
    """

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115
        self._half = 0
        self.last = Handed()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, handed: Handed) -> None:
        """Put it where workers find it from now on.

        Raises:
            OSError: there is no room for it; workers find what they found before.
        """
        text = msgspec.msgpack.encode(handed)
        half = 1 - self._half
        file = self._file.fileno()
        _write(file, text, _HALVES[half])
        _write(file, _HEADER.pack(half, len(text), hashlib.sha256(text).digest()), 0)
        self._half, self.last = half, handed

    def read(self) -> Handed:
        """Look at what is there now; as long as nothing was written, what this process began with.

        Raises:
            HandoverError: it is not what was written.
        """
        file = self._file.fileno()
        for _ in range(_TRIES):
            header = os.pread(file, _HEADER.size, 0)
            if not header:
                return self.last
            if len(header) < _HEADER.size:
                continue
            half, size, digest = _HEADER.unpack(header)
            text = os.pread(file, size, _HALVES[half]) if half < len(_HALVES) else b""
            if hashlib.sha256(text).digest() == digest:
                self.last = msgspec.msgpack.decode(text, type=Handed)
                return self.last
        raise HandoverError("the configuration that was handed over cannot be read")


def _write(file: int, text: bytes, at: int) -> None:
    while text:
        written = os.pwrite(file, text, at)
        text, at = text[written:], at + written
