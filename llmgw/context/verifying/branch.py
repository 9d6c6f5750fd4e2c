"""One course of a session as it is stored: a letter and a digest for each turn."""

from collections.abc import Iterable

from msgspec import Struct

from llmgw.context.verifying.canonical import ANSWER, BROKEN, SIZE, History

TURN: int = 1 + SIZE
"""Bytes of a turn."""


class Tip(Struct, frozen=True, kw_only=True):
    """What is known of a branch without its turns: how many, their digest as a whole, and the instructions'."""

    slot: int
    turns: int
    digest: bytes
    instructions: bytes
    used_ms: int

    def written(self, used_ms: int) -> str:
        """Write it for the store."""
        return f"{self.key}{self.instructions.hex()}:{used_ms}"

    @property
    def key(self) -> str:
        """What tells one state of a branch from another."""
        return f"{self.turns}:{self.digest.hex()}:"

    @classmethod
    def read(cls, slot: int, written: bytes) -> "Tip":
        """Read what was written.

        Raises:
            ValueError: nobody wrote this.
        """
        turns, digest, instructions, used_ms = written.decode().split(":")
        return cls(
            slot=slot,
            turns=int(turns),
            digest=bytes.fromhex(digest),
            instructions=bytes.fromhex(instructions),
            used_ms=int(used_ms),
        )


class Branch(Struct, frozen=True, kw_only=True):
    """A branch with its turns."""

    tip: Tip
    kinds: bytes
    digests: list[bytes]

    @classmethod
    def read(cls, tip: Tip, packed: bytes) -> "Branch":
        """Take stored turns apart."""
        return cls(
            tip=tip,
            kinds=packed[::TURN],
            digests=[packed[at + 1 : at + TURN] for at in range(0, len(packed), TURN)],
        )

    def answered(self) -> set[bytes]:
        """The answers that were given here."""
        return {
            digest for kind, digest in zip(self.kinds, self.digests, strict=True) if kind in {ANSWER, BROKEN}
        }


def packed(kinds: Iterable[int], digests: Iterable[bytes]) -> bytes:
    """Put turns together for the store."""
    return b"".join([b"%c%b" % turn for turn in zip(kinds, digests, strict=True)])


def packed_history(history: History, first: int, last: int, answered: set[bytes]) -> bytes:
    """Put the turns of a request together from `first` until before `last`."""
    digests = history.digests[first:last]
    kinds = history.kinds[first:last]
    known = (
        ANSWER if digest in answered and history.is_answer(first + place) else kind
        for place, (kind, digest) in enumerate(zip(kinds, digests, strict=True))
    )
    return packed(known, digests)
