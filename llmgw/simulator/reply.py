"""HTTP as values: what came in, and step by step what goes out."""

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, in the order received or to be sent."""


class Request(Struct, frozen=True):
    """One request as it arrived; `path` is percent-decoded, `query` is what followed its `?`, as it came."""

    method: str
    path: str
    headers: Headers
    body: bytes
    keep_alive: bool = True
    http11: bool = True
    query: str = ""

    def header(self, name: str) -> str | None:
        """Give the first value of a header (lower-case name)."""
        return next((value for key, value in self.headers if key == name), None)


class Bill(Struct, frozen=True, kw_only=True):
    """Tokens that a provider would charge for; `input` has those read from and written to a cache, too."""

    model: str
    input: int
    cached: int = 0
    written: int = 0
    output: int = 0


class Whole(Struct, frozen=True):
    """An answer written at once."""

    status: int
    headers: Headers
    body: bytes
    bill: Bill | None = None


class Head(Struct, frozen=True):
    """Send status and headers; the body is chunked where `length` is None."""

    status: int
    headers: Headers
    length: int | None = None


class Piece(Struct, frozen=True):
    """Send these bytes of the body at once; `tokens` are those of a stream that they are charged as."""

    data: bytes
    tokens: int = 0


class Wait(Struct, frozen=True):
    """Let time pass."""

    seconds: float


class Forever(Struct, frozen=True):
    """Never go on; ends when the client leaves."""


class Cut(Struct, frozen=True):
    """Close the connection in order (FIN), the body unfinished."""


class Reset(Struct, frozen=True):
    """Tear the connection down (RST)."""


Step: TypeAlias = Head | Piece | Wait | Forever | Cut | Reset


class Script(Struct, frozen=True):
    """An answer played step by step; a chunked body is ended properly when the steps run out.

    What the bill says is charged as soon as it begins, what the pieces say as they are sent.
    """

    steps: Iterable[Step]
    model: str
    stream: bool
    bill: Bill | None = None


Reply: TypeAlias = Whole | Script
