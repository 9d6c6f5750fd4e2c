"""What became of stored conversations is found in the traces that a real collector gets."""

from collections.abc import Callable
from typing import Any

import pytest
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call, Caller
from llmgw.types.event import Usage
from llmgw.types.violation import Violation
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.collectors import Collector, attributes
from tests.traced_calls import ALL_PASS, MS, UNIX, begun, continued, finished, lost, tried

Start = Callable[..., Tracing]

ROOT, CHAT = "POST /v1/chat/completions", "chat gpt-5"
BEGIN, FIT, COMMIT = "llmgw.context.begin", "llmgw.context.fit", "llmgw.context.commit"
RED, UNSET = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET

REFUSED: dict[str, Any] = {"attempts": [], "waited_ns": 0}
"""A call that never came to ask a model."""
NOT_REPORTED: dict[str, Any] = {
    "verdict": "",
    "checks": {},
    "final": False,
    "fit_started_ns": 0,
    "commit_started_ns": 0,
    "commit_ended_ns": 0,
}
"""A context of which nothing was told."""
NOT_OPENED: dict[str, Any] = {**NOT_REPORTED, "etag": "", "rev": 0, "turns": 0, "turns_before": 0}


def sent(collector: Collector, start: Start, call: Callable[[Tracing], Call]) -> dict[str, Span]:
    """The spans of one call that is kept for being sampled."""
    tracing = start(collector.url)
    tracing.record(call(tracing))
    tracing.shutdown()
    return collector.spans()


def test_a_call_with_a_context_is_one_tree(collector: Collector, start: Start) -> None:
    """Begin, fit, the logical call and commit are children of the request, in their order and with their times."""
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=continued()))
    names = [ROOT, BEGIN, FIT, CHAT, "attempt openai", COMMIT]
    assert sorted(spans) == sorted(names)
    root, chat = spans[ROOT].span_id, spans[CHAT].span_id
    assert [spans[name].parent_span_id for name in names] == [b"", root, root, root, chat, root]
    assert len({span.span_id for span in spans.values()}) == len(names)
    assert {span.trace_id for span in spans.values()} == {spans[ROOT].trace_id}
    assert {spans[name].kind for name in (BEGIN, FIT, COMMIT)} == {Span.SPAN_KIND_INTERNAL}
    assert [
        ((s.start_time_unix_nano - UNIX) // MS, (s.end_time_unix_nano - UNIX) // MS)
        for s in map(spans.__getitem__, names)
    ] == [(0, 50), (0, 1), (1, 2), (2, 42), (2, 42), (43, 45)]
    assert {span.status.code for span in spans.values()} == {UNSET}
    assert attributes(spans[BEGIN].attributes) == {
        "gen_ai.conversation.id": "ctx_1",
        "llmgw.context.cache": "hit",
    }
    assert (
        attributes(spans[FIT].attributes)
        == attributes(spans[COMMIT].attributes)
        == {"gen_ai.conversation.id": "ctx_1"}
    )


def test_the_request_and_the_logical_call_say_what_was_told(collector: Collector, start: Start) -> None:
    """Both have the same attributes of the context, so that a search finds either."""
    facts = continued(
        verdict="degraded",
        score=0.95,
        fit="drop_oldest",
        switched_from="claude",
        turns=300,
        losses=(lost(0), lost(1), lost(2, code="window.trimmed", severity="major", source="fit")),
        violations=(Violation(rule="toolset.changed", pointer="/tools", message="m", level="warn"),),
        checks={**ALL_PASS, "c4": "pass", "c6": "fail"},
    )
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=facts))
    expected = {
        "gen_ai.conversation.id": "ctx_1",
        "llmgw.context.bytes": 700,
        "llmgw.context.cache": "hit",
        "llmgw.context.check.c1": "pass",
        "llmgw.context.check.c2": "pass",
        "llmgw.context.check.c3": "pass",
        "llmgw.context.check.c4": "pass",
        "llmgw.context.check.c5": "pass",
        "llmgw.context.check.c6": "fail",
        "llmgw.context.check.c7": "skip",
        "llmgw.context.check.c8": "skip",
        "llmgw.context.conflict": "none",
        "llmgw.context.enforcement": "repair",
        "llmgw.context.fit": "drop_oldest",
        "llmgw.context.from_provider": "claude",
        "llmgw.context.head": "00112233445566ff",
        "llmgw.context.overhead_ms": 3.0,
        "llmgw.context.preservation.losses": ["reasoning.opaque_dropped", "window.trimmed"],
        "llmgw.context.preservation.score": 0.95,
        "llmgw.context.preservation.verdict": "degraded",
        "llmgw.context.provider_switched": True,
        "llmgw.context.replayed": False,
        "llmgw.context.retried": False,
        "llmgw.context.rev": 2,
        "llmgw.context.size_class": "long",
        "llmgw.context.tokens_est": 100,
        "llmgw.context.turns": 300,
        "llmgw.context.turns_sent": 3,
        "llmgw.context.violations": 1,
        "llmgw.context.window_used_ratio": 0.25,
    }
    for name in (ROOT, CHAT):
        said = attributes(spans[name].attributes)
        assert {key: value for key, value in said.items() if key.startswith("llmgw.context.")} == {
            key: value for key, value in expected.items() if key.startswith("llmgw.context.")
        }
        assert said["gen_ai.conversation.id"] == "ctx_1"
    assert "gen_ai.conversation.compacted" not in attributes(spans[CHAT].attributes)


@pytest.mark.parametrize("facts", [{"fit": "summarise"}, {"losses": (lost(code="window.summarised"),)}])
def test_a_summary_in_place_of_turns_is_said_in_the_conventions_word(
    collector: Collector, start: Start, facts: dict[str, Any]
) -> None:
    """`gen_ai.conversation.compacted` is true where turns were told by a summary, and is else not there."""
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=continued(**facts)))
    assert attributes(spans[CHAT].attributes)["gen_ai.conversation.compacted"] is True


def test_losses_and_violations_are_events_of_the_logical_call(collector: Collector, start: Start) -> None:
    """Code, severity, pointer and source of each; the worst loss first, what the provider left out at its end."""
    facts = continued(
        verdict="lost",
        losses=(
            lost(4),
            lost(1, code="upstream.dropped", severity="major", source="upstream", detail="the words said"),
        ),
        violations=(
            Violation(rule="tool.pairing", pointer="/messages/2", message="the words", level="repair"),
        ),
    )
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=facts))
    assert [
        (event.name, (event.time_unix_nano - UNIX) // MS, attributes(event.attributes))
        for event in spans[CHAT].events
    ] == [
        (
            "llmgw.context.violation",
            2,
            {"rule": "tool.pairing", "pointer": "/messages/2", "level": "repair"},
        ),
        (
            "llmgw.context.loss",
            42,
            {
                "code": "upstream.dropped",
                "severity": "major",
                "pointer": "/turns/1/parts/0",
                "source": "upstream",
            },
        ),
        (
            "llmgw.context.loss",
            2,
            {
                "code": "reasoning.opaque_dropped",
                "severity": "minor",
                "pointer": "/turns/4/parts/0",
                "source": "render",
            },
        ),
    ]
    assert not spans[ROOT].events


def test_a_call_that_asked_nobody_has_its_events_on_the_request(collector: Collector, start: Start) -> None:
    """Where the rules of a context refuse the call, the request says which ones."""
    violations = (Violation(rule="role.order", pointer="/messages/0", message="m", level="strict"),)
    facts = continued(**NOT_REPORTED, violations=violations)
    spans = sent(
        collector,
        start,
        lambda tracing: finished(
            begun(tracing), context=facts, status=422, error="context_violation", **REFUSED
        ),
    )
    assert sorted(spans) == [ROOT, BEGIN]
    (event,) = spans[ROOT].events
    assert attributes(event.attributes)["rule"] == "role.order"
    assert spans[ROOT].status.code == RED


@pytest.mark.parametrize(
    ("error", "status", "facts", "red"),
    [
        ("context_locked", 409, {**NOT_OPENED, "conflict": "locked"}, set()),
        ("revision_mismatch", 412, {**NOT_OPENED, "conflict": "mismatch"}, set()),
        ("context_not_found", 404, NOT_OPENED, set()),
        ("context_erased", 410, NOT_OPENED, set()),
        (
            "revision_mismatch",
            412,
            {**NOT_OPENED, "conflict": "mismatch", "checks": {"c1": "fail"}},
            {ROOT, BEGIN},
        ),
        ("context_integrity_failed", 500, {**NOT_OPENED, "checks": {"c1": "fail"}}, {ROOT, BEGIN}),
        ("context_quarantined", 409, NOT_OPENED, {ROOT, BEGIN}),
        ("store_unavailable", 503, NOT_OPENED, {ROOT, BEGIN}),
        ("context_violation", 422, NOT_REPORTED, {ROOT}),
        ("context_not_preserved", 422, {"commit_started_ns": 0, "final": False}, {ROOT, FIT}),
        ("context_length_exceeded", 413, {"commit_started_ns": 0, "final": False}, {ROOT, FIT}),
    ],
)
def test_red_is_what_the_context_refused_or_the_house_failed(
    collector: Collector, start: Start, error: str, status: int, facts: dict[str, Any], red: set[str]
) -> None:
    """Callers' mistakes and other writers are no errors of the server's; the step that failed is red with it."""
    spans = sent(
        collector,
        start,
        lambda tracing: finished(
            begun(tracing), context=continued(**facts), status=status, error=error, **REFUSED
        ),
    )
    assert {name for name, span in spans.items() if span.status.code == RED} == red
    assert attributes(spans[ROOT].attributes)["error.type"] == error


@pytest.mark.parametrize(
    "facts",
    [
        {"verdict": "degraded"},
        {"verdict": "lost"},
        {"verdict": "unverified"},
        {"checks": {**ALL_PASS, "c6": "fail"}},
    ],
)
def test_a_loss_that_was_told_is_no_error(collector: Collector, start: Start, facts: dict[str, Any]) -> None:
    """An answer that is reported as degraded or lost has a span to be found, not a red one."""
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=continued(**facts)))
    assert {span.status.code for span in spans.values()} == {UNSET}


def test_a_fenced_answer_is_red_where_it_was_refused(collector: Collector, start: Start) -> None:
    """The request and its commit are red; the provider did what it was asked."""
    facts = continued(conflict="fenced")
    spans = sent(
        collector,
        start,
        lambda tracing: finished(begun(tracing), context=facts, status=409, error="context_fenced"),
    )
    assert {name for name, span in spans.items() if span.status.code == RED} == {ROOT, COMMIT}
    assert attributes(spans[ROOT].attributes)["llmgw.context.conflict"] == "fenced"


def test_a_replay_says_that_nobody_was_asked(collector: Collector, start: Start) -> None:
    """An answer given again has the revision it made then, and no report: that is the first call's."""
    facts = continued(**{**NOT_REPORTED, "replayed": True, "turns": 0, "turns_before": 0, "cache": "cold"})
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=facts, **REFUSED))
    said = attributes(spans[ROOT].attributes)
    assert sorted(spans) == [ROOT, BEGIN]
    assert (said["llmgw.context.replayed"], said["llmgw.context.rev"]) == (True, 2)
    assert not {"llmgw.context.turns", "llmgw.context.preservation.verdict"} & set(said)
    assert attributes(spans[BEGIN].attributes)["llmgw.context.replayed"] is True


def test_calls_made_for_a_call_are_its_children(collector: Collector, start: Start) -> None:
    """A summary's logical call is in the tree under its own id, with its attempt; the context is not said of it."""

    def call(tracing: Tracing) -> Call:
        outer = finished(begun(tracing), context=continued(summary="made", fit="summarise"))
        inner = outer.within(lambda: 0xC0FFEE, 11 * MS)
        outer.inner.append(
            finished(inner, attempts=[tried(span_id=0xB1, model="mini", provider="p2")], ended_ns=20 * MS)
        )
        return outer

    spans = sent(collector, start, call)
    inner = spans["chat mini"]
    assert inner.parent_span_id == spans[ROOT].span_id
    assert spans["attempt p2"].parent_span_id == inner.span_id
    said = attributes(inner.attributes)
    assert said["llmgw.call.id"] == "call_1.1"
    assert not [name for name in said if name.startswith("llmgw.context.")]
    assert attributes(spans[FIT].attributes)["llmgw.context.summary"] == "made"
    assert len(spans) == 8


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({}, False),
        ({"verdict": "degraded"}, True),
        ({"verdict": "lost"}, True),
        ({"verdict": "unverified"}, True),
        ({"verdict": "unverified", "final": False}, False),
        ({"verdict": "degraded", "final": False}, True),
        ({"verdict": ""}, False),
        ({"conflict": "fenced"}, True),
        ({"conflict": "locked"}, False),
        ({"conflict": "mismatch"}, False),
        ({"checks": {"c1": "fail"}}, True),
        ({"checks": {**ALL_PASS, "c3": "fail"}}, True),
        ({"replayed": True}, False),
    ],
)
def test_an_unsampled_call_is_kept_for_what_became_of_its_context(
    collector: Collector, start: Start, facts: dict[str, Any], kept: bool
) -> None:
    """All that was not preserved, fenced or not sound; calls that told everything go by the sample."""
    tracing = start(collector.url, sample=0.0)
    tracing.record(finished(begun(tracing), context=continued(**facts)))
    tracing.shutdown()
    assert bool(collector.spans()) is kept


def test_a_call_is_kept_with_the_one_it_was_made_for(collector: Collector, start: Start) -> None:
    """A summary that failed makes its call worth a trace, though that was answered."""
    tracing = start(collector.url, sample=0.0)
    call = finished(begun(tracing), context=continued())
    inner = call.within(lambda: 7, 11 * MS)
    call.inner.append(finished(inner, status=502, error="provider_unreachable"))
    tracing.record(call)
    tracing.shutdown()
    assert ROOT in collector.spans()


@pytest.mark.parametrize("losses", [31, 32, 33, 5000])
def test_events_are_bounded_and_counted(collector: Collector, start: Start, losses: int) -> None:
    """At most 32, the worst among them; how many more there were is said."""
    many = (*(lost(number) for number in range(losses - 1)), lost(losses, severity="fatal"))
    spans = sent(collector, start, lambda tracing: finished(begun(tracing), context=continued(losses=many)))
    chat = spans[CHAT]
    assert len(chat.events) == min(losses, 32)
    assert chat.dropped_events_count == max(0, losses - 32)
    assert attributes(chat.events[0].attributes)["severity"] == "fatal"


def test_a_span_stays_small_whatever_it_is_given(collector: Collector, start: Start) -> None:
    """Texts of megabytes and thousands of losses, rules and tags: no span has more than 256 KiB."""
    huge = "é" * 1_000_000
    facts = continued(
        id=huge,
        verdict="lost",
        fit=huge,
        enforcement=huge,
        switched_from=huge,
        forked_from=huge,
        losses=tuple(lost(n, code=f"code.{'x' * n}", pointer=f"/{huge}") for n in range(300)),
        violations=tuple(
            Violation(rule="r" * 10_000, pointer=f"/{huge}", message=huge, level="warn") for _ in range(50)
        ),
    )
    spans = sent(
        collector,
        start,
        lambda tracing: finished(
            begun(tracing),
            context=facts,
            alias=huge,
            tags=tuple(f"{n}{huge[:200]}" for n in range(1000)),
            caller=Caller(key_id=huge, name=huge, role="caller"),
            attempts=[tried(target=huge, provider=huge, model=huge, upstream_id=huge)],
            answered_id=huge,
            answered_model=huge,
            finish_reasons=(huge, huge),
        ),
    )
    assert len(spans) == 6
    assert max(span.ByteSize() for span in spans.values()) < 256 * 1024
    for span in spans.values():
        assert len(span.name.encode()) <= 256
        for pair in span.attributes:
            assert pair.value.ByteSize() <= 8192 + 2048
    for event in spans[f"chat {'é' * 125}"].events:
        assert event.ByteSize() < 10_000


def test_no_words_of_a_conversation_are_in_a_span(collector: Collector, start: Start) -> None:
    """Messages and details of losses and violations may quote what was said; the spans have neither."""
    words = "my name is Ada and my secret is 1234"
    facts = continued(
        verdict="lost",
        losses=(lost(detail=words),),
        violations=(
            Violation(rule="role.order", pointer="/messages/0", message=words, level="warn", repaired=words),
        ),
    )
    sent(
        collector,
        start,
        lambda tracing: finished(
            begun(tracing),
            context=facts,
            error_message=words,
            usage=Usage(input_tokens=1, provider_details={"note": words}),
        ),
    )
    out = b"".join(resource.SerializeToString() for resource in collector.resources())
    assert b"llmgw.context.loss" in out
    assert b"Ada" not in out
    assert b"1234" not in out


def test_names_of_spans_hold_no_ids(collector: Collector, start: Start) -> None:
    """Two calls with two contexts have the same names."""
    tracing = start(collector.url)
    for name in ("ctx_1", "ctx_2"):
        tracing.record(finished(begun(tracing), context=continued(id=name)))
    tracing.shutdown()
    assert len(collector.all_spans()) == 2 * len(collector.spans())
