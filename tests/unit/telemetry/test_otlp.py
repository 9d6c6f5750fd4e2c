"""Spans are written as the SDK writes them, byte by byte as far as a reader can tell."""

from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry.otlp import encoded
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.event import Usage
from llmgw.types.violation import Violation
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from tests.traced_calls import admitted, begun_alone, continued, finished, lost, prompted, tried

RESOURCE = resource_of("1.2.3", {"service.instance.id": "host:7"})
WORDS = st.text(st.characters(codec="utf-8"))
VALUES = st.one_of(
    WORDS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(WORDS),
)
ATTRIBUTES = st.dictionaries(WORDS.filter(bool), VALUES)
IDS = st.integers(1, 2**64 - 1)


def as_the_sdk(spans: list[ReadableSpan]) -> bool:
    """Whether both writers' requests say the same."""
    return bool(ExportTraceServiceRequest.FromString(encoded(spans)) == encode_spans(spans))


def test_all_spans_of_a_call_of_which_everything_is_known() -> None:
    """With a context, a prompt, an admission, a summary, losses, a parent elsewhere, and a trace state."""
    violation = Violation(rule="role.order", pointer="/messages/0", message="m", level="strict")
    call = finished(
        begun_alone(2**128 - 1),
        context=continued(losses=(lost(), lost(1)), violations=(violation,), verdict="lost"),
        prompt=prompted(),
        admission=admitted(limit="team:search:month"),
        attempts=[tried(error="provider_failed", status=503), tried()],
        usage=Usage(input_tokens=90, output_tokens=2**40),
        inner=[finished(begun_alone())],
        tags=("a", "b" * 5000),
        parent_span_id=7,
        trace_state="vendor=1,other=2",
        error="provider_failed",
        status=502,
    )
    spans = TraceBuilder("1.2.3", {"service.instance.id": "host:7"}).trace(call)
    assert len(spans) == 11
    assert as_the_sdk(spans)


@given(
    name=WORDS,
    attributes=ATTRIBUTES,
    other=ATTRIBUTES,
    ids=st.tuples(st.integers(1, 2**128 - 1), IDS, IDS),
    kind=st.sampled_from(SpanKind),
    remote=st.booleans(),
    status=st.sampled_from(StatusCode),
    times=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
def test_any_span_with_events_and_links(
    name: str,
    attributes: dict[str, object],
    other: dict[str, object],
    ids: tuple[int, int, int],
    kind: SpanKind,
    remote: bool,
    status: StatusCode,
    times: tuple[int, int],
) -> None:
    """Whatever words, numbers and lists they have."""
    trace_id, span_id, parent_id = ids
    flags = TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(trace_id, parent_id, is_remote=remote, trace_flags=flags)
    span = ReadableSpan(
        name=name,
        context=SpanContext(trace_id, span_id, False, flags, TraceState([("a", "b")])),
        parent=parent if remote else None,
        resource=RESOURCE,
        attributes=attributes,  # type: ignore[arg-type]  # of the SDK's types, whatever mypy says
        events=[Event(name, other, times[0])],  # type: ignore[arg-type]
        links=[Link(parent, other)],  # type: ignore[arg-type]
        kind=kind,
        status=Status(status, name if status is StatusCode.ERROR else None),
        start_time=times[0],
        end_time=times[1],
        instrumentation_scope=scope_of("1.2.3"),
    )
    assert as_the_sdk([span, span])


def test_nothing_is_nothing() -> None:
    """No spans, no bytes."""
    assert encoded([]) == b""
