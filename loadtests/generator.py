"""The load: prebuilt requests over kept connections, every answer checked to be whole.

*Closed loop*: each connection sends its next request when the last one is answered; it finds the most that a
server can do. *Paced*: requests leave at fixed moments whatever the server does, and a request's time counts from
the moment it was due, so that a stall is felt by all it delayed.
"""

import asyncio
import gc
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from msgspec import Struct, field

from loadtests.metronome import Metronome

LANES = 32
PACED_LANES = 128
LONGEST_S = 15.0
"""How long a window may become for a server that is so slow that there is nothing to be counted."""
DRAIN_S = 30.0
"""How long answers that are still owed at the end may take before they count as errors."""

_CHUNKED = -1
_CODE = re.compile(rb'"code": ?"(\w{1,60})"')


class Shot(Struct, frozen=True, kw_only=True):
    """A request's bytes, and what its answer must hold: `marker` so many times, `ending` last."""

    payload: bytes
    marker: bytes
    markers: int
    ending: bytes


class Source(Protocol):
    """Requests of which each may be under way once at a time; what is taken has a `shot`."""

    def __len__(self) -> int:
        """How many can be taken."""
        ...

    def take(self) -> Any:
        """Hand one out."""
        ...

    def give(self, taken: Any, /) -> None:
        """Have it back after its answer."""
        ...


class Tally(Struct, kw_only=True):
    """What was measured; times are seconds, of the requests that began within the measured window."""

    seconds: float = 0.0
    completed: int = 0
    """Answers that came to their end within the window, whenever they began."""
    in_all: int = 0
    """Answers before, in and after the window."""
    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    """Until the first content."""
    events: int = 0
    """Server-sent events in all answers whose latencies are listed."""
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count another window as part of this one."""
        self.seconds += other.seconds
        self.completed += other.completed
        self.in_all += other.in_all
        self.latencies += other.latencies
        self.first += other.first
        self.events += other.events
        self.errors += other.errors


_NOTHING = Shot(payload=b"", marker=b"", markers=0, ending=b"")


class Lane(asyncio.Protocol):
    """One kept connection with at most one request on it."""

    def __init__(self, shot: Shot, done: Callable[["Lane", str | None], None]) -> None:
        self.since = 0.0
        self.first_at = 0.0
        self.events = 0
        self.busy = False
        self.shot = shot
        self.taken: Any = None
        self._done = done
        self._status = b""
        self._left: int | None = None  # bytes of the body still owed; None until the head is read
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._open = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._open = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # lost is lost
        """A request that was under way has failed, and the lane is of no more use."""
        self._open = False
        if self.busy:
            self.busy = False
            self._done(self, "connection lost")

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        return self._open and not self._transport.is_closing()

    def fire(self, since: float) -> None:
        """Send the request; its time counts from `since`."""
        self.since = since
        self.first_at = 0.0
        self.busy = True
        self._left = None
        self._pieces.clear()
        self._transport.write(self.shot.payload)

    def close(self) -> None:
        """Drop the connection."""
        self.busy = False
        if self._open:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; at the answer's end, judge it."""
        if not self.first_at and self.shot.marker in data:
            self.first_at = time.monotonic()
        try:
            if not self.busy or not self._feed(data):
                if not self.busy:
                    self.close()
                return
            error = self._judge()
        except ValueError:
            self.close()
            error = "garbled answer"
        self.busy = False
        self._done(self, error)

    def _feed(self, data: bytes) -> bool:
        """Take bytes; say whether the answer is whole."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._left is None:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return False
            self._left = self._head(data[: end + 2].lower())
            data = data[end + 4 :]
        if self._left == _CHUNKED:
            return self._chunks(data)
        self._pieces.append(data)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError
        return self._left == 0

    def _head(self, head: bytes) -> int:
        self._status = head[9:12]
        at = head.find(b"\r\ncontent-length: ")
        if at >= 0:
            return int(head[at + 18 : head.find(b"\r\n", at + 2)])
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            return _CHUNKED
        raise ValueError

    def _chunks(self, data: bytes) -> bool:
        position = 0
        while True:
            line = data.find(b"\r\n", position)
            if line < 0:
                break
            size = int(data[position:line], 16)
            stop = line + 2 + size
            if len(data) < stop + 2:
                break
            if size == 0:
                return True
            self._pieces.append(data[line + 2 : stop])
            position = stop + 2
        self._buffer = data[position:]
        return False

    def _judge(self) -> str | None:
        if self._status != b"200":
            code = _CODE.search(b"".join(self._pieces))
            return f"status {self._status.decode('latin-1')}{f' {code[1].decode()}' if code else ''}"
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        shot = self.shot
        if body.count(shot.marker) != shot.markers or not body.endswith(shot.ending):
            return "not the whole answer"
        self.events = body.count(b"data: ")
        return None


class Load:
    """One run of load against one port: the same request again and again, or one that a source hands out.

    `rate` is requests per second, or None for a closed loop of `lanes` connections. `edge` is called at the
    beginning and at the end of the measured window.
    """

    def __init__(
        self,
        port: int,
        shot: Shot | Source,
        *,
        rate: float | None,
        edge: Callable[[], None],
        lanes: int = LANES,
    ) -> None:
        self._port = port
        self._source = None if isinstance(shot, Shot) else shot
        self._shot = shot if isinstance(shot, Shot) else _NOTHING
        self._rate = rate
        self._many = lanes if rate is None else PACED_LANES
        self._edge = edge
        self._tally = Tally()
        self._completed = 0
        self._window = (float("inf"), float("inf"))
        self._stopping = False
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._due: deque[float] = deque()
        self._quiet = asyncio.Event()

    async def run(self, warm_s: float, measure_s: float) -> Tally:
        """Load for `warm_s`, then measure for `measure_s`, or for as long as it takes to have a few answers.

        Raises:
            OSError: nobody listens on the port.
        """
        loop = asyncio.get_running_loop()
        for _ in range(self._many if self._source is None else min(self._many, len(self._source))):
            _, lane = await loop.create_connection(
                lambda: Lane(self._shot, self._answered), "127.0.0.1", self._port
            )
            self._lanes.append(lane)
        gc.collect()
        gc.disable()
        try:
            if self._rate is None:
                for lane in self._lanes:
                    self._fire(lane, time.monotonic())
                await self._measure(warm_s, measure_s)
            else:
                self._idle = list(self._lanes)
                with Metronome(self._rate, self._beat):
                    await self._measure(warm_s, measure_s)
            await self._drain()
        finally:
            gc.enable()
            for lane in self._lanes:
                lane.close()
        self._tally.in_all = self._completed
        return self._tally

    async def _measure(self, warm_s: float, measure_s: float) -> None:
        # A server that loads half of itself at its first calls is not measured doing that.
        await self._some(warm_s, 0, self._many if self._rate is None else 0)
        self._edge()
        began, before = time.monotonic(), self._completed
        self._window = (began, float("inf"))
        await self._some(measure_s, before, self._many if self._rate is None else LANES)
        self._edge()
        ended = time.monotonic()
        self._window = (began, ended)
        self._tally.seconds = ended - began
        self._tally.completed = self._completed - before
        self._stopping = True

    async def _some(self, seconds: float, before: int, answers: int) -> None:
        """Wait, as often as it takes to have so many answers more than before, within bounds."""
        for _ in range(1 + int(LONGEST_S / seconds)):
            await asyncio.sleep(seconds)
            if self._completed - before >= answers:
                return

    async def _drain(self) -> None:
        """Wait for what is still owed: leaving it out would leave out the slowest answers."""
        self._notice_quiet()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._quiet.wait()
        except TimeoutError:
            owed = len(self._due) + sum(lane.busy for lane in self._lanes)
            self._tally.errors[f"not answered {DRAIN_S:g} s after the end"] += owed

    def _beat(self, due: float) -> None:
        while self._idle:
            lane = self._idle.pop()
            if lane.usable:
                self._fire(lane, due)
                return
        self._due.append(due)

    def _fire(self, lane: Lane, since: float) -> None:
        if self._source is not None:
            lane.taken = self._source.take()
            lane.shot = lane.taken.shot
        lane.fire(since)

    def _answered(self, lane: Lane, error: str | None) -> None:
        if self._source is not None:
            self._source.give(lane.taken)
        tally = self._tally
        if error is not None:
            tally.errors[error] += 1
        else:
            self._completed += 1
            since = lane.since
            if self._window[0] <= since < self._window[1]:
                now = time.monotonic()
                tally.latencies.append(now - since)
                tally.first.append((lane.first_at or now) - since)
                tally.events += lane.events
        if lane.usable:
            if self._due:
                self._fire(lane, self._due.popleft())
            elif self._rate is not None:
                self._idle.append(lane)
            elif not self._stopping:
                self._fire(lane, time.monotonic())
        if self._stopping:
            self._notice_quiet()

    def _notice_quiet(self) -> None:
        if not self._due and not any(lane.busy for lane in self._lanes):
            self._quiet.set()
