"""Events in a chain, each of which holds the digest of the one before: what an audit is, whatever it is of."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

FIRST: Final = ""
"""What the first event has in the place of the digest before."""


class Linked(Protocol):
    """What every event has: `seq` counts from 1, `prev` is the digest of the bytes of the event before."""

    @property
    def seq(self) -> int:
        """Its place, from 1."""
        ...

    @property
    def prev(self) -> str:
        """The digest of the one before."""
        ...


E = TypeVar("E", bound=Linked)


class Tail(NamedTuple):
    """Where an audit ends: how many events it has and the digest of the last."""

    events: int
    digest: str


def digest_of(event: bytes) -> str:
    """The digest that the next event holds."""
    return hashlib.sha256(event).hexdigest()


def head_text(tail: Tail) -> str:
    """The end of an audit as it is stored beside it."""
    return f"{tail.events} {tail.digest}"


def head_of(stored: bytes | None) -> Tail:
    """Read the end of an audit as it was stored beside it; of none, the end of an empty one."""
    count, _, digest = (stored or b"0 ").decode("ascii", "replace").partition(" ")
    return Tail(int(count) if count.isascii() and count.isdigit() else -1, digest)


class Chain(Generic[E]):
    """Follows events in order and says where they are not what was written; `decode` reads one of them."""

    def __init__(self, decode: Callable[[bytes], E]) -> None:
        self.problem = ""
        self._decode = decode
        self._tail = Tail(0, FIRST)

    def follow(self, stored: Iterable[bytes]) -> list[E]:
        """Read the next events; what cannot be read is a problem, and left out."""
        found = []
        for each in stored:
            seq = self._tail.events + 1
            try:
                event = self._decode(each)
            except (msgspec.DecodeError, ValueError):
                self._note(f"event {seq} cannot be read")
            else:
                if event.prev != self._tail.digest or event.seq != seq:
                    self._note(f"event {seq} does not follow from the one before it")
                found.append(event)
            self._tail = Tail(seq, digest_of(each))
        return found

    def end(self, head: Tail) -> None:
        """Compare the end of what was followed with what was noted beside it."""
        if head != self._tail:
            self._note(
                f"there are {self._tail.events} events that end otherwise than the {head.events} that were noted"
            )

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem
