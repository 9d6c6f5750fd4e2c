"""A collector that is not there, or not in the mood, costs the spans and nothing else."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from llmgw.telemetry.collector import metrics_url, traces_url
from llmgw.telemetry.export import MAX_QUEUE, MAX_WITH_WORDS
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call
from llmgw.types.message import Message, TextPart
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.collectors import BlackHole, Collector, Resetter, attributes
from tests.secret_samples import PERSONAL
from tests.traced_calls import begun, captured, finished
from tests.waiting import until

Start = Callable[..., Tracing]


def test_without_an_endpoint_nothing_runs_and_nothing_is_sampled(start: Start) -> None:
    """No thread, no SDK object; calls still have ids for logs and for those behind us."""
    before = threading.active_count()
    tracing = start("")
    call = begun(tracing)
    tracing.record(finished(call))
    tracing.shutdown()
    assert threading.active_count() == before
    assert call.trace_id
    assert not call.sampled
    assert tracing.dropped == 0


def test_without_an_endpoint_the_callers_flag_goes_on(start: Start) -> None:
    """Those behind us may still record what the caller asked to be recorded."""
    assert begun(start(""), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").sampled


@pytest.mark.parametrize(
    "endpoint",
    ["http://host:4318", "http://host:4318/", "http://host:4318/v1/traces", "http://host:4318/v1/traces/"],
)
def test_the_endpoint_may_be_base_or_full(endpoint: str) -> None:
    """Either form of URL posts to the same place, metrics beside the spans."""
    assert traces_url(endpoint) == "http://host:4318/v1/traces"
    assert metrics_url(endpoint) == "http://host:4318/v1/metrics"


def test_spans_leave_before_the_end(collector: Collector, start: Start) -> None:
    """The batch goes out on its own, without shutdown."""
    tracing = start(collector.url)
    tracing.record(finished(begun(tracing)))
    collector.wait_for(3)


def test_the_environment_lends_headers_and_nothing_else(
    collector: Collector, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies, endpoints, limits and switches meant for others do not reach us; the collector's key does."""
    nowhere = "http://127.0.0.1:9"
    for name, value in {
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
        "ALL_PROXY": nowhere,
        "NO_PROXY": "",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": nowhere,
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0.000001",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "1",
        "OTEL_SERVICE_NAME": "somebody-else",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=somebody-else",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=k",
    }.items():
        monkeypatch.setenv(name, value)
    tracing = start(collector.url)
    tracing.record(finished(begun(tracing)))
    tracing.shutdown()
    assert len(collector.spans()) == 3
    assert collector.headers[0]["x-collector-key"] == "k"
    (resource,) = collector.resources()
    assert "llmgw" in {pair.value.string_value for pair in resource.resource.attributes}
    assert "somebody-else" not in str(resource)


def test_nobody_at_the_collectors_port_is_a_count(
    refusing: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Every span is accounted for, and the SDK's complaints stay inside."""
    tracing = start(refusing)
    for _ in range(600):
        tracing.record(finished(begun(tracing)))
    tracing.shutdown(0.01)
    assert tracing.dropped == 1800
    assert {record.name.split(".")[0] for record in caplog.records} <= {"llmgw"}


def test_an_outage_is_one_line_and_its_end_another(
    collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Several batches fail, one line says so and why; the next that arrives says what was lost."""
    collector.status = 404
    tracing = start(collector.url)
    with caplog.at_level(logging.DEBUG, logger="llmgw"):
        for _ in range(600):
            tracing.record(finished(begun(tracing)))
        collector.wait_for(1800)
        collector.status = 200
        tracing.record(finished(begun(tracing)))
        tracing.shutdown()
    down, up, end = [record.getMessage() for record in caplog.records if record.name.startswith("llmgw")]
    assert down.startswith("traces do not reach the collector, spans are dropped meanwhile: ")
    assert "404" in down
    assert up == "traces reach the collector again; 1800 spans were lost"
    assert end == "1800 spans were not delivered"
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_collector_that_refuses_keeps_nobody_waiting(
    collector: Collector, start: Start, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Whether a refusal may be asked again or not: the end does not wait for a better moment, all is counted."""
    collector.status = status
    tracing = start(collector.url)
    with caplog.at_level(logging.DEBUG):
        tracing.record(finished(begun(tracing)))
        collector.wait_for(3)
        for _ in range(MAX_QUEUE):
            tracing.record(finished(begun(tracing)))
        tracing.shutdown(0.01)
    assert tracing.dropped == 3 * (MAX_QUEUE + 1)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("llmgw")]
    assert lines[-1] == f"{3 * (MAX_QUEUE + 1)} spans were not delivered"
    assert len(lines) <= 2, "one line of the outage at most, and one of the end"


def test_a_collector_that_resets_is_a_count(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Connections that are torn down lose their spans, and one line says so."""
    resetter = Resetter()
    tracing = start(resetter.url)
    with caplog.at_level(logging.DEBUG):
        for _ in range(600):
            tracing.record(finished(begun(tracing)))
        until(lambda: resetter.resets >= 2, "two batches to be reset")
        tracing.shutdown(0.01)
    resetter.close()
    assert tracing.dropped == 1800
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("llmgw")]
    assert lines[-1] == "1800 spans were not delivered"
    assert len(lines) <= 2


def test_a_collector_that_never_answers_bounds_the_queue_and_the_shutdown(
    black_hole: BlackHole, start: Start
) -> None:
    """`record` returns whatever is queued, shutdown while the request still hangs; every span is counted."""
    tracing = start(black_hole.url)
    tracing.record(finished(begun(tracing)))
    with black_hole.wait_for_someone() as connection:
        for _ in range(MAX_QUEUE):
            tracing.record(finished(begun(tracing)))
        queued = MAX_QUEUE // 3 * 3
        assert tracing.dropped == 3 * MAX_QUEUE - queued
        tracing.shutdown(0.01)
        assert tracing.dropped == 3 * MAX_QUEUE + 3
        connection.setblocking(False)
        while True:
            try:
                held = bool(connection.recv(65536))
            except BlockingIOError:
                held = True
                break
            if not held:
                break
    assert held


def test_after_shutdown_calls_are_counted_and_nothing_else(collector: Collector, start: Start) -> None:
    """A straggler that ends after the end does not raise."""
    tracing = start(collector.url)
    tracing.shutdown()
    tracing.record(finished(begun(tracing)))
    assert tracing.dropped == 3


class Watched(list[Message]):
    """A message of a user that notes who looks at it, and holds up whoever does until they may `go`."""

    def __init__(self, words: str = "hello", fault: str = "") -> None:
        super().__init__([Message(role="user", parts=(TextPart(text=words),))])
        self.threads: list[str] = []
        self.go = threading.Event()
        self.fault = fault

    def __iter__(self) -> Iterator[Message]:
        """Note the thread."""
        self.threads.append(threading.current_thread().name)
        assert self.go.wait(30)
        if self.fault:
            raise ValueError(self.fault)
        return super().__iter__()


def spoken(words: Sequence[Message]) -> Call:
    """A call that is kept, of which these words may be told once they are looked through."""
    call = captured("redacted", sampled=True)
    assert call.content is not None
    call.content.told = words
    return call


def words_of(span: Span) -> object:
    """What the model was told, as a span says it."""
    return attributes(span.attributes).get("gen_ai.input.messages")


def test_words_are_looked_through_beside_the_loop(collector: Collector, start: Start) -> None:
    """By the thread that sends them, after `record` is over; secrets are gone from what arrives."""
    words = Watched(f"hello {PERSONAL['email'][0]}")
    tracing = start(collector.url)
    assert tracing.record(spoken(words))
    words.go.set()
    collector.wait_for(3)
    assert set(words.threads) == {"llmgw-traces"}
    told = str(words_of(collector.spans()["chat gpt-5"]))
    assert "hello" in told
    assert PERSONAL["email"][0] not in told


def test_more_words_than_can_be_looked_through_are_left_out(collector: Collector, start: Start) -> None:
    """The spans arrive whatever waits, and say that something is missing of them."""
    slow = Watched()
    tracing = start(collector.url)
    tracing.record(spoken(slow))
    until(lambda: slow.threads, "the words to be looked at")
    for _ in range(MAX_WITH_WORDS + 2):
        assert tracing.record(spoken((Message(role="user", parts=(TextPart(text="me too"),)),)))
    slow.go.set()
    collector.wait_for(3 * (MAX_WITH_WORDS + 3))
    chats = [span for span in collector.all_spans() if span.name == "chat gpt-5"]
    mute = [attributes(span.attributes) for span in chats if words_of(span) is None]
    assert [each["llmgw.truncated"] for each in mute] == [True, True]
    assert tracing.dropped == 0


def test_words_that_cannot_be_told_cost_their_call_alone(
    collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Its spans are counted, one line says so without a word of it, and the others arrive."""
    broken = Watched(fault="my own words")
    tracing = start(collector.url)
    broken.go.set()
    tracing.record(spoken(broken))
    tracing.record(finished(begun(tracing)))
    tracing.shutdown()
    assert len(collector.all_spans()) == tracing.dropped == 3
    assert "ValueError" in caplog.text
    assert "my own words" not in caplog.text
