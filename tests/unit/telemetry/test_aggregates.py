"""Counters and histograms add up as the SDK's do, and stay small whatever they are told."""

from collections import Counter as Tally
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry.aggregates import (
    MAX_SERIES,
    MAX_VALUES,
    OTHER,
    Counter,
    Definition,
    Histogram,
    Watched,
)
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.gathering import KEYS, ROWS, Gathering
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    Sum,
)

WORDS = st.sampled_from(["", "a", "b", "c"])
BOUNDS = (0.0, 0.5, 1.0, 10.0)


def definition(**members: Any) -> Definition:
    """A metric with two labels."""
    known = {
        "name": "m",
        "kind": "counter",
        "unit": "1",
        "description": "d",
        "labels": ("x", "y"),
        "bounds": BOUNDS,
    }
    return Definition(**{**known, **members})


def points(metric: Metric | None) -> dict[tuple[tuple[str, Any], ...], Any]:
    """The points of a metric by their attributes."""
    assert metric is not None
    return {tuple(sorted((point.attributes or {}).items())): point for point in metric.data.data_points}


def told(labels: tuple[str, ...]) -> dict[str, str]:
    """Labels as attributes: what does not apply is left out."""
    return {name: word for name, word in zip(("x", "y"), labels, strict=True) if word}


@given(st.lists(st.tuples(st.tuples(WORDS, WORDS), st.integers(0, 1000)), min_size=1))
def test_a_counter_adds_up_as_the_sdks(added: list[tuple[tuple[str, str], int]]) -> None:
    """Same series, same sums, monotonic and cumulative."""
    reader = InMemoryMetricReader()
    peer = MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("m", "1", "d")
    ours = Counter(definition(), 5)
    for labels, amount in added:
        ours.add(labels, amount)
        peer.add(amount, told(labels))
    metric, theirs = ours.metric(9), _only(reader)
    assert metric is not None
    assert (metric.name, metric.unit, metric.description) == (theirs.name, theirs.unit, theirs.description)
    assert {key: point.value for key, point in points(metric).items()} == {
        key: point.value for key, point in points(theirs).items()
    }
    assert isinstance(metric.data, Sum)
    assert metric.data.is_monotonic
    assert metric.data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    for point in points(metric).values():
        assert isinstance(point, NumberDataPoint)
        assert (point.start_time_unix_nano, point.time_unix_nano) == (5, 9)


@given(
    st.lists(st.tuples(st.tuples(WORDS, WORDS), st.sampled_from([*BOUNDS, 0.1, 0.75, 5, 11.0])), min_size=1)
)
def test_a_histogram_has_the_sdks_buckets(measured: list[tuple[tuple[str, str], float]]) -> None:
    """Same counts in the same buckets, bounds included; same sum, least and greatest."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("m")
    peer = meter.create_histogram("m", "1", "d", explicit_bucket_boundaries_advisory=BOUNDS)
    ours = Histogram(definition(kind="histogram"), 5)
    for labels, value in measured:
        ours.record(labels, value)
        peer.record(value, told(labels))

    def facts(point: HistogramDataPoint) -> tuple[object, ...]:
        buckets = list(point.bucket_counts), list(point.explicit_bounds)
        return point.count, pytest.approx(point.sum), *buckets, point.min, point.max

    assert {key: facts(point) for key, point in points(ours.metric(9)).items()} == {
        key: facts(point) for key, point in points(_only(reader)).items()
    }


@given(st.lists(st.sampled_from([*BOUNDS, -1.0, 0.25, 0.75, 5, 11.0])))
def test_many_values_at_once_are_as_one_by_one(measured: list[float]) -> None:
    """The same buckets, sum, least and greatest; no value makes no series."""
    one_by_one, at_once = (Histogram(definition(kind="histogram"), 5) for _ in range(2))
    for value in measured:
        one_by_one.record(("a", "b"), value)
    at_once.record_all(("a", "b"), measured)
    assert at_once.metric(9) == one_by_one.metric(9)


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, KEYS + 9)))
def test_rows_that_wait_are_all_folded_once(some: list[int], spread: list[int]) -> None:
    """Each row under its own key, in order, whether a reader asks or too many of them or of their keys wait."""
    folded: dict[int, list[int]] = {}
    gathering = Gathering[int, int](lambda key, rows: folded.setdefault(key, []).extend(rows))
    keys = [*some * ROWS, *spread]
    for number, key in enumerate(keys):
        gathering.add(key, number)
    waiting = len(keys) - sum(map(len, folded.values()))
    assert waiting <= ROWS * KEYS
    gathering.fold()
    gathering.fold()
    assert folded == {key: [n for n, each in enumerate(keys) if each == key] for key in keys}


@pytest.mark.parametrize("instrument", [Counter(definition(), 0), Histogram(definition(), 0)])
def test_nothing_is_told_of_what_never_happened(instrument: Counter | Histogram) -> None:
    """No series, no metric."""
    assert instrument.metric(1) is None


def test_a_label_has_so_many_values_and_then_others() -> None:
    """Two hundred go by their names, all later ones are `other`; those known before keep theirs."""
    counter = Counter(definition(), 0)
    for number in range(MAX_VALUES + 50):
        counter.add((str(number), "y"))
    counter.add(("0", "y"))
    found = {dict(key)["x"]: point.value for key, point in points(counter.metric(1)).items()}
    assert len(found) == MAX_VALUES + 1
    assert (found["0"], found[str(MAX_VALUES - 1)], found[OTHER]) == (2, 1, 50)


def test_series_are_bounded_and_nothing_goes_uncounted() -> None:
    """A hundred by a hundred words are ten thousand pairs: two thousand are told apart, the rest are one."""
    counter, histogram = Counter(definition(), 0), Histogram(definition(), 0)
    for x in range(100):
        for y in range(100):
            counter.add((str(x), str(y)))
            histogram.record((str(x), str(y)), 1.0)
    for metric in (counter.metric(1), histogram.metric(1)):
        assert len(points(metric)) == MAX_SERIES + 1
    others = (("x", OTHER), ("y", OTHER))
    assert points(counter.metric(1))[others].value == 100 * 100 - MAX_SERIES
    assert sum(point.count for point in points(histogram.metric(1)).values()) == 100 * 100


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=600))
def test_sums_are_right_whatever_is_asked(pairs: list[tuple[int, int]]) -> None:
    """What is merged into `other` is still counted, once."""
    counter = Counter(definition(), 0)
    for x, y in pairs:
        counter.add((str(x), str(y)))
    metric = counter.metric(1)
    assert sum(point.value for point in points(metric).values()) == len(pairs) if metric else not pairs
    by_name = Tally(str(x) for x, _ in pairs)
    for key, point in points(metric).items() if metric else ():
        word = dict(key)["x"]
        assert word == OTHER or point.value <= by_name[word]


def test_names_units_and_labels_are_as_the_conventions_ask() -> None:
    """Each name once; units in UCUM; buckets from small to great for histograms and none for counters."""
    names = [each.name for each in DEFINITIONS]
    assert len(set(names)) == len(names)
    for each in DEFINITIONS:
        assert each.name.startswith(
            ("gen_ai.client.", "gen_ai.server.", "http.server.", "llmgw.", "process.")
        )
        assert each.unit in {"s", "1", "By"} or (each.unit[0], each.unit[-1]) == ("{", "}")
        assert each.description.endswith(".")
        assert list(each.bounds) == sorted(set(each.bounds))
        assert bool(each.bounds) is (each.kind == "histogram")
        assert len(set(each.labels)) == len(each.labels)


def test_no_label_is_an_id_or_a_tenants_text() -> None:
    """Labels are these: words of ours, of the conventions, of the configuration, and names of prompts and tenants.

    None is an id, an alias or a tag.
    """
    labels = {label for each in DEFINITIONS for label in each.labels}
    assert labels == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.token.type",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "llmgw.provider",
        "llmgw.target",
        "llmgw.tenant",
        "arm",
        "budget",
        "cache",
        "code",
        "from",
        "invariant",
        "kind",
        "level",
        "op",
        "outcome",
        "prompt",
        "queue",
        "reason",
        "rating",
        "result",
        "rule",
        "scope",
        "source",
        "severity",
        "size_class",
        "state",
        "to",
        "unit",
        "verdict",
        "version",
    }


def _only(reader: InMemoryMetricReader) -> Metric:
    data = reader.get_metrics_data()
    assert data is not None
    return data.resource_metrics[0].scope_metrics[0].metrics[0]


def test_what_others_keep_is_bounded_too() -> None:
    """Two hundred series, and the rest as one: of a gauge the greatest, of a counter their sum."""
    shown: dict[tuple[str, ...], float] = {
        (str(number), "y"): float(number) for number in range(MAX_VALUES + 3)
    }
    gauge = Watched(definition(kind="gauge"), lambda: shown).points()
    counter = Watched(definition(), lambda: shown).points()
    assert len(gauge) == len(counter) == MAX_VALUES + 1
    assert (gauge[-1].labels, gauge[-1].value) == ((OTHER, OTHER), MAX_VALUES + 2)
    assert counter[-1].value == 3 * MAX_VALUES + 3


def test_what_cannot_be_read_keeps_nothing_else_from_being_shown(caplog: pytest.LogCaptureFixture) -> None:
    """One line says so until it can be read again; no number and infinity are left out."""

    def fails() -> float:
        raise RuntimeError("changed size during iteration")

    broken = Watched(definition(kind="gauge", labels=()), fails)
    assert broken.points() == broken.points() == []
    assert broken.metric(1) is None
    assert len(caplog.records) == 1
    for value in (float("nan"), float("inf")):
        assert Watched(definition(kind="gauge", labels=()), lambda value=value: value).points() == []  # type: ignore[misc]
