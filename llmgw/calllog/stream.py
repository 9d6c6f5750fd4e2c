"""The events of one dataset on their way to segments: a stream in the store, bounded, shared by all workers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from llmgw.calllog import scripts
from llmgw.calllog.segments import Cursor, Place
from llmgw.state.connection import Argument, State

SENT_KEPT_MS: Final = 86_400_000
"""For how long a batch that is sent again is known."""
PAGE_BYTES: Final = 1024 * 1024
"""What is read of a stream in one step, about: more would keep the store from others."""
MOST_KNOWN: Final = 16 * 1024 * 1024
"""Bytes of what was read up to which a worker keeps it for the next question."""
KNOWN_S: Final = 60.0
"""Seconds for which it does."""
_MOST: Final = 1 << 53


class Bounds(NamedTuple):
    """What may wait in a stream, in rows and bytes; None is no bound.

    With `drop_oldest` a new batch takes the place of old ones, else it is dropped.
    """

    rows: int | None
    size: int | None
    drop_oldest: bool


class Depth(NamedTuple):
    """What waits in a stream: for how long its oldest event has, and what keeps it from being written, if known."""

    rows: int
    size: int
    behind_ms: int
    halted: str


class Batch(NamedTuple):
    """Events as JSON lines, in the stream together."""

    place: Place
    rows: int
    size: int
    lines: bytes


class Claim(NamedTuple):
    """A worker's right to write segments until another takes it."""

    fence: int
    origin: str
    draft: bool
    """Whether one before has begun to."""


class Live(NamedTuple):
    """The events that are not in segments up to the cursor, as JSON lines."""

    cursor: Cursor
    lines: list[bytes]


class _Page(NamedTuple):
    """One step of reading: batches behind a place, and how the stream was at that moment.

    `length` are its batches, `there` tells whether the one at the place is among them, and `full` that there may be
    more to read.
    """

    cursor: Cursor
    length: int
    there: bool
    places: list[Place]
    lines: list[bytes]
    full: bool


class _Read(NamedTuple):
    """What was read of a stream, batch by batch."""

    cursor: Cursor
    places: list[Place]
    lines: list[bytes]


class TakenOver(Exception):
    """Another worker writes the segments now."""


class Stream:
    """One dataset's stream; each method but `live` is one step in the store."""

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._known: _Read | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        slot = f"llmgw:{{calllog:{name}}}"
        self._stream, self._meta, self._sent = f"{slot}:stream", f"{slot}:meta", f"{slot}:sent"

    async def append(
        self, sender: str, sequence: int, batch: tuple[int, bytes], bounds: Bounds, origin: str
    ) -> tuple[bool, int, Depth]:
        """Add a batch of rows and lines, once however often it is sent.

        Returns whether it was added, how many rows were dropped, its own or older ones, and what waits. A sender's
        sequence begins at 1 and grows; `origin` names the stream if it is a new one.

        Raises:
            StoreUnavailable: it is not known whether it was; the same again is safe.
        """
        rows, lines = batch
        limits = [_MOST if each is None else each for each in bounds[:2]]
        added, dropped, *depth = await self._state.script(
            scripts.APPEND,
            [self._stream, self._meta, f"{self._sent}:{sender}"],
            [sequence, SENT_KEPT_MS, rows, len(lines), *limits, int(bounds.drop_oldest), origin, lines],
        )
        return bool(added), dropped, _depth(depth)

    async def look(self) -> tuple[Depth, bool]:
        """How much waits, and whether some of it is a draft.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        *depth, draft = await self._state.script(scripts.LOOK, [self._meta])
        return _depth(depth), bool(draft)

    async def claim(self, origin: str) -> Claim:
        """Become the one that writes segments; `origin` names the stream if it is a new one.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        fence, known, draft = await self._state.script(scripts.CLAIM, [self._meta], [origin])
        return Claim(fence, known.decode(), bool(draft))

    async def drafted(self, fence: int, after: Place) -> list[Batch]:
        """Read on in the draft that there is; nothing at its end.

        Raises:
            TakenOver: another worker has claimed.
            StoreUnavailable: the store cannot be asked.
        """
        return await self._take(fence, str(after))

    async def extend(self, fence: int) -> list[Batch]:
        """Read on behind the draft, which that becomes a part of; nothing at the end of the stream.

        Raises:
            TakenOver: another worker has claimed.
            StoreUnavailable: it is not known how far the draft is.
        """
        return await self._take(fence, "")

    async def finish(self, fence: int, last: Place, rows: int, size: int) -> None:
        """Take away the draft, which is in segments: rows and bytes up to `last`.

        Raises:
            TakenOver: another worker has claimed, or it was done before.
            StoreUnavailable: it is not known whether it was done.
        """
        arguments: list[Argument] = [fence, str(last), rows, size]
        if not await self._state.script(scripts.FINISH, [self._stream, self._meta], arguments):
            raise TakenOver

    async def halt(self, fence: int, reason: str) -> None:
        """Note why no segment can be written.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        await self._state.script(scripts.HALT, [self._meta], [fence, reason])

    async def join(self, fence: int, name: str) -> None:
        """Note which segment is about to be made of others; "" for none.

        Raises:
            TakenOver: another worker has claimed.
            StoreUnavailable: it is not known whether it is noted.
        """
        if not await self._state.script(scripts.JOIN, [self._meta], [fence, name]):
            raise TakenOver

    async def cursor(self) -> tuple[Cursor, str]:
        """How far segments are, and the name of one that somebody began to make of others.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        found = await self._state.hash_fields(self._meta, "origin", "cursor", "joining")
        origin, place, joining = (each.decode() if each else "" for each in found)
        return Cursor(origin, Place.read(place or "0-0")), joining

    async def live(self) -> Live:
        """Read what is not yet in segments; list those afterwards, and take the ones that `visible` says.

        Of what was read before, and is still there, nothing is read again.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        known = self._known
        found = await self._further(known) if known is not None and known.lines else None
        while found is None:
            found = await self._whole()
        self._remember(found)
        return Live(found.cursor, list(found.lines))

    async def _further(self, known: _Read) -> _Read | None:
        """Read on behind what is known; None where the stream begins otherwise, or there is much more."""
        page = await self._page(known.places[-1])
        kept = [at for at, place in enumerate(known.places) if place > page.cursor.place]
        if (
            page.cursor.origin != known.cursor.origin
            or page.full
            # Some were dropped; or the store lost its end, and has another one since.
            or len(kept) + len(page.lines) != page.length
            or (kept and not page.there)
        ):
            return None
        places = [*(known.places[at] for at in kept), *page.places]
        return _Read(page.cursor, places, [*(known.lines[at] for at in kept), *page.lines])

    async def _whole(self) -> _Read | None:
        """Read from the cursor on; None where segments were written of what was to be read next."""
        page = await self._page(None)
        read = _Read(page.cursor, [*page.places], [*page.lines])
        while page.full:
            after = read.places[-1]
            page = await self._page(after)
            if page.cursor.origin != read.cursor.origin or page.cursor.place > after:
                return None
            read.places.extend(page.places)
            read.lines.extend(page.lines)
        return read

    async def _page(self, after: Place | None) -> _Page:
        arguments: list[Argument] = ["" if after is None else str(after), PAGE_BYTES]
        origin, place, length, there, *found = await self._state.script(
            scripts.LIVE, [self._stream, self._meta], arguments
        )
        lines = found[1::2]
        return _Page(
            cursor=Cursor(origin.decode(), Place.read(place.decode())),
            length=int(length),
            there=bool(there),
            places=[Place.read(each.decode()) for each in found[::2]],
            lines=lines,
            full=sum(map(len, lines)) >= PAGE_BYTES,
        )

    def _remember(self, read: _Read) -> None:
        """Keep what was read for the next question, for a while, and not too much."""
        self._known = read if sum(map(len, read.lines)) <= MOST_KNOWN else None
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(KNOWN_S, self._forget)

    def _forget(self) -> None:
        self._known = None

    async def _take(self, fence: int, after: str) -> list[Batch]:
        found = await self._state.script(scripts.TAKE, [self._stream, self._meta], [fence, after, PAGE_BYTES])
        if found is None:
            raise TakenOver
        return [
            Batch(Place.read(place.decode()), int(rows), int(size), lines)
            for place, rows, size, lines in zip(*[iter(found)] * 4, strict=True)
        ]


def _depth(values: Sequence[Any]) -> Depth:
    rows, size, behind_ms, halted = values
    return Depth(int(rows), int(size), int(behind_ms), halted.decode())
