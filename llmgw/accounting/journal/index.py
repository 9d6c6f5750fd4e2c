"""Which operations are open, and where the record that speaks for each of them stands."""

from collections.abc import Iterable

from msgspec import Struct

from llmgw.accounting.journal.record import Kind


class Entry(Struct, frozen=True):
    """The record of an open operation that stands for it: its result, else its latest intent."""

    kind: Kind
    sequence: int
    offset: int
    adopted: bool
    """Whether the call's worker is dead, so that nobody is going to end it."""


class Index:
    """The open operations of a journal, a few hundred bytes for each; payloads stay on disk."""

    def __init__(self) -> None:
        self._open: dict[str, Entry] = {}
        self._live: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def apply(self, kind: Kind, operation: str, sequence: int, offset: int, *, adopted: bool = False) -> None:
        """Take note of a record; records are told in the order in which they were written."""
        before = self._open.get(operation)
        if kind is Kind.DONE:
            if before is not None:
                del self._open[operation]
                self._less(before.sequence)
            return
        if kind is Kind.INTENT and before is not None and before.kind is Kind.RESULT:
            return
        if before is not None:
            self._less(before.sequence)
        self._open[operation] = Entry(kind, sequence, offset, adopted)
        self._live[sequence] = self._live.get(sequence, 0) + 1

    def speaks(self, operation: str, sequence: int, offset: int) -> bool:
        """Whether the record at this place is the one that stands for its operation now."""
        entry = self._open.get(operation)
        return entry is not None and (entry.sequence, entry.offset) == (sequence, offset)

    def live(self, sequence: int) -> int:
        """How many open operations have their record in this segment."""
        return self._live.get(sequence, 0)

    def within(self, sequence: int) -> list[tuple[str, Entry]]:
        """The open operations whose record is in this segment, in the order of the file."""
        if not self.live(sequence):
            return []
        found = [(name, entry) for name, entry in self._open.items() if entry.sequence == sequence]
        return sorted(found, key=lambda each: each[1].offset)

    def operations(self) -> Iterable[str]:
        """The ids of all open operations."""
        return self._open.keys()

    def _less(self, sequence: int) -> None:
        left = self._live[sequence] - 1
        if left:
            self._live[sequence] = left
        else:
            del self._live[sequence]
