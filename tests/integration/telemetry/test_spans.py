"""Finished calls become traces at a real collector."""

from collections.abc import Callable
from typing import Any

import pytest
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Caller
from llmgw.types.event import Usage
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from tests.collectors import Collector, attributes
from tests.traced_calls import MS, UNIX, begun, finished, tried

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"

Start = Callable[..., Tracing]


def test_a_streamed_call_with_a_fallback_is_one_tree(collector: Collector, start: Start) -> None:
    """Server span, one logical call over both attempts, an attempt each; with their times and facts."""
    tracing = start(collector.url, **{"service.instance.id": "host:7"})
    call = begun(tracing, f"00-{TRACE}-{SPAN}-01", "congo=t61rcWkgMzE")
    finished(
        call,
        caller=Caller(key_id="key_1", name="app", role="caller", tenant="acme"),
        alias="smart",
        stream=True,
        attempts=[
            tried(
                target="claude/opus",
                provider="claude",
                kind="anthropic",
                model="opus",
                span_id=0xA0,
                status=503,
                error="provider_overloaded",
                message="overloaded",
                started_ns=12 * MS,
                first_byte_ns=20 * MS,
                ended_ns=21 * MS,
                upstream_id="up_1",
            ),
            tried(target="xai/grok", provider="my-xai", kind="xai", model="grok-9", started_ns=22 * MS),
        ],
        answered_model="grok-9-0611",
        answered_id="chatcmpl-1",
        finish_reasons=("stop", "length"),
        usage=Usage(
            input_tokens=100,
            output_tokens=50,
            cached_read_tokens=40,
            cache_write_tokens=0,
            reasoning_tokens=20,
        ),
        first_content_ns=42 * MS,
    )
    tracing.record(call)
    tracing.shutdown()

    spans = collector.spans()
    root, chat = spans["POST /v1/chat/completions"], spans["chat grok-9"]
    first, second = spans["attempt claude"], spans["attempt my-xai"]
    assert len(spans) == 4
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert [span.span_id for span in (root, chat, first, second)] == [
        number.to_bytes(8, "big") for number in (call.span_id, call.chat_span_id, 0xA0, 0xA1)
    ]
    assert [span.parent_span_id.hex() for span in (root, chat)] == [SPAN, root.span_id.hex()]
    assert {first.parent_span_id, second.parent_span_id} == {chat.span_id}
    assert {span.trace_state for span in spans.values()} == {"congo=t61rcWkgMzE"}
    assert root.kind == Span.SPAN_KIND_SERVER
    assert {span.kind for span in (chat, first, second)} == {Span.SPAN_KIND_CLIENT}
    assert [
        ((s.start_time_unix_nano - UNIX) // MS, (s.end_time_unix_nano - UNIX) // MS)
        for s in (root, chat, first, second)
    ] == [(0, 50), (2, 42), (2, 11), (12, 42)]
    assert [span.status.code for span in (root, chat, first, second)] == [
        Status.STATUS_CODE_UNSET,
        Status.STATUS_CODE_UNSET,
        Status.STATUS_CODE_ERROR,
        Status.STATUS_CODE_UNSET,
    ]
    assert attributes(root.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "llmgw.call.id": "call_1",
        "llmgw.request.id": "req_1",
        "llmgw.key.id": "key_1",
        "llmgw.tenant": "acme",
        "llmgw.alias": "smart",
        "llmgw.target": "xai/grok",
        "llmgw.attempts": 2,
        "llmgw.fallbacks": 1,
        "llmgw.retries": 0,
        "llmgw.overhead": 0.01,
    }
    assert attributes(chat.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "x_ai",
        "gen_ai.request.model": "grok-9",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "grok-9-0611",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.response.time_to_first_chunk": 0.03,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "llmgw.attempts": 2,
        "llmgw.fallbacks": 1,
        "llmgw.retries": 0,
    }
    assert attributes(first.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "error.type": "provider_overloaded",
        "llmgw.attempt.index": 0,
        "llmgw.attempt.model": "opus",
        "llmgw.attempt.reason": "first",
        "llmgw.attempt.first_byte": 0.008,
        "llmgw.attempt.upstream_id": "up_1",
        "llmgw.target": "claude/opus",
        "peer.service": "claude",
    }
    (resource,) = collector.resources()
    assert (
        dict(attributes(resource.resource.attributes)).items()
        >= {
            "service.name": "llmgw",
            "service.version": "1.2.3",
            "service.instance.id": "host:7",
        }.items()
    )
    assert collector.paths == ["/v1/traces"]


def test_an_embedding_call_names_its_operation(collector: Collector, start: Start) -> None:
    """`embeddings {model}`; no stream, no finish reasons, no first chunk."""
    tracing = start(collector.url)
    call = begun(tracing)
    call.endpoint = "/v1/embeddings"
    tracing.record(finished(call, usage=Usage(input_tokens=3), first_content_ns=50 * MS, answered_id=""))
    tracing.shutdown()
    span = collector.spans()["embeddings gpt-5"]
    assert attributes(span.attributes) == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 3,
        "llmgw.attempts": 1,
        "llmgw.fallbacks": 0,
        "llmgw.retries": 0,
    }


def test_a_refused_call_is_a_server_span_alone(collector: Collector, start: Start) -> None:
    """No attempt, no logical call; a caller's mistake is no error of the server's."""
    tracing = start(collector.url)
    call = finished(begun(tracing), attempts=[], status=401, error="invalid_api_key", waited_ns=0)
    tracing.record(call)
    tracing.shutdown()
    (root,) = collector.spans().values()
    assert root.parent_span_id == b""
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert attributes(root.attributes)["error.type"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("error", "root", "chat"),
    [
        ("stream_interrupted", Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR),
        ("client_gone", Status.STATUS_CODE_UNSET, Status.STATUS_CODE_UNSET),
    ],
)
def test_a_stream_that_broke_is_red_and_one_that_was_left_is_not(
    collector: Collector, start: Start, error: str, root: int, chat: int
) -> None:
    """Status 200 was sent in both cases; the end decides."""
    tracing = start(collector.url)
    tracing.record(finished(begun(tracing), error=error, stream=True, attempts=[tried(error=error)]))
    tracing.shutdown()
    spans = collector.spans()
    found = spans["POST /v1/chat/completions"], spans["chat gpt-5"]
    assert [span.status.code for span in found] == [root, chat]
    assert {attributes(span.attributes)["error.type"] for span in found} == {error}


def test_an_attempt_that_never_ended_ends_with_its_call(collector: Collector, start: Start) -> None:
    """No span is left open or ends before it began."""
    tracing = start(collector.url)
    tracing.record(finished(begun(tracing), attempts=[tried(ended_ns=None, first_byte_ns=None, status=None)]))
    tracing.shutdown()
    ends = {span.end_time_unix_nano for span in collector.spans().values()}
    assert ends == {UNIX + 50 * MS}


def test_hostile_values_arrive_bounded_and_valid(collector: Collector, start: Start) -> None:
    """8 KiB per value, whole characters, numbers of 64 bits; nothing makes a batch fail."""
    tracing = start(collector.url)
    tracing.record(
        finished(
            begun(tracing),
            alias="\ud800é" * 9000,
            attempts=[tried(provider="é" * 300, model="m" * 300, upstream_id="\ud800")],
            finish_reasons=("é" * 5000, "x" * 5000),
            usage=Usage(input_tokens=2**63, output_tokens=2**63 - 1),
        )
    )
    tracing.shutdown()
    spans = collector.spans()
    alias = attributes(spans["POST /v1/chat/completions"].attributes)["llmgw.alias"]
    assert isinstance(alias, str)
    assert 8190 <= len(alias.encode()) <= 8192
    chat = attributes(spans[f"chat {'m' * 251}"].attributes)
    assert "gen_ai.usage.input_tokens" not in chat
    assert chat["gen_ai.usage.output_tokens"] == 2**63 - 1
    assert chat["gen_ai.response.finish_reasons"] == ["é" * 4096]
    assert attributes(spans[f"attempt {'é' * 124}"].attributes)["llmgw.attempt.upstream_id"] == "?"
    assert tracing.dropped == 0


def test_no_words_of_a_conversation_leave(collector: Collector, start: Start) -> None:
    """Messages of errors may quote the caller or a credential, so no span has them."""
    words = "Bearer sk-secret: tell me a story"
    tracing = start(collector.url)
    tracing.record(
        finished(
            begun(tracing),
            error="provider_auth",
            error_message=words,
            status=502,
            attempts=[tried(error="provider_auth", message=words)],
            caller=Caller(key_id="key_1", name=words, role="caller"),
            usage=Usage(input_tokens=1, provider_details={"note": words}),
        )
    )
    tracing.shutdown()
    sent = b"".join(resource.SerializeToString() for resource in collector.resources())
    assert b"gen_ai.operation.name" in sent
    assert b"secret" not in sent
    assert b"story" not in sent


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({}, False),
        ({"status": 401, "error": "invalid_api_key", "attempts": []}, False),
        ({"status": 499, "error": "client_gone", "attempts": [tried(error="client_gone")]}, False),
        ({"status": 400, "error": "provider_refused", "attempts": [tried(error="provider_refused")]}, False),
        ({"status": 500, "error": "internal_error", "attempts": []}, True),
        ({"error": "stream_interrupted"}, True),
        ({"status": 429, "error": "rate_limited", "attempts": [tried(error="rate_limited")]}, True),
        ({"attempts": [tried(error="provider_timeout"), tried()]}, True),
        ({"ended_ns": 10_010 * MS}, True),
        ({"ended_ns": 10_009 * MS}, False),
    ],
)
def test_an_unsampled_call_is_kept_when_it_failed_or_was_slow(
    collector: Collector, start: Start, facts: dict[str, Any], kept: bool
) -> None:
    """Outcome decides at the end; mistakes and leavings of callers are not kept."""
    tracing = start(collector.url, sample=0.0)
    tracing.record(finished(begun(tracing), **facts))
    tracing.shutdown()
    assert bool(collector.spans()) is kept


@pytest.mark.parametrize(("sample", "flags", "sampled"), [(0.0, "01", True), (1.0, "00", False)])
def test_the_callers_sampling_decision_is_respected(
    collector: Collector, start: Start, sample: float, flags: str, sampled: bool
) -> None:
    """Ours is for traces that begin here."""
    tracing = start(collector.url, sample=sample)
    call = begun(tracing, f"00-{TRACE}-{SPAN}-{flags}")
    assert (call.trace_id, call.parent_span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert call.sampled is sampled


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_the_share_is_decided_as_other_services_do(collector: Collector, start: Start, share: float) -> None:
    """Same trace id, same share, same answer as the SDK's ratio sampler."""
    tracing = start(collector.url, sample=share)
    sampler = TraceIdRatioBased(share)
    calls = [begun(tracing) for _ in range(200)]
    assert [call.sampled for call in calls] == [
        sampler.should_sample(None, call.trace_id, "").decision is Decision.RECORD_AND_SAMPLE
        for call in calls
    ]


def test_a_bad_traceparent_starts_a_new_trace(collector: Collector, start: Start) -> None:
    """And the `tracestate` beside it is not even looked at."""
    call = begun(start(collector.url), "00-zz", "congo=1")
    assert call.parent_span_id is None
    assert call.trace_state == ""
