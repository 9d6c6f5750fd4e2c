"""Records that go to the disk in one commit, and who waits for that."""

import asyncio
from typing import Final

from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.status import JournalUnavailable

RECORD_BYTES: Final = 200
"""What a waiting record takes beside its payload, roughly."""
_INTENT: Final = Kind.INTENT


class Batch:
    """Records that are written together, and who waits for them.

    Of the intents of one operation the last is written alone: they would be on the medium at once.
    """

    __slots__ = ("_intents", "outcome", "records", "size", "stalling", "urgent", "waiters")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._intents: dict[str, int] = {}
        self.size = 0
        self.urgent = False
        self.outcome: bool | JournalUnavailable = False
        self.waiters: list[asyncio.Future[None]] = []
        self.stalling: asyncio.TimerHandle | None = None

    def add(self, record: Record, size: int) -> int:
        """Take a record of so many bytes; says by how many the batch has grown, or shrunk."""
        records, intents = self.records, self._intents
        if record.kind is _INTENT:
            place = intents.setdefault(record.operation, len(records))
            if place < len(records):
                size -= len(records[place].payload) + RECORD_BYTES
                records[place] = record
            else:
                records.append(record)
        else:
            if intents:
                # An intent that comes after this must stay after it.
                intents.pop(record.operation, None)
            records.append(record)
        self.size += size
        return size

    def tell(self, waiter: "asyncio.Future[None]") -> None:
        """Resolve a future when the batch has ended, or now where it has."""
        if self.outcome is False:
            self.waiters.append(waiter)
        else:
            self._resolve(waiter)

    def end(self, outcome: JournalUnavailable | None) -> None:
        """Tell all who wait, once."""
        if self.stalling is not None:
            self.stalling.cancel()
        if self.outcome is not False:
            return
        self.outcome = outcome or True
        for waiter in self.waiters:
            self._resolve(waiter)
        self.waiters.clear()

    def _resolve(self, waiter: "asyncio.Future[None]") -> None:
        if waiter.done():
            return
        if isinstance(self.outcome, JournalUnavailable):
            # Each its own: one exception object would gather the tracebacks of all who wait.
            waiter.set_exception(JournalUnavailable(self.outcome.reason, self.outcome.detail))
        else:
            waiter.set_result(None)
