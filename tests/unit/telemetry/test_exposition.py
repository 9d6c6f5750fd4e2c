"""What Prometheus is told, read by the parsers that Prometheus' own client has for both formats."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry import definitions, service_definitions
from llmgw.telemetry.aggregates import Counter, Histogram
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.exposition import OPEN_METRICS, TEXT, Format, format_for, written
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.points import Exemplar, Point, Seen, Sheet
from llmgw.telemetry.prometheus_names import family_of, sample_of
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from tests.traced_calls import MS, begun_alone, continued, finished

BOTH = pytest.mark.parametrize("form", [TEXT, OPEN_METRICS], ids=["text", "openmetrics"])
SEEN = Seen(0xABC, 0xDEF, 1_700_000_000_000 * MS)


def parsed(form: Format, *sheets: Sheet) -> dict[str, Metric]:
    """What the format's own parser makes of it, by family."""
    text = written(sheets, form).decode()
    parse = (
        open_metrics.text_string_to_metric_families if form.open_metrics else text_string_to_metric_families
    )
    return {family.name: family for family in parse(text)}


def everything(worker: str = "1") -> Sheet:
    """A sheet with a series of each metric there is, all labels said, each with a call to look at."""
    points: dict[str, list[Point]] = {}
    for definition in DEFINITIONS:
        labels = tuple(f"value of {name}" for name in definition.labels)
        if definition.kind == "histogram":
            histogram = Histogram(definition, 0)
            for bound in (*definition.bounds, definition.bounds[-1] + 1):
                histogram.record(labels, bound, SEEN)
            points[definition.name] = histogram.points()
        elif definition.kind == "counter":
            counter = Counter(definition, 0)
            counter.add(labels, 3 * definition.per, SEEN)
            points[definition.name] = counter.points()
        else:
            points[definition.name] = [Point(labels, 0.5)]
    return Sheet(worker, points)


@BOTH
def test_every_metric_is_read_with_its_meaning_type_and_labels(form: Format) -> None:
    """Of two workers: names, help, types, values, and the worker beside the metric's own labels."""
    found = parsed(form, everything("1"), everything("2"))
    assert set(found) == {family_of(each) for each in DEFINITIONS}
    for definition in DEFINITIONS:
        family = found[family_of(definition)]
        assert family.type == definition.kind
        assert family.documentation == definition.description
        names = {"worker", *(name.replace(".", "_") for name in definition.labels)}
        assert {frozenset(sample.labels) - {"le"} for sample in family.samples} == {frozenset(names)}
        assert {sample.labels["worker"] for sample in family.samples} == {"1", "2"}
        values = {sample.name: sample.value for sample in family.samples}
        if definition.kind == "histogram":
            assert values[f"{sample_of(definition)}_count"] == len(definition.bounds) + 1
        else:
            assert values == {sample_of(definition): 3.0 if definition.kind == "counter" else 0.5}


def test_only_openmetrics_tells_units_and_ends() -> None:
    """A unit is the end of its metric's name; the last line says that nothing was cut off."""
    found = parsed(OPEN_METRICS, everything())
    assert {family.unit for family in found.values()} == {"", "seconds", "bytes", "ratio"}
    assert all(name.endswith(family.unit) for name, family in found.items())
    told = {form: written([everything()], form) for form in (TEXT, OPEN_METRICS)}
    assert told[OPEN_METRICS].endswith(b"\n# EOF\n")
    assert b"EOF" not in told[TEXT]
    assert b"# UNIT" not in told[TEXT]
    assert written([], OPEN_METRICS) == b"# EOF\n"
    assert written([], TEXT) == b""


def test_buckets_add_up_and_end_in_all() -> None:
    """Each has what is at most its bound, the last one everything, exactly."""
    definition = definitions.OVERHEAD
    histogram = Histogram(definition, 0)
    for value in (0.00005, 0.0001, 0.3, 99.0):
        histogram.record(("/v1/messages",), value)
    found = parsed(TEXT, Sheet("1", {definition.name: histogram.points()}))["llmgw_overhead_seconds"]
    buckets = {sample.labels["le"]: sample.value for sample in found.samples if "le" in sample.labels}
    assert list(map(float, buckets)) == [*definition.bounds, math.inf]
    assert [buckets["0.0001"], buckets["0.25"], buckets["0.5"], buckets["+Inf"]] == [2, 2, 3, 4]
    sums = {sample.name: sample.value for sample in found.samples if "le" not in sample.labels}
    assert sums == {
        "llmgw_overhead_seconds_sum": 0.00005 + 0.0001 + 0.3 + 99.0,
        "llmgw_overhead_seconds_count": 4,
    }


def test_a_number_leads_to_a_trace_that_is_kept() -> None:
    """The last call of each bucket and counter whose trace is kept; only in the format that has a place for it."""
    measurements = Measurements(0)
    slow = finished(begun_alone(0xA), ended_ns=60 * MS)
    unkept = finished(begun_alone(0xB), ended_ns=61 * MS)
    quick = finished(begun_alone(0xC), ended_ns=12 * MS, waited_ns=0)
    for call, seen in (
        (slow, Seen(0xA, 1, 1_500_000_000)),
        (unkept, None),
        (quick, Seen(0xC, 1, 2_000_000_000)),
    ):
        measurements.call(call, seen)
    sheet = Sheet("1", measurements.points())
    assert b"trace_id" not in written([sheet], TEXT)
    found = parsed(OPEN_METRICS, sheet)
    told = {
        sample.labels["le"]: (
            sample.exemplar.labels,
            sample.exemplar.value,
            float(sample.exemplar.timestamp or 0),
        )
        for sample in found["http_server_request_duration_seconds"].samples
        if sample.exemplar
    }
    assert told == {
        "0.05": ({"trace_id": f"{0xA:032x}"}, 0.05, 1.5),
        "0.005": ({"trace_id": f"{0xC:032x}"}, 0.002, 2.0),
    }
    (requests,) = found["llmgw_requests"].samples
    assert requests.value == 3
    assert requests.exemplar is not None
    assert (requests.exemplar.labels, requests.exemplar.value) == ({"trace_id": f"{0xC:032x}"}, 1)


def test_calls_whose_traces_are_not_kept_leave_nothing_behind() -> None:
    """No place for exemplars is made before there is one."""
    measurements = Measurements(0)
    for _ in range(3):
        measurements.call(finished(begun_alone(), context=continued()))
    assert {point.exemplars for points in measurements.points().values() for point in points} == {()}


@BOTH
@given(word=st.text(st.characters(codec="utf-8"), min_size=1), value=st.floats())
def test_whatever_a_label_holds_is_read_as_it_was(form: Format, word: str, value: float) -> None:
    """Quotes, backslashes, newlines, brackets, hashes, control characters; and any number as its value."""
    point = Point(("acme", word), value)
    found = parsed(form, Sheet("1", {service_definitions.BUDGET_USED.name: [point]}))
    (sample,) = found["llmgw_budget_used_ratio"].samples
    assert sample.labels == {"worker": "1", "llmgw_tenant": "acme", "budget": word}
    assert sample.value == value or math.isnan(value)


def test_the_worst_label_is_escaped_by_the_letter() -> None:
    """Exactly three characters are; what is no text at all is a question mark."""
    point = Point(('a\\b"c\nd\r\x1b[31m',), 1)
    sheet = Sheet("1", {service_definitions.TENANT_COST.name: [point, Point(("\ud800",), 2)]})
    lines = written([sheet], TEXT).split(b"\n")
    assert lines[2] == b'llmgw_tenant_cost_total{worker="1",llmgw_tenant="a\\\\b\\"c\\nd\r\x1b[31m"} 1'
    assert lines[3] == b'llmgw_tenant_cost_total{worker="1",llmgw_tenant="?"} 2'


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What Prometheus 3 sends."""


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain; version=0.0.4", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("Application/OpenMetrics-Text ; Version=1.0.0", OPEN_METRICS),
        (PROMETHEUS, OPEN_METRICS),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0.1,text/plain", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q=x,,;;=,q", TEXT),
        ("application/json", TEXT),
        (",".join(["a/b"] * 5000), TEXT),
    ],
)
def test_the_format_is_the_one_asked_for(accept: str, form: Format) -> None:
    """OpenMetrics for who prefers it; the text format for everybody else, whatever else they ask for."""
    assert format_for(accept) is form


def test_the_content_types_are_those_of_the_formats() -> None:
    """By the letter, as Prometheus tells formats apart by them."""
    assert TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert OPEN_METRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_an_exemplar_is_as_small_as_the_format_wants() -> None:
    """Labels of at most 128 characters."""
    trace = Exemplar("f" * 32, 1.0, 2**63)
    assert len("trace_id") + len(trace.trace_id) <= 128


def names_of(lines: Iterable[bytes]) -> list[bytes]:
    """The metrics that lines begin, in their order."""
    return [line.split()[2] for line in lines if line.startswith(b"# TYPE")]


@BOTH
def test_each_metric_is_told_once_however_many_workers(form: Format) -> None:
    """All workers' series of a metric stand together under one head, as both formats demand."""
    names = names_of(written([everything(str(number)) for number in range(1, 5)], form).split(b"\n"))
    assert len(names) == len(set(names)) == len(DEFINITIONS)
