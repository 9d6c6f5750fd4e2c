"""A worker's end of a dataset: events wait in memory for a moment, then go to the stream many at a time."""

import asyncio
import logging
import secrets
from collections import Counter, deque
from typing import Final

import msgspec
from msgspec import Struct

from llmgw.calllog.stream import Bounds, Depth, Stream
from llmgw.types.clock import Clock

_log = logging.getLogger(__name__)

GATHER_S: Final = 0.1
"""How long the first event waits for others to go with."""
BATCH_ROWS: Final = 1000
BATCH_BYTES: Final = 256 * 1024
"""Most of a batch, unless one event alone is more."""
QUEUE_ROWS: Final = 20_000
QUEUE_BYTES: Final = 32 * 1024 * 1024
"""Most that waits in a worker for a store that is away."""
MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
_AGAIN_S: Final = 0.5
_AGAIN_MOST_S: Final = 5.0
_TELL_NS: Final = 60_000_000_000
_NOTHING: Final = Depth(0, 0, 0, "")


class Outlet:
    """Takes one dataset's events; `put` neither waits nor fails, and what is lost is counted by why.

    Used from one thread.
    """

    def __init__(self, stream: Stream, bounds: Bounds, lost: Counter[str], clock: Clock) -> None:
        self.depth = _NOTHING
        """What waited in the stream when it was last heard of."""
        self.stored = 0
        """Events that this worker brought to the stream."""
        self._stream = stream
        self._bounds = bounds
        self._lost = lost
        self._clock = clock
        self._encoder = msgspec.json.Encoder()
        self._sender = secrets.token_hex(8)
        self._sequence = 0
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._sending: tuple[int, bytes] | None = None
        self._away = False
        self._told: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that are on no stream yet."""
        return len(self._queue) + (self._sending[0] if self._sending else 0)

    def put(self, event: Struct) -> None:
        """Take an event."""
        try:
            line = self._encoder.encode(event)
        except Exception:  # noqa: BLE001  # whatever it is, no call fails for it
            self._lose("invalid", 1)
            return
        size, queue = len(line), self._queue
        if size > MAX_EVENT_BYTES:
            self._lose("size", 1)
            return
        if len(queue) >= QUEUE_ROWS or self._bytes + size > QUEUE_BYTES:
            if not self._bounds.drop_oldest:
                self._lose(self._why(), 1)
                return
            while queue and (len(queue) >= QUEUE_ROWS or self._bytes + size > QUEUE_BYTES):
                self._bytes -= len(queue.popleft())
                self._lose(self._why(), 1)
        if not queue:
            self._wake.set()
        queue.append(line)
        self._bytes += size

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self, timeout_s: float) -> None:
        """Send what waits, for at most so long, and stop; what is left then is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(timeout_s):
                while self._queue or self._sending:
                    await self._send()
        except Exception:  # noqa: BLE001  # a worker that stops has no other try
            self._lose("store", self.waiting)
            self._queue.clear()
            self._bytes, self._sending = 0, None

    async def _run(self) -> None:
        pause_s = _AGAIN_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(GATHER_S)
            while self._queue or self._sending:
                try:
                    await self._send()
                except Exception:  # noqa: BLE001  # whatever it was, the same is tried again
                    self._away = True
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _AGAIN_MOST_S)
                else:
                    self._away, pause_s = False, _AGAIN_S

    async def _send(self) -> None:
        """Send a batch, or the one again of which nothing was heard."""
        if self._sending is None:
            self._sending = self._batch()
            self._sequence += 1
        rows, _ = self._sending
        added, dropped, self.depth = await self._stream.append(
            self._sender, self._sequence, self._sending, self._bounds, self._sender
        )
        self._sending = None
        if added:
            self.stored += rows
        if dropped:
            self._lose(self.depth.halted or "full", dropped)

    def _batch(self) -> tuple[int, bytes]:
        queue = self._queue
        if len(queue) <= BATCH_ROWS and self._bytes <= BATCH_BYTES:
            # All there is, as nearly always.
            lines = list(queue)
            queue.clear()
            self._bytes = 0
            return len(lines), b"\n".join(lines)
        lines, size = [], 0
        while queue and len(lines) < BATCH_ROWS and (size == 0 or size + len(queue[0]) <= BATCH_BYTES):
            line = queue.popleft()
            size += len(line)
            lines.append(line)
        self._bytes -= size
        return len(lines), b"\n".join(lines)

    def _why(self) -> str:
        return "store" if self._away else "full"

    def _lose(self, reason: str, rows: int) -> None:
        self._lost[reason] += rows
        now = self._clock.monotonic_ns()
        if rows and now - self._told.get(reason, -_TELL_NS) >= _TELL_NS:
            # One line now and then: the count says how many.
            self._told[reason] = now
            _log.error("events of the call log are lost: %s", _WORDS[reason])


_WORDS: Final = {
    "full": "more of them come than are written to segments",
    "disk": "segments cannot be written to the directory of the log",
    "store": "the store, or the object store of the log, is away",
    "size": "one is too large",
    "invalid": "one cannot be written down",
}
