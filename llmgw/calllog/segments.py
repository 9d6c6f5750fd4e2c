"""The names of segments: they alone say which of them a reader takes, so that no list of them has to be kept."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_NAME: Final = re.compile(
    r"(?P<dataset>[a-z][a-z_]{0,31})/date=(?P<date>\d{4}-\d\d-\d\d)/hour=(?P<hour>\d\d)/"
    r"(?P<origin>[0-9a-f]{16})_(?P<first>\d{1,16}-\d{1,16})_(?P<last>\d{1,16}-\d{1,16})\.parquet",
    re.ASCII,
)


class Place(NamedTuple):
    """Where a batch of events stands in its stream."""

    ms: int
    number: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Read what `str` writes.

        Raises:
            ValueError: it is no place.
        """
        ms, _, number = text.partition("-")
        return cls(int(ms), int(number))


class Cursor(NamedTuple):
    """How far a stream is in segments: all up to `place`, of the stream that was begun as `origin`."""

    origin: str
    place: Place


class Segment(NamedTuple):
    """One file: the events of one hour in a range of a stream. `partition` is as `date=2026-11-27/hour=13`, UTC."""

    dataset: str
    partition: str
    origin: str
    first: Place
    last: Place

    @property
    def name(self) -> str:
        """Its path below the log's place."""
        return f"{self.dataset}/{self.partition}/{self.origin}_{self.first}_{self.last}.parquet"

    @classmethod
    def read(cls, name: str) -> "Segment | None":
        """Read a path; None for what is no segment."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        first, last = Place.read(found["first"]), Place.read(found["last"])
        if first > last:
            return None
        partition = f"date={found['date']}/hour={found['hour']}"
        return cls(found["dataset"], partition, found["origin"], first, last)


def visible(segments: Iterable[Segment], cursor: Cursor | None = None) -> list[Segment]:
    """The segments that hold each event once, in order; give the cursor that was read before they were listed.

    Left out is what ends after the cursor, for those events are read from the stream; and then each whose range
    lies within that of another of the same partition: of that one it was made, and will be deleted.
    """
    taken: list[Segment] = []
    for each in sorted(segments, key=_covering_first):
        if cursor is not None and each.origin == cursor.origin and each.last > cursor.place:
            continue
        before = taken[-1] if taken else None
        if before is not None and before[:3] == each[:3] and each.last <= before.last:
            continue
        taken.append(each)
    return taken


def covered(segments: Iterable[Segment]) -> list[Segment]:
    """The segments whose events are all in another one, too."""
    every = set(segments)
    return sorted(every.difference(visible(every)))


def _covering_first(segment: Segment) -> tuple[str, str, str, Place, tuple[int, int]]:
    last = segment.last
    return segment.dataset, segment.partition, segment.origin, segment.first, (-last.ms, -last.number)
