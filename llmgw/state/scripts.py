"""Lua that runs inside the store: constant text only, told apart by its digest."""

import hashlib
from importlib.resources.abc import Traversable
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import force_setattr, replace


class Script(Struct, frozen=True):
    """One constant script; values reach it only as KEYS and ARGV, never as text.

    `source` begins with `#!lua`, so that the server refuses it up front, rather than half way, when it is out
    of memory or read-only.
    """

    HEADER: ClassVar[str] = "#!lua"

    name: str
    source: str
    digest: str = ""
    """The SHA-1 the server knows the script by; computed here."""
    bulk: bool = False
    """Whether it says or is told much at once, so that others are not to wait behind it."""

    def __post_init__(self) -> None:
        if not self.source.startswith(self.HEADER):
            raise ValueError(f"the script {self.name} must begin with {self.HEADER}")
        force_setattr(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    @classmethod
    def read(cls, folder: Traversable, room: str, name: str, *, flags: str = "", prelude: str = "") -> Self:
        """Read `name`.lua, behind a prelude that scripts of a room share; `flags` are the server's.

        `no-writes` is for one that only reads, `allow-oom` for one that frees memory: both run without any left.
        """
        head = f"{cls.HEADER} flags={flags}" if flags else cls.HEADER
        body = (folder / f"{name}.lua").read_text(encoding="utf-8")
        return cls(f"{room}_{name}", "\n".join(part for part in (head, prelude, body) if part))

    def in_bulk(self) -> Self:
        """The same, for a connection of its own."""
        return replace(self, bulk=True)
