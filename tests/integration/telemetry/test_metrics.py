"""Metrics arrive at a real collector, again and again, and cost nothing while it is away."""

import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.collector import quiet
from llmgw.telemetry.lines import LineWriter
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.points import Known
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint
from tests.collectors import BlackHole, Collector, attributes
from tests.traced_calls import MS, UNIX, Fixed, begun, continued, finished
from tests.waiting import until

Start = Callable[..., Metrics]
ABOUT: dict[str, Any] = {"version": "1.2.3", "clock": Fixed(), "resource": {}}


@pytest.fixture
def metrics() -> Iterator[Start]:
    """Start metrics; they are shut down at the end, whatever became of their collector."""
    started: list[Metrics] = []

    def begin(endpoint: str, *, every_s: float = 3600, **resource: str) -> Metrics:
        made = Metrics(endpoint, every_s=every_s, version="1.2.3", clock=Fixed(), resource=resource)
        started.append(made)
        return made

    yield begin
    for each in started:
        each.shutdown(0)


def call() -> Call:
    """A call that continued a context."""
    begun = Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=UNIX,
    )
    return finished(begun, context=continued())


def test_metrics_are_reported_as_they_stand(collector: Collector, metrics: Start) -> None:
    """Each report has everything since the start: one that is lost is made up for by the next."""
    told = metrics(collector.url, every_s=0.05, **{"service.instance.id": "host:7"})
    told.record(call())
    collector.wait_for_reports(1)
    told.record(call())
    until(lambda: score(collector).count == 2, "the second call to be reported")
    told.shutdown()
    point = score(collector)
    assert attributes(point.attributes) == {"verdict": "preserved"}
    assert (point.count, point.sum, point.min, point.max) == (2, 2.0, 1.0, 1.0)
    assert sum(point.bucket_counts) == 2
    assert list(point.bucket_counts)[-1] == 2
    assert (point.start_time_unix_nano, point.time_unix_nano) == (UNIX, UNIX)
    assert set(collector.paths) == {"/v1/metrics"}
    (resource,) = collector.reports[-1].resource_metrics
    assert attributes(resource.resource.attributes)["service.instance.id"] == "host:7"
    assert resource.scope_metrics[0].scope.name == "llmgw"


def test_the_last_report_goes_out_at_the_end(collector: Collector, metrics: Start) -> None:
    """What was measured since the last report is not lost by stopping, and is sent once."""
    told = metrics(collector.url)
    told.record(call())
    told.shutdown()
    told.shutdown()
    assert len(collector.reports) == 1
    assert "llmgw.context.overhead" in collector.metrics()


def test_what_telemetry_drops_is_counted_too(collector: Collector, metrics: Start) -> None:
    """As it stands at each report, by what was dropped; nothing where nothing was."""
    told = metrics(collector.url, every_s=0.05)
    dropped = {"spans": 3, "log_lines": 0}
    told.watch("spans", lambda: dropped["spans"])
    told.watch("log_lines", lambda: dropped["log_lines"])

    def counted() -> dict[object, int]:
        points = collector.metrics()["llmgw.telemetry.dropped"].sum.data_points
        return {attributes(point.attributes)["kind"]: point.as_int for point in points}

    collector.wait_for_reports(2)
    assert counted() == {"spans": 3}
    dropped["log_lines"] = 2
    until(lambda: counted() == {"spans": 3, "log_lines": 2}, "what was dropped later")


def test_an_idle_process_reports_nothing(collector: Collector, metrics: Start) -> None:
    """No call, no metric, no request."""
    metrics(collector.url).shutdown()
    assert not collector.paths


@pytest.mark.parametrize(("endpoint", "every_s"), [("", 60.0), ("http://127.0.0.1:9", 0.0)])
def test_metrics_that_are_not_sent_start_nothing(metrics: Start, endpoint: str, every_s: float) -> None:
    """No thread, and no report."""
    before = threading.active_count()
    told = metrics(endpoint, every_s=every_s)
    told.know(Known(models=frozenset({"gpt-5"})))
    told.record(call())
    told.shutdown()
    assert threading.active_count() == before


def test_an_outage_is_one_line_and_nothing_is_lost(
    collector: Collector, metrics: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Reports fail, one line says so; the first that arrives has all calls of the meantime."""
    collector.status = 404
    with caplog.at_level(logging.DEBUG, logger="llmgw"):
        told = metrics(collector.url, every_s=0.02)
        for _ in range(500):
            told.record(call())
        collector.wait_for_reports(3)
        collector.status = 200
        until(lambda: "metrics reach the collector again" in caplog.messages, "the end of the outage")
        told.shutdown()
    down, up = [record.getMessage() for record in caplog.records if record.name.startswith("llmgw")]
    assert down.startswith("metrics do not reach the collector: ")
    assert "404" in down
    assert up == "metrics reach the collector again"
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert score(collector).count == 500


def test_a_collector_that_never_answers_keeps_nobody_waiting(black_hole: BlackHole, metrics: Start) -> None:
    """While a report hangs calls are recorded and shutdown ends on its own clock; memory grows by no call."""
    told = metrics(black_hole.url, every_s=0.01)
    told.record(call())
    with black_hole.wait_for_someone() as connection:
        tracemalloc.start()
        for _ in range(10_000):
            told.record(call())
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert grown < 64 * 1024
        told.shutdown(0.01)
        connection.setblocking(False)
        held = True
        while held:
            try:
                held = bool(connection.recv(65536))
            except BlockingIOError:
                break
    assert held


def test_traces_and_metrics_share_one_patience_at_the_end(
    black_hole: BlackHole, start: Callable[..., Tracing], metrics: Start
) -> None:
    """Neither is delivered, the end comes all the same, and what was kept is counted as lost, for all to see."""
    tracing, told = start(black_hole.url), metrics(black_hole.url)
    recorder = Recorder(tracing, told, CallLog(LineWriter(None), "json"), Fixed())
    recorder.record(finished(begun(tracing)))
    recorder.shutdown(0.01)
    lost = {point.labels: point.value for point in told.points()["llmgw.telemetry.dropped"]}
    assert lost == {("spans",): 3, ("log_lines",): 1}


def test_what_the_call_log_says_of_itself_is_shown(metrics: Start) -> None:
    """What became of events, why others were lost, and how far behind it is: as it stands when somebody asks."""
    told = metrics("")
    recorder = Recorder(
        Tracing("", **ABOUT, sample=0, slow_ms=0), told, CallLog(LineWriter(None), "json"), Fixed()
    )
    lost = {"full": 0, "disk": 2}
    recorder.watch_call_log(lambda: {"stored": 7, "written": 5}, lambda: lost, lambda: 1.5)
    lost["full"] = 1

    def shown(name: str) -> dict[tuple[str, ...], float]:
        return {point.labels: point.value for point in told.points()[name]}

    assert shown("llmgw.call_log.events") == {("stored",): 7, ("written",): 5}
    assert shown("llmgw.call_log.lost") == {("full",): 1, ("disk",): 2}
    assert shown("llmgw.call_log.behind") == {(): 1.5}


def test_complaints_of_other_threads_are_let_through(caplog: pytest.LogCaptureFixture) -> None:
    """Only what an exporter says to the thread that asked it is kept; others' words go where they always go."""
    logger = logging.getLogger("tests.exporter")
    # Whatever level a gateway that was set up before in this process has left.
    caplog.set_level(logging.WARNING, logger=logger.name)
    with quiet(logger) as words:
        logger.warning("for %s", "me")
        other = threading.Thread(target=logger.warning, args=("for others",))
        other.start()
        other.join()
    logger.warning("afterwards")
    assert words.text == "for me"
    said = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert said == ["for others", "afterwards"]


def score(collector: Collector) -> HistogramDataPoint:
    """The one point of the preservation score in the last report."""
    point: HistogramDataPoint
    (point,) = collector.metrics()["llmgw.context.preservation.score"].histogram.data_points
    return point
