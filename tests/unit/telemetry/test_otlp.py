"""Spans are written as the SDK writes them, byte by byte as far as a reader can tell."""

from hypothesis import given
from hypothesis import strategies as st
from llmgw.telemetry.bounds import Facts, bounded_span
from llmgw.telemetry.otlp import Envelope, Recent, said, written
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.telemetry.span import CLIENT, INTERNAL, SERVER, Kind, Span, merged
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.event import Usage
from llmgw.types.links import SpanPlace
from llmgw.types.violation import Violation
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from tests.traced_calls import admitted, begun_alone, captured, continued, finished, lost, prompted, tried

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
LONG = st.tuples(
    st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=3), st.integers(0, 9000)
)
FACTS = st.dictionaries(
    st.sampled_from(["a", "b", "llmgw.alias", "ü"]) | WORDS.filter(bool),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 2),
        st.integers(-(2**64), 2**64),
        st.floats(allow_nan=False),
        WORDS,
        LONG.map(lambda long: (long[0] * long[1])[: long[1]]),
        st.lists(WORDS).map(tuple),
        st.lists(st.sampled_from(["stop", "length", "x" * 5000]), max_size=3).map(tuple),
    ),
    max_size=20,
)
SCOPE = scope_of("1.2.3")
IDS = st.integers(1, 2**64 - 1)


def of_the_sdk(span: Span) -> ReadableSpan:
    """The span as the SDK has it, with what the bounds leave of it."""
    flags = TraceFlags(TraceFlags.SAMPLED)
    state = TraceState.from_header([span.state]) if span.state else None
    parent = span.parent
    attributes, events = bounded_span(merged(span.said), span.events)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(span.context.trace_id, span.context.span_id, False, flags, state),
        parent=None
        if parent is None
        else SpanContext(parent.trace_id, parent.span_id, span.remote, flags, state),
        resource=RESOURCE,
        attributes=attributes,
        events=events,
        links=span.links,
        kind={INTERNAL: SpanKind.INTERNAL, SERVER: SpanKind.SERVER, CLIENT: SpanKind.CLIENT}[span.kind],
        status=Status(StatusCode.ERROR if span.red else StatusCode.UNSET),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=SCOPE,
    )


def as_the_sdk(*traces: list[Span]) -> bool:
    """Whether both writers' requests say the same."""
    ours = Envelope(RESOURCE, SCOPE).around([written(spans) for spans in traces])
    theirs = encode_spans([of_the_sdk(span) for spans in traces for span in spans])
    return bool(ExportTraceServiceRequest.FromString(ours) == theirs)


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
    assert as_the_sdk(spans[:4], spans[4:])


@given(
    name=WORDS,
    facts=st.lists(FACTS, max_size=3),
    other=ATTRIBUTES,
    ids=st.tuples(st.integers(1, 2**128 - 1), IDS, IDS),
    kind=st.sampled_from([INTERNAL, SERVER, CLIENT]),
    remote=st.booleans(),
    red=st.booleans(),
    times=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
def test_any_span_with_events_and_links(
    name: str,
    facts: list[Facts],
    other: dict[str, object],
    ids: tuple[int, int, int],
    kind: Kind,
    remote: bool,
    red: bool,
    times: tuple[int, int],
) -> None:
    """Whatever words, numbers and lists they have, short or so long that they are cut; each says its own."""
    trace_id, span_id, parent_id = ids
    flags = TraceFlags(TraceFlags.SAMPLED)
    place = SpanContext(trace_id, parent_id, is_remote=remote, trace_flags=flags)
    taken: set[str] = set()
    groups = []
    for each in facts:
        groups.append(said({key: value for key, value in each.items() if key not in taken}))
        taken |= set(each)
    span = Span(
        name=name,
        context=SpanPlace(trace_id, span_id),
        parent=SpanPlace(trace_id, parent_id) if remote else None,
        remote=remote,
        kind=kind,
        said=tuple(groups),
        red=red,
        start_time=times[0],
        end_time=times[1],
        state="a=b",
        events=[Event(name, other, times[0])],  # type: ignore[arg-type]  # of the SDK's types, whatever mypy says
        links=[Link(place, other)],  # type: ignore[arg-type]
    )
    assert as_the_sdk([span, span], [span])


def test_spans_too_large_are_cut_as_the_bounds_say() -> None:
    """Many short facts and many events, which are over the bound together alone."""
    event = Event("e", {"text": "x" * 100}, 0)
    for names, events in ((1200, 1), (10, 520), (1165, 32), (1000, 80)):
        facts = {f"name_{number:04d}": "z" * 40 for number in range(names)}
        (span,) = TraceBuilder("1", {}).trace(finished(begun_alone(), attempts=[]))
        many = replace(span, said=(*span.said, said(facts)), events=[event] * events)
        assert as_the_sdk([many]), (names, events)


def test_no_span_of_a_call_says_one_thing_twice() -> None:
    """What several spans say is told beside what one of them says, and names none of it again."""
    call = captured(
        context=continued(losses=(lost(),), fit="summarise", summary="made"),
        prompt=prompted(),
        admission=admitted(limit="team:search:month"),
        error="budget_exceeded",
        inner=[finished(begun_alone())],
    )
    for span in TraceBuilder("1", {}).trace(call):
        groups = [*(group.facts for group in span.said), span.words() if span.words else {}]
        names = [name for facts in groups for name, value in facts.items() if value is not None]
        assert sorted(names) == sorted(set(names))


def test_what_is_remembered_has_a_bound() -> None:
    """Ids go through it, and it is right again after it forgot."""
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return -key

    recent: Recent[int, int] = Recent(make, 3)
    for key in (1, 2, 1, 3, 4, 5, 1):
        assert recent[key] == -key
        assert len(recent) <= 3
    assert made == [1, 2, 3, 4, 5, 1]


def test_nothing_is_nothing() -> None:
    """No spans, no bytes."""
    assert written([]) == b""
