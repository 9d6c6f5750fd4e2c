"""What was done with contexts without a call is told as one span each."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.lines import LineWriter
from llmgw.telemetry.links import MAX_LINKS
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Caller
from llmgw.types.context_errors import (
    ContextFenced,
    ContextLocked,
    ContextNotFound,
    ContextQuarantined,
    IntegrityFailed,
    RevisionMismatch,
)
from llmgw.types.errors import StoreUnavailable
from llmgw.types.links import SpanLink, SpanPlace
from llmgw.types.operation import OperationName
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.collectors import Collector, attributes
from tests.manual_clock import ManualClock
from tests.traced_calls import MS

CALLER = Caller(key_id="key_1", name="app", role="caller", tenant="acme")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


class Desk:
    """A recorder whose collector works, on a clock that is moved by hand."""

    def __init__(self, collector: Collector, tmp_path: Path, sample: float) -> None:
        self.clock = ManualClock()
        self.collector = collector
        self._stream = (tmp_path / "log").open("w")
        self._writer = LineWriter(self._stream)
        about: dict[str, Any] = {"version": "1.2.3", "clock": self.clock, "resource": {}}
        self.recorder = Recorder(
            Tracing(collector.url, sample=sample, slow_ms=1000, **about),
            Metrics(collector.url, every_s=3600, **about),
            CallLog(self._writer, "json", threshold=logging.INFO),
            self.clock,
        )

    def close(self) -> dict[str, Span]:
        """Send everything and return the spans."""
        self.recorder.shutdown()
        self._writer.close()
        self._stream.close()
        return self.collector.spans()


@pytest.fixture
def at(collector: Collector, tmp_path: Path) -> Iterator[Callable[[float], Desk]]:
    """Recorders with a share of sampled traces."""
    desks: list[Desk] = []

    def make(sample: float) -> Desk:
        desks.append(Desk(collector, tmp_path, sample))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.mark.parametrize("name", get_args(OperationName))
def test_an_operation_is_one_span(at: Callable[[float], Desk], name: OperationName) -> None:
    """Its name is the operation's, it belongs to the caller's trace, and says whose context it was about."""
    desk = at(0.0)
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "congo=1"}
    with desk.recorder.operation(name, CALLER, "ctx_1", headers) as operation:
        desk.clock.advance(0.02)
        operation.rev, operation.turns = 3, 7
    (span,) = desk.close().values()
    assert (span.name, span.kind) == (f"llmgw.context.{name}", Span.SPAN_KIND_INTERNAL)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "congo=1")
    assert span.end_time_unix_nano - span.start_time_unix_nano == 20 * MS
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes(span.attributes) == {
        "gen_ai.conversation.id": "ctx_1",
        "llmgw.context.contexts": 1,
        "llmgw.context.operation": name,
        "llmgw.context.rev": 3,
        "llmgw.context.turns": 7,
        "llmgw.key.id": "key_1",
        "llmgw.tenant": "acme",
    }


@pytest.mark.parametrize("links", [1, MAX_LINKS + 3])
def test_an_operation_leads_to_the_calls_it_came_upon(at: Callable[[float], Desk], links: int) -> None:
    """It is kept for that alone, and has the latest of many links; how many more there were is said."""
    desk = at(0.0)
    with desk.recorder.operation("read", CALLER, "ctx_1") as operation:
        operation.links = tuple(
            SpanLink(place=SpanPlace(number, 7), call=f"call_{number}", reason="fenced")
            for number in range(1, links + 1)
        )
    (span,) = desk.close().values()
    assert len(span.links) == min(links, MAX_LINKS)
    assert span.dropped_links_count == max(0, links - MAX_LINKS)
    last = span.links[-1]
    assert (int.from_bytes(last.trace_id), int.from_bytes(last.span_id)) == (links, 7)
    assert attributes(last.attributes) == {"llmgw.call.id": f"call_{links}", "llmgw.link": "fenced"}


def test_a_turn_that_does_not_read_back_is_found_as_lost(at: Callable[[float], Desk]) -> None:
    """The call's own spans were told before; the one that found it has the verdict and the call's id."""
    desk = at(0.0)
    with desk.recorder.operation("read_back", CALLER, "ctx_1") as operation:
        operation.call, operation.checks = "call_1", {"c8": "fail"}
    (span,) = desk.close().values()
    said = attributes(span.attributes)
    assert (said["llmgw.context.preservation.verdict"], said["llmgw.call.id"]) == ("lost", "call_1")


@pytest.mark.parametrize(
    ("error", "code", "red", "kept"),
    [
        (ContextNotFound(), "context_not_found", False, False),
        (ContextLocked("busy"), "context_locked", False, False),
        (RevisionMismatch("other"), "revision_mismatch", False, False),
        (RevisionMismatch("other", rolled_back=True), "revision_mismatch", True, True),
        (ContextFenced("late"), "context_fenced", True, True),
        (ContextQuarantined("bad"), "context_quarantined", True, False),
        (IntegrityFailed("bad"), "context_integrity_failed", True, True),
        (StoreUnavailable("away"), "store_unavailable", True, True),
        (KeyError("ours"), "internal_error", True, True),
        (asyncio.CancelledError(), "client_gone", False, False),
    ],
)
def test_how_an_operation_ends_decides_whether_it_is_kept(
    at: Callable[[float], Desk], error: BaseException, code: str, red: bool, kept: bool
) -> None:
    """The error goes on to the caller; the span is red and kept where stored bytes or the house failed."""
    for sample in (1.0, 0.0):
        desk = at(sample)
        with pytest.raises(type(error)), desk.recorder.operation("append", CALLER, "ctx_1"):
            raise error
        desk.close()
        if sample:
            (span,) = desk.collector.all_spans()
            assert attributes(span.attributes)["error.type"] == code
            assert (span.status.code == Status.STATUS_CODE_ERROR) is red
    assert len(desk.collector.all_spans()) == 1 + kept


@pytest.mark.parametrize(("seconds", "kept"), [(0.999, False), (1.0, True)])
def test_a_slow_operation_is_kept(at: Callable[[float], Desk], seconds: float, kept: bool) -> None:
    """From `slow_ms` on, as with calls."""
    desk = at(0.0)
    with desk.recorder.operation("export", CALLER, "ctx_1"):
        desk.clock.advance(seconds)
    assert bool(desk.close()) is kept


def test_a_proof_that_fails_is_kept_and_says_which_check(at: Callable[[float], Desk]) -> None:
    """`verify` answers 200 and tells of a broken chain; its span is found by the check."""
    desk = at(0.0)
    with desk.recorder.operation("verify", CALLER, "ctx_1") as operation:
        operation.checks = {"c1": "fail"}
    span = desk.close()["llmgw.context.verify"]
    assert attributes(span.attributes)["llmgw.context.check.c1"] == "fail"
    assert span.status.code == Status.STATUS_CODE_ERROR


def test_operations_are_measured_by_name_and_error(at: Callable[[float], Desk]) -> None:
    """One histogram for all, counters for what they met; whoever asked and for what is in none of it."""
    desk = at(0.0)
    with desk.recorder.operation("erase", CALLER) as operation:
        operation.contexts = 3
        desk.clock.advance(0.25)
    for error in (ContextLocked("busy"), IntegrityFailed("bad")):
        with pytest.raises(type(error)), desk.recorder.operation("append", CALLER, "ctx_1"):
            raise error
    desk.close()
    metrics = desk.collector.metrics()
    assert sorted(metrics) == [
        "llmgw.context.conflicts",
        "llmgw.context.erasures",
        "llmgw.context.integrity_failures",
        "llmgw.context.operation.duration",
    ]
    points = metrics["llmgw.context.operation.duration"].histogram.data_points
    assert [(attributes(point.attributes), point.count, point.sum) for point in points] == [
        ({"op": "erase"}, 1, 0.25),
        ({"op": "append", "error.type": "context_locked"}, 1, 0),
        ({"op": "append", "error.type": "context_integrity_failed"}, 1, 0),
    ]
    counted = {
        name: [
            (attributes(point.attributes), point.as_int)
            for point in metrics[f"llmgw.context.{name}"].sum.data_points
        ]
        for name in ("conflicts", "erasures", "integrity_failures")
    }
    assert counted == {
        "conflicts": [({"kind": "locked"}, 1)],
        "erasures": [({}, 3)],
        "integrity_failures": [({"op": "append"}, 1)],
    }
