"""What scripts of contexts are asked with, and what they answer, as values."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgw.state.connection import Argument
from llmgw.types.completion import Completion
from llmgw.types.context import Idempotency, etag
from llmgw.types.context_errors import (
    ContextErased,
    ContextNotFound,
    ContextQuarantined,
    IntegrityFailed,
    RevisionMismatch,
)
from llmgw.types.errors import InternalError

Answer: TypeAlias = Sequence[Any]
"""What a script returns: lists of bytes and integers."""

_log = logging.getLogger(__name__)

_LONGEST_REV: Final = 16
"""Digits of the greatest revision there can be."""


class Facts(Struct, frozen=True, kw_only=True):
    """What a context's hash says besides its revision; times are unix milliseconds, documents the bytes stored."""

    created: int
    updated: int
    subject: str | None
    policy: bytes
    metadata: bytes
    lineage: bytes
    dek: bytes | None
    toolset: str | None
    size: int
    salt: bytes
    expires: int
    imported: str | None


class Stored(Struct, frozen=True, kw_only=True):
    """A context as it was read: its revision, and its own frames from turn `first` on, as many as were asked for.

    `base` is its first own turn: those before it are its parents'. `epoch` counts changes to what was there.
    """

    status: str
    rev: int
    turns: int
    base: int
    head: str
    epoch: int
    first: int
    facts: Facts
    frames: list[bytes]

    @property
    def etag(self) -> str:
        """The entity tag of this revision."""
        return etag(self.rev, self.head)

    @property
    def told(self) -> "Stored":
        """The same where nothing of it need be told again."""
        return self if self.first == self.turns else replace(self, first=self.turns, frames=[])

    def after(self, work: "Commit", rev: int) -> "Stored":
        """The same after a commit, but for the times, which only the store knows."""
        facts = self.facts
        return Stored(
            status=self.status,
            rev=rev,
            turns=work.turns,
            base=self.base,
            head=work.head,
            epoch=self.epoch,
            first=work.turns,
            facts=Facts(
                created=facts.created,
                updated=facts.updated,
                subject=facts.subject,
                policy=facts.policy,
                metadata=facts.metadata,
                lineage=facts.lineage,
                dek=facts.dek,
                toolset=work.toolset or facts.toolset,
                size=work.size,
                salt=facts.salt,
                expires=facts.expires,
                imported=facts.imported,
            ),
            frames=[],
        )


class Lease(Struct, frozen=True, kw_only=True):
    """The right to write one call's turns; `again` says that an earlier try with its idempotency key was lost.

    A later lease exceeds its `fence`. The facts of what is `stored` may be remembered from a call before; when it
    `expires` is what the store says now: unix milliseconds, 0 for never.
    """

    op: str
    who: str
    fence: int
    stored: Stored
    expires: int
    again: bool
    trace: str = ""


class Replay(Struct, frozen=True, kw_only=True):
    """The answer that was given to a call before.

    Where its bytes were not kept, as the gateway died before they were sent, `completion` is what was stored of it.
    """

    media_type: str
    body: bytes
    rev: int
    head: str
    completion: Completion | None = None


class Begin(Struct, frozen=True, kw_only=True):
    """What a call wants of a context: what is `known` of it need not be sent again, `input` is written ahead.

    `fields` make the context where it is not there; without them it must be. `trace` is noted beside what the call
    leaves if it is not stored.
    """

    op: str
    who: str
    trace: str = ""
    lease_ms: int
    input: bytes
    if_match: str = ""
    known: Stored | None = None
    idempotency: Idempotency | None = None
    fields: Mapping[str, Argument] | None = None


class Commit(Struct, frozen=True, kw_only=True):
    """What a call leaves: frames that end in `head`, and blobs by digest.

    There are `turns` then, and the context takes `size` bytes.

    `render` is the name and digest of what its target was told.
    """

    head: str
    frames: Sequence[bytes]
    blobs: Mapping[str, bytes]
    turns: int
    size: int
    ttl_ms: int = 0
    toolset: str = ""
    report: bytes = b""
    render: tuple[str, str] = ("", "")
    key: str = ""


def facts_of(answer: Answer) -> Facts:
    """Read what scripts answer about a context's hash, in their order.

    Raises:
        ValueError: it is damaged.
    """
    created, updated, subject, policy, metadata, lineage, dek, toolset, size, salt, expires, imported = answer
    return Facts(
        created=int(created),
        updated=int(updated),
        subject=subject.decode() if subject else None,
        policy=policy or b"{}",
        metadata=metadata or b"{}",
        lineage=lineage,
        dek=dek or None,
        toolset=toolset.decode() if toolset else None,
        size=int(size or 0),
        salt=salt or b"",
        expires=int(expires or 0),
        imported=imported.decode() if imported else None,
    )


def stored_of(status: bytes, answer: Answer) -> Stored:
    """Read what scripts answer about a context and its frames.

    Raises:
        IntegrityFailed: it cannot be read.
    """
    rev, turns, base, head, epoch, first, facts, frames = answer
    try:
        return Stored(
            status=status.decode(),
            rev=int(rev),
            turns=int(turns),
            base=int(base),
            head=head.decode(),
            epoch=int(epoch),
            first=int(first),
            facts=facts_of(facts),
            frames=frames,
        )
    except (TypeError, ValueError, AttributeError):
        raise IntegrityFailed("what is stored about the context cannot be read") from None


def refused(answer: Answer, if_match: str = "") -> Exception:
    """Name the error that a script's refusal is; `if_match` is the revision that the caller expected."""
    match answer[0]:
        case b"ABSENT":
            return ContextNotFound()
        case b"ERASED":
            return ContextErased("this context was erased")
        case b"QUARANTINED":
            return ContextQuarantined(
                "stored bytes of this context are not what was stored: it can be read and exported, not continued"
            )
        case b"MISMATCH" if len(answer) > 1:
            there = etag(int(answer[1]), answer[2].decode())
            return _mismatch(if_match, int(answer[1]), there)
        case b"TORN":
            return IntegrityFailed("turns of this context are missing from the store")
        case _:
            return InternalError("the store answered what nobody asked")


def _mismatch(wanted: str, rev: int, there: str) -> RevisionMismatch:
    """Say that the caller expected another revision; one that is yet to come was acknowledged, and lost."""
    number = wanted.partition("-")[0]
    if number.isdecimal() and number.isascii() and len(number) <= _LONGEST_REV and int(number) > rev:
        _log.warning(
            "a caller continues revision %s of a context that the store has at revision %d", number, rev
        )
        return RevisionMismatch(
            f"the context is at revision {there}, before the one that was named: acknowledged turns may be lost",
            there,
            rolled_back=True,
        )
    return RevisionMismatch(f"the context is at revision {there}", there)
