"""Who changed what, when and why: events in a chain, each of which holds the digest of the one before."""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from llmgw.types.json import encode

FIRST: Final = ""
"""What the first event has in the place of the digest before."""


class Author(NamedTuple):
    """Who changes something: `who` is the id of the key, `call` of the request."""

    tenant: str
    who: str
    call: str


class AuditEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `subject` is the label or the version that changed, `before` and `after` what it was and is.

    `prev` is the digest of the bytes of the event before, of whatever prompt of the tenant; `seq` counts from 1.
    """

    seq: int
    at_ms: int
    who: str
    call: str
    op: str
    prompt: str
    subject: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    detail: str = ""
    prev: str


class Tail(NamedTuple):
    """Where a tenant's audit ends: how many events it has and the digest of the last."""

    events: int
    digest: str


class History(Struct, frozen=True, kw_only=True):
    """The last events of one prompt, the newest first; `problem` says what is wrong with the tenant's chain."""

    events: list[AuditEvent]
    intact: bool
    problem: str = ""


def digest_of(event: bytes) -> str:
    """The digest that the next event holds."""
    return hashlib.sha256(event).hexdigest()


def written(event: AuditEvent) -> bytes:
    """The bytes of an event as they are stored and digested."""
    return encode(event)


def head_text(tail: Tail) -> str:
    """The end of an audit as it is stored beside it."""
    return f"{tail.events} {tail.digest}"


def head_of(stored: bytes | None) -> Tail:
    """Read the end of an audit as it was stored beside it; of none, the end of an empty one."""
    count, _, digest = (stored or b"0 ").decode("ascii", "replace").partition(" ")
    return Tail(int(count) if count.isascii() and count.isdigit() else -1, digest)


class Chain:
    """Follows a tenant's events in order and says where they are not what was written."""

    def __init__(self) -> None:
        self.problem = ""
        self._tail = Tail(0, FIRST)

    def follow(self, stored: Iterable[bytes]) -> list[AuditEvent]:
        """Read the next events; what cannot be read is a problem, and left out."""
        found = []
        for each in stored:
            seq = self._tail.events + 1
            try:
                event = _decode(each)
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


_decode = msgspec.json.Decoder(AuditEvent).decode
