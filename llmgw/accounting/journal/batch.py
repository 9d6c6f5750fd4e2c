"""Records that go to the disk in one commit, and who waits for that."""

import asyncio

from llmgw.accounting.journal.record import Record
from llmgw.accounting.journal.status import JournalUnavailable


class Batch:
    """Records that are written together, and who waits for them."""

    __slots__ = ("outcome", "records", "size", "stalling", "urgent", "waiters")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.size = 0
        self.urgent = False
        self.outcome: bool | JournalUnavailable = False
        self.waiters: list[asyncio.Future[None]] = []
        self.stalling: asyncio.TimerHandle | None = None

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
