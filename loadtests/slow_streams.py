"""Many slow streams at once: whether any of their pieces comes late, and whose fault that is.

The upstream sends a piece every 250 ms on each of them. A stall is a piece that comes more than 50 ms later than it
should, seen from the one before it, or from the request. The upstream asked directly shows which stalls are the
machine's and the load generator's own.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from loadtests.accounting import cpu_s, family_of, usage_of
from loadtests.generator import Lane, Shot
from loadtests.scenarios import Scenario
from loadtests.subjects import Static, Subject
from loadtests.tables import drawn, number
from loadtests.upstream_wire import MARKER

NAME: Final = "slow-streams"
STREAMS: Final = 500
CHUNKS: Final = 24
GAP_S: Final = 0.25
RAMP_S: Final = 2.5
"""In which they begin, evenly, so that all of them run for the time after it."""
LATE_S: Final = 0.05
SCENARIO: Final = Scenario(
    name=NAME,
    title=f"{STREAMS} streams at once of {CHUNKS} chunks, {GAP_S * 1e3:.0f} ms apart",
    model=f"static-{CHUNKS}x{GAP_S * 1e3:.0f}ms",
    chunks=CHUNKS,
)
_GRACE_S: Final = 60.0


class Slow(Struct, kw_only=True):
    """What one server's streams were like; seconds."""

    name: str
    streams: int = 0
    chunks: int = 0
    stalls: int = 0
    longest_s: float = 0.0
    """The longest that a piece was late."""
    server_s: float = 0.0
    driver_s: float = 0.0
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)


class Watched(Lane):
    """A stream whose pieces are timed."""

    def __init__(self, shot: Shot, slow: Slow, done: asyncio.Event) -> None:
        super().__init__(shot, self._over)
        self._slow = slow
        self._ended = done
        self._due = 0.0

    def begin(self) -> None:
        """Ask."""
        self._due = time.monotonic()
        self.fire(self._due)

    def data_received(self, data: bytes) -> None:
        """Look at the clock, then read on."""
        pieces = data.count(MARKER)
        if pieces:
            now = time.monotonic()
            late = now - self._due
            self._slow.chunks += pieces
            self._slow.longest_s = max(self._slow.longest_s, late)
            self._slow.stalls += late > LATE_S
            self._due = now + GAP_S
        super().data_received(data)

    def _over(self, lane: Lane, error: str | None) -> None:
        del lane
        self._slow.streams += 1
        if error is not None:
            self._slow.errors[error] += 1
        if self._slow.streams == STREAMS:
            self._ended.set()


async def measure(upstream: Static, subjects: Mapping[str, Subject]) -> list[Slow]:
    """Have every server carry all streams, one server after the other; they go by the names given to them."""
    return [await _carried(upstream, name, subject) for name, subject in subjects.items()]


async def _carried(upstream: Static, name: str, subject: Subject) -> Slow:
    loop = asyncio.get_running_loop()
    shot = await subject.source(SCENARIO, STREAMS)
    slow, ended = Slow(name=name), asyncio.Event()
    lanes: list[Watched] = []
    try:
        for _ in range(STREAMS):
            _, lane = await loop.create_connection(
                lambda: Watched(shot, slow, ended),  # type: ignore[arg-type]  # it has no conversations
                "127.0.0.1",
                subject.port,
            )
            lanes.append(lane)
        family, drivers = family_of(subject.pid), (os.getpid(), upstream.pid)
        before, driver_before, began = usage_of(family), cpu_s(drivers), time.monotonic()
        for place, lane in enumerate(lanes):
            # Beginning all at once would be a rush of calls, which other scenarios measure.
            loop.call_later(RAMP_S * place / STREAMS, lane.begin)
        async with asyncio.timeout(RAMP_S + CHUNKS * GAP_S + _GRACE_S):
            await ended.wait()
    except TimeoutError:
        slow.errors["not ended"] += STREAMS - slow.streams
    except OSError:
        slow.errors["no connection"] += 1
        return slow
    finally:
        for lane in lanes:
            lane.close()
    slow.seconds = time.monotonic() - began
    slow.server_s = usage_of(family).since(before).members_s
    slow.driver_s = cpu_s(drivers) - driver_before
    subject.forget_log()
    return slow


def table(found: Sequence[Slow]) -> str:
    """Draw what was measured."""
    lines: list[tuple[str, ...]] = [
        ("", "streams", "chunks", "stalls", "latest ms", "CPU µs per chunk", "driver busy", "errors")
    ]
    for slow in found:
        errors = "; ".join(f"{reason} x{count}" for reason, count in slow.errors.most_common(3))
        if errors or not slow.chunks:
            lines.append((slow.name, *["-"] * 6, errors or "no answers"))
            continue
        cells = [number(slow.streams), number(slow.chunks), str(slow.stalls), f"{1e3 * slow.longest_s:.0f}"]
        cells += [f"{1e6 * slow.server_s / slow.chunks:.0f}", f"{slow.driver_s / slow.seconds:.0%}"]
        lines.append((slow.name, *cells, "0"))
    return drawn(f"{NAME}: {SCENARIO.title}", lines)
