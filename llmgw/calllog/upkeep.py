"""The one worker that writes segments and looks after them; another takes over where it dies."""

import asyncio
import logging
from collections import Counter
from typing import Final

from llmgw.calllog.files import FilesUnavailable
from llmgw.calllog.ingest import Ingest, WriterRefused, WriterUnavailable
from llmgw.calllog.segments import Cursor
from llmgw.calllog.stream import Depth, Stream, TakenOver
from llmgw.calllog.tidying import Tidying
from llmgw.state.connection import State
from llmgw.state.lease import Lease
from llmgw.types.clock import Clock
from llmgw.types.errors import StoreUnavailable

_log = logging.getLogger(__name__)

LEASE_KEY: Final = "llmgw:{calllog}:lease"
HOLD_S: Final = 5.0
"""Seconds between two times of taking or lengthening the lease."""
LOOK_S: Final = 1.0
"""Seconds between two looks at what waits, of the worker that writes; the others look every `HOLD_S`."""
TIDY_S: Final = 60.0
_AGAIN_MOST_S: Final = 60.0
_TELL_NS: Final = 60_000_000_000


class Shelf:
    """One dataset, from its stream to its segments."""

    def __init__(
        self, stream: Stream, ingest: Ingest, tidying: Tidying, lost: Counter[str], due: tuple[int, float]
    ) -> None:
        """Put it together; `due` is after how many events or seconds a segment is written."""
        self.stream = stream
        self.ingest = ingest
        self.tidying = tidying
        self.depth = Depth(0, 0, 0, "")
        """What waited when it was last looked at."""
        self.written = 0
        """Events that this worker wrote to segments."""
        self.removed: Counter[str] = Counter()
        """Files that it deleted, by why: `covered`, `expired`."""
        self.lost = lost
        """Events that are in no segment, by why."""
        self._max_rows, self._max_age_s = due

    async def due(self) -> bool:
        """Whether there is enough for a segment, or something that has waited for long, or was begun.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        self.depth, draft = await self.stream.look()
        if draft or self.depth.rows >= self._max_rows:
            return True
        return self.depth.rows > 0 and self.depth.behind_ms >= self._max_age_s * 1000


class Upkeep:
    """Takes the lease, and works as long as it has it."""

    def __init__(self, state: State, shelves: list[Shelf], origin: str, clock: Clock) -> None:
        self.leads = False
        """Whether this worker is the one that writes."""
        self._lease = Lease(state, LEASE_KEY)
        self._shelves = shelves
        self._origin = origin
        self._clock = clock
        self._told_ns: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._lead()), loop.create_task(self._tidy())]
        self._tasks += [loop.create_task(self._write(each)) for each in self._shelves]

    async def aclose(self) -> None:
        """Stop, and let another worker go on at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._lease.let_go()
        except StoreUnavailable:
            _log.info("the lease of the call log ends by itself")

    async def hold(self) -> None:
        """Take the lease or lengthen it; who takes it has all before it refused.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        held = False
        try:
            held = await self._lease.hold()
            if held and not self.leads:
                for each in self._shelves:
                    await each.ingest.claim(self._origin)
        except StoreUnavailable:
            held = False
            raise
        finally:
            self.leads = held

    async def write(self, shelf: Shelf) -> bool:
        """Write one segment's worth of events, if that is due; whether it was.

        Raises:
            StoreUnavailable: the same again is safe, as it is for the others.
            FilesUnavailable: they cannot be put where they belong.
            WriterUnavailable: they cannot be made.
            WriterRefused: they cannot be made of these events.
        """
        if not await shelf.due() or not self.leads:
            return False
        try:
            done = await shelf.ingest.step()
        except TakenOver:
            self.leads = False
            return False
        shelf.written += done.written
        if done.put_aside:
            shelf.lost["invalid"] += done.put_aside
        return done.taken > 0

    async def tidy(self, shelf: Shelf) -> None:
        """Delete what is too old, and join what is small.

        Raises:
            StoreUnavailable: the rest is for the next time, as it is for the others.
            FilesUnavailable: segments cannot be listed or written.
            WriterUnavailable: they cannot be joined.
        """
        cursor: Cursor = await shelf.stream.cursor()
        done = await shelf.tidying.step(cursor, self._clock.unix_ns() // 1_000_000)
        shelf.removed.update(covered=done.covered, expired=done.expired)
        if done.expired:
            _log.info("the call log's retention deleted %d files", done.expired)

    async def _lead(self) -> None:
        while True:
            try:
                await self.hold()
            except StoreUnavailable as error:
                self._tell("the call log cannot be written", error)
            await asyncio.sleep(HOLD_S)

    async def _write(self, shelf: Shelf) -> None:
        pause_s = LOOK_S
        while True:
            try:
                more = await self.write(shelf)
                pause_s = LOOK_S if self.leads else HOLD_S
            except (StoreUnavailable, FilesUnavailable, WriterUnavailable, WriterRefused) as error:
                self._tell("segments of the call log cannot be written; its events wait in the store", error)
                more, pause_s = False, min(2 * pause_s, _AGAIN_MOST_S)
            if not more:
                await asyncio.sleep(pause_s)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                for shelf in self._shelves:
                    if self.leads:
                        await self.tidy(shelf)
            except (StoreUnavailable, FilesUnavailable, WriterUnavailable) as error:
                self._tell("segments of the call log cannot be looked after", error)

    def _tell(self, what: str, error: Exception) -> None:
        """Say it once in a while: a disk that is full stays full for long."""
        now = self._clock.monotonic_ns()
        if now - self._told_ns.get(what, -_TELL_NS) >= _TELL_NS:
            self._told_ns[what] = now
            _log.error("%s: %s", what, error)
