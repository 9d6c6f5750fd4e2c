"""Counters and histograms that add up in plain Python, for a fraction of what the SDK's instruments cost.

One of those takes 5 µs to find its series by a dictionary of attributes, and a call with a context is measured a
dozen times. Here a series is found by a tuple of words in a fraction of a microsecond. What is sent is what the SDK
would send: sums and histograms that only grow, from the process's start.

Words come from outside, so their number is bounded: the two hundred and first value of a label, and all of a series
too many, are `other`.
"""

import logging
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct
from opentelemetry.sdk.metrics import Exemplar as ExemplarData
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.export import Gauge as GaugeData
from opentelemetry.sdk.metrics.export import Histogram as HistogramData

from llmgw.telemetry.points import Exemplar, Labels, Point, Seen

OTHER: Final = "other"
MAX_VALUES: Final = 200
"""Different values of one label."""
MAX_SERIES: Final = 2000
"""Different combinations of one instrument."""

_log: Final = logging.getLogger(__name__)

_GROWING: Final = AggregationTemporality.CUMULATIVE

S = TypeVar("S")

Remembered: TypeAlias = tuple[Seen, float]
"""A call whose trace is kept, and what it added or measured."""
Shown: TypeAlias = float | Mapping[Labels, float]
"""What is read of an instrument that others keep: one value, or those of several series."""


class Definition(Struct, frozen=True, kw_only=True):
    """One metric: what it is called, what it means, in which unit (UCUM), told apart by which labels.

    `bounds` are the upper ends of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    per: int = 1
    """What is counted by what is told: nano-USD in a US dollar."""


class _Instrument(Generic[S]):
    """Series by their labels; `start` is the unix nanosecond from which they grow."""

    def __init__(self, definition: Definition, start: int) -> None:
        self.definition = definition
        self._start = start
        self._series: dict[Labels, S] = {}
        self._values: tuple[set[str], ...] = tuple(set() for _ in definition.labels)

    def _admitted(self, labels: Labels) -> Labels:
        """The labels under which to count: those given, or `other` for values there are too many of."""
        words = tuple(map(self._word, self._values, labels))
        if words not in self._series and len(self._series) >= MAX_SERIES:
            return (OTHER,) * len(labels)
        for values, word in zip(self._values, words, strict=True):
            values.add(word)
        return words

    @staticmethod
    def _word(values: set[str], word: str) -> str:
        return word if word in values or not word or len(values) < MAX_VALUES else OTHER

    def _attributes(self, labels: Labels) -> dict[str, str]:
        return {name: word for name, word in zip(self.definition.labels, labels, strict=True) if word}

    def _metric(self, data: Sum | HistogramData) -> Metric:
        definition = self.definition
        return Metric(
            name=definition.name, description=definition.description, unit=definition.unit, data=data
        )


class Counter(_Instrument[int]):
    """Counts; whoever calls from several threads holds a lock."""

    def __init__(self, definition: Definition, start: int) -> None:
        super().__init__(definition, start)
        self._remembered: dict[Labels, Remembered] = {}

    def add(self, labels: Labels, amount: int = 1, seen: Seen | None = None) -> None:
        """Count on, for a call that is `seen` where its trace is kept."""
        series = self._series
        if labels in series:
            series[labels] += amount
        else:
            labels = self._admitted(labels)
            series[labels] = series.get(labels, 0) + amount
        if seen is not None:
            self._remembered[labels] = seen, amount / self.definition.per

    def total(self, labels: Labels) -> int:
        """What was counted so far."""
        return self._series.get(labels, 0)

    def points(self) -> list[Point]:
        """All series as they stand."""
        per = self.definition.per
        return [
            Point(
                labels,
                value if per == 1 else value / per,
                exemplars=(_told(self._remembered[labels]),) if labels in self._remembered else (),
            )
            for labels, value in self._series.items()
        ]

    def metric(self, now: int) -> Metric | None:
        """All series as they stand at the unix nanosecond `now`; None where nothing was counted."""
        if not self._series:
            return None
        per = self.definition.per
        points = [
            NumberDataPoint(
                self._attributes(labels),
                self._start,
                now,
                value if per == 1 else value / per,
                exemplars=_exported([self._remembered.get(labels)]),
            )
            for labels, value in self._series.items()
        ]
        return self._metric(Sum(points, _GROWING, is_monotonic=True))


class Watched:
    """Asks for what it shows whenever there is a report, from the reporting thread.

    A value that is infinite or no number is left out, and so is everything while it cannot be read. Of more than
    `MAX_VALUES` series those that come last are one, `other`: of a gauge the greatest of them, else their sum. A
    count of nothing is shown to who scrapes it, so that its first increase is seen as one, and is not sent.
    """

    def __init__(self, definition: Definition, read: Callable[[], Shown], start: int = 0) -> None:
        self.definition = definition
        self._read = read
        self._start = start
        self._failing = False

    def points(self) -> list[Point]:
        """What there is to show now."""
        try:
            shown = self._read()
        except Exception:  # noqa: BLE001  # logged; what cannot be read must not keep the rest from being shown
            if not self._failing:
                _log.exception("%s cannot be read", self.definition.name)
            self._failing = True
            return []
        self._failing = False
        each = shown.items() if isinstance(shown, Mapping) else [((), shown)]
        found = [Point(labels, value) for labels, value in each if math.isfinite(value)]
        if len(found) <= MAX_VALUES:
            return found
        rest = [point.value for point in found[MAX_VALUES:]]
        value = max(rest) if self.definition.kind == "gauge" else math.fsum(rest)
        return [*found[:MAX_VALUES], Point((OTHER,) * len(self.definition.labels), value)]

    def metric(self, now: int) -> Metric | None:
        """What there is to show at the unix nanosecond `now`; None where there is nothing."""
        definition, gauge = self.definition, self.definition.kind == "gauge"
        points = [
            NumberDataPoint(
                {name: word for name, word in zip(definition.labels, point.labels, strict=True) if word},
                None if gauge else self._start,  # type: ignore[arg-type]  # a moment has no start
                now,
                point.value,
            )
            for point in self.points()
            if gauge or point.value
        ]
        if not points:
            return None
        return Metric(
            name=definition.name,
            description=definition.description,
            unit=definition.unit,
            data=GaugeData(points) if gauge else Sum(points, _GROWING, is_monotonic=True),
        )


class _Distribution:
    __slots__ = ("counts", "greatest", "least", "remembered", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.remembered: list[Remembered | None] | None = None
        self.total = 0.0
        self.least = float("inf")
        self.greatest = float("-inf")


class Histogram(_Instrument[_Distribution]):
    """Measures; whoever calls from several threads holds a lock."""

    def __init__(self, definition: Definition, start: int) -> None:
        super().__init__(definition, start)
        self._bounds = definition.bounds

    def record(self, labels: Labels, value: float, seen: Seen | None = None) -> None:
        """Measure once more, of a call that is `seen` where its trace is kept."""
        series = self._of(labels)
        bucket = bisect_left(self._bounds, value)
        series.counts[bucket] += 1
        series.total += value
        if value < series.least:  # noqa: PLR1730  # twice as fast as min
            series.least = value
        if value > series.greatest:  # noqa: PLR1730  # twice as fast as max
            series.greatest = value
        if seen is not None:
            if series.remembered is None:
                series.remembered = [None] * len(series.counts)
            series.remembered[bucket] = seen, value

    def record_all(self, labels: Labels, values: Sequence[float]) -> None:
        """Measure as many times, as `record` would."""
        if not values:
            return
        series = self._of(labels)
        counts, bounds, ordered = series.counts, self._bounds, sorted(values)
        series.total += sum(values)
        series.least = min(series.least, ordered[0])
        series.greatest = max(series.greatest, ordered[-1])
        place, end = 0, len(ordered)
        # They lie in few buckets: one step for each of these, not for each value.
        while place < end:
            bucket = bisect_left(bounds, ordered[place])
            following = end if bucket == len(bounds) else bisect_right(ordered, bounds[bucket], place)
            counts[bucket] += following - place
            place = following

    def _of(self, labels: Labels) -> _Distribution:
        series = self._series.get(labels)
        if series is None:
            series = self._series.setdefault(self._admitted(labels), _Distribution(len(self._bounds) + 1))
        return series

    def points(self) -> list[Point]:
        """All series as they stand."""
        return [
            Point(
                labels,
                series.total,
                tuple(series.counts),
                () if series.remembered is None else tuple(map(_told, series.remembered)),
            )
            for labels, series in self._series.items()
        ]

    def metric(self, now: int) -> Metric | None:
        """All series as they stand at the unix nanosecond `now`; None where nothing was measured."""
        if not self._series:
            return None
        points = [
            HistogramDataPoint(
                attributes=self._attributes(labels),
                start_time_unix_nano=self._start,
                time_unix_nano=now,
                count=sum(series.counts),
                sum=series.total,
                bucket_counts=tuple(series.counts),
                explicit_bounds=self.definition.bounds,
                min=series.least,
                max=series.greatest,
                exemplars=_exported(series.remembered or ()),
            )
            for labels, series in self._series.items()
        ]
        return self._metric(HistogramData(points, _GROWING))


def _told(remembered: Remembered | None) -> Exemplar | None:
    """A call that is remembered, as another worker can be told of it."""
    if remembered is None:
        return None
    seen, value = remembered
    return Exemplar(f"{seen.trace_id:032x}", value, seen.unix_ns)


def _exported(remembered: Iterable[Remembered | None]) -> list[ExemplarData]:
    """Calls that are remembered, as the collector is told of them."""
    return [
        ExemplarData({}, value, seen.unix_ns, seen.span_id, seen.trace_id)
        for seen, value in filter(None, remembered)
    ]
