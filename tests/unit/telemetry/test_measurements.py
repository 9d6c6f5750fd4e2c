"""What is measured of a call and its context: the right things, once, under labels nobody outside chooses."""

from typing import Any

import pytest
from llmgw.telemetry import definitions
from llmgw.telemetry.aggregates import MAX_VALUES
from llmgw.telemetry.measurements import Measurements
from llmgw.telemetry.points import Known
from llmgw.types.call import Call, Caller
from llmgw.types.event import Usage
from llmgw.types.money import Charge
from llmgw.types.violation import Violation
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from tests.traced_calls import ALL_PASS, MS, admitted, continued, finished, lost, prompted, tried

Points = dict[str, list[tuple[dict[str, Any], Any]]]

PROVIDERS = ("openai", "anthropic")
TARGETS = ("openai/gpt-5", "anthropic/claude")
NOT_OPENED: dict[str, Any] = {
    "etag": "",
    "verdict": "",
    "checks": {},
    "final": False,
    "turns_before": 0,
    "commit_ended_ns": 0,
}
"""A context that could not be had."""


def call(**facts: object) -> Call:
    """A call that went well, and continued a context."""
    begun = Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=0,
    )
    return finished(begun, **{"context": continued(), "usage": Usage(input_tokens=90), **facts})


def measured(*calls: Call, models: tuple[str, ...] = ("gpt-5",)) -> Points:
    """What is told of these calls: per metric its points' labels and values, a histogram's as count and sum."""
    measurements = Measurements(0)
    measurements.know(
        Known(models=frozenset(models), targets=frozenset(TARGETS), providers=frozenset(PROVIDERS))
    )
    for each in calls:
        measurements.call(each)
    return {
        metric.name: [(dict(point.attributes or {}), _value(point)) for point in metric.data.data_points]
        for metric in measurements.metrics(1)
    }


def _value(point: object) -> object:
    if isinstance(point, HistogramDataPoint):
        return point.count, round(point.sum, 6)
    assert isinstance(point, NumberDataPoint)
    return point.value


def test_costs_add_up_in_dollars_by_whose_prices_they_are() -> None:
    """Each attempt's own, exactly, and those of calls made for another; what is not known adds nothing."""
    published, told = (Charge(nano=1, lines=(), source=source) for source in ("genai-prices", "provider"))
    inner = call(attempts=[tried(charge=Charge(nano=10**9, lines=(), source="genai-prices"))])
    outer = call(attempts=[tried(charge=told), tried(), tried(charge=published)], inner=[inner])
    assert outer.cost_nano == 10**9 + 2
    of = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
    }
    assert measured(outer, call())["llmgw.cost"] == [
        ({**of, "source": "genai-prices"}, 1.000000001),
        ({**of, "source": "provider"}, 1e-09),
    ]
    assert "llmgw.cost" not in measured(call())


def test_a_call_that_told_everything_is_measured_so() -> None:
    """Sizes, score, overhead of both ends, and a retrieval that hit; no loss, conflict or failure is named."""
    provider = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
    }
    assert measured(call()) == {
        "gen_ai.client.operation.duration": [(provider, (1, 0.04))],
        "gen_ai.client.token.usage": [({**provider, "gen_ai.token.type": "input"}, (1, 90))],
        "llmgw.attempts": [
            ({"llmgw.provider": "openai", "gen_ai.request.model": "gpt-5", "outcome": "ok"}, 1)
        ],
        "llmgw.requests": [({"http.route": "/v1/chat/completions", "http.response.status_code": "200"}, 1)],
        "http.server.request.duration": [
            (
                {
                    "http.request.method": "POST",
                    "http.route": "/v1/chat/completions",
                    "http.response.status_code": "200",
                },
                (1, 0.05),
            )
        ],
        "llmgw.overhead": [({"http.route": "/v1/chat/completions"}, (1, 0.01))],
        "llmgw.context.overhead": [
            ({"op": "begin", "size_class": "short", "cache": "hit"}, (1, 0.001)),
            ({"op": "commit", "size_class": "short", "cache": "hit"}, (1, 0.002)),
        ],
        "llmgw.context.size": [
            ({"unit": "turns"}, (1, 3)),
            ({"unit": "bytes"}, (1, 700)),
            ({"unit": "tokens"}, (1, 100)),
        ],
        "llmgw.context.preservation.score": [({"verdict": "preserved"}, (1, 1.0))],
        "llmgw.context.retrieval": [({"result": "hit"}, 1)],
        "llmgw.context.upstream_shortfall": [({"to": "openai"}, (1, 0.1))],
    }


def test_losses_are_told_apart_by_what_and_between_whom() -> None:
    """Code, severity, and the kinds of provider before and after; the same loss twice is two."""
    losses = (lost(0), lost(1), lost(2, code="window.trimmed", severity="major", source="fit"))
    found = measured(
        call(
            context=continued(losses=losses, verdict="lost", score=0.7, kind_before="anthropic"),
            attempts=[tried(kind="gemini")],
        )
    )
    assert found["llmgw.context.losses"] == [
        (
            {
                "code": "reasoning.opaque_dropped",
                "severity": "minor",
                "from": "anthropic",
                "to": "gemini",
            },
            2,
        ),
        ({"code": "window.trimmed", "severity": "major", "from": "anthropic", "to": "gemini"}, 1),
    ]
    assert found["llmgw.context.preservation.score"] == [({"verdict": "lost"}, (1, 0.7))]


def test_rules_that_do_not_hold_are_counted_by_rule_and_level() -> None:
    """Also where they refuse the call."""
    order = Violation(rule="role.order", pointer="/messages/0", message="m", level="strict")
    pairing = Violation(rule="tool.pairing", pointer="/messages/1", message="m", level="repair")
    violations = (order, pairing, order)
    refused = call(
        context=continued(violations=violations, final=False, verdict="", commit_ended_ns=0),
        error="context_violation",
        attempts=[],
    )
    assert measured(refused)["llmgw.context.violations"] == [
        ({"rule": "role.order", "level": "strict"}, 2),
        ({"rule": "tool.pairing", "level": "repair"}, 1),
    ]


@pytest.mark.parametrize(
    ("error", "facts", "result"),
    [
        (None, {}, "hit"),
        (None, {"turns_before": 0}, None),
        (None, {"replayed": True, "turns_before": 0}, "hit"),
        ("context_not_found", NOT_OPENED, "miss"),
        ("context_expired", NOT_OPENED, "expired"),
        ("context_erased", NOT_OPENED, "expired"),
        ("context_integrity_failed", NOT_OPENED, "integrity_fail"),
        ("context_quarantined", NOT_OPENED, "integrity_fail"),
        ("context_locked", NOT_OPENED, None),
        ("store_unavailable", NOT_OPENED, None),
        ("context_expired", {"final": True}, "hit"),
        ("provider_unreachable", {"final": False}, "hit"),
    ],
)
def test_retrieval_is_how_what_was_said_before_was_had(
    error: str | None, facts: dict[str, Any], result: str | None
) -> None:
    """Hits among all but busy contexts and absent stores is the share of calls that found their context."""
    found = measured(call(context=continued(**facts), error=error)).get("llmgw.context.retrieval")
    assert found == (None if result is None else [({"result": result}, 1)])


@pytest.mark.parametrize("kind", ["locked", "mismatch", "fenced"])
def test_conflicts_are_counted_by_kind(kind: str) -> None:
    """Whoever met another writer, and how."""
    assert measured(call(context=continued(conflict=kind)))["llmgw.context.conflicts"] == [
        ({"kind": kind}, 1)
    ]


@pytest.mark.parametrize(
    ("error", "checks", "failures"),
    [
        (None, ALL_PASS, None),
        (None, {**ALL_PASS, "c6": "fail"}, None),
        ("context_integrity_failed", {"c1": "fail"}, [({"op": "call"}, 1)]),
        ("context_integrity_failed", {}, [({"op": "call"}, 1)]),
        ("revision_mismatch", {"c1": "fail"}, [({"op": "call"}, 1)]),
    ],
)
def test_stored_bytes_that_are_not_what_was_stored_are_counted_once(
    error: str | None, checks: dict[str, Any], failures: object
) -> None:
    """A broken chain, a store that lost turns; a provider that counts too little is another matter."""
    found = measured(call(context=continued(checks=checks), error=error))
    assert found.get("llmgw.context.integrity_failures") == failures


@pytest.mark.parametrize("outcome", ["made", "failed"])
def test_summaries_are_counted_by_outcome(outcome: str) -> None:
    """Those that were needed, had or not."""
    assert measured(call(context=continued(summary=outcome)))["llmgw.context.compactions"] == [
        ({"result": outcome}, 1)
    ]


@pytest.mark.parametrize(
    ("facts", "absent"),
    [
        (NOT_OPENED, {"overhead", "size", "preservation.score", "losses", "upstream_shortfall"}),
        ({"replayed": True}, {"overhead", "size", "preservation.score", "losses", "upstream_shortfall"}),
        ({"final": False}, {"size", "preservation.score", "losses", "upstream_shortfall"}),
        ({"checks": {**ALL_PASS, "c6": "skip"}}, {"upstream_shortfall"}),
        ({"tokens": 0}, {"upstream_shortfall"}),
    ],
)
def test_only_what_is_known_is_measured(facts: dict[str, Any], absent: set[str]) -> None:
    """An answer that broke off has no score, a replay costs nothing, what was not counted has no shortfall."""
    found = measured(call(context=continued(losses=(lost(),), **facts)))
    assert not {f"llmgw.context.{name}" for name in absent} & set(found)


@pytest.mark.parametrize(
    ("reported", "share"), [(100, 0.0), (50, 0.5), (0, 1.0), (200, 0.0), (None, None), (2**70, None)]
)
def test_the_shortfall_is_what_the_provider_does_not_count(reported: int | None, share: float | None) -> None:
    """As a share of what was sent; never below nothing, and not of numbers that are none."""
    found = measured(call(usage=Usage(input_tokens=reported))).get("llmgw.context.upstream_shortfall")
    assert found == (None if share is None else [({"to": "openai"}, (1, share))])


def test_calls_made_for_a_call_are_measured_as_what_they_are() -> None:
    """A summary's tokens and duration count; the overhead is the outer call's alone."""
    outer = call()
    inner = outer.within(lambda: 9, 11 * MS)
    outer.inner.append(finished(inner, attempts=[tried(model="mini")], usage=Usage(output_tokens=7)))
    found = measured(outer, models=("gpt-5", "mini"))
    models = [labels["gen_ai.request.model"] for labels, _ in found["gen_ai.client.operation.duration"]]
    assert sorted(models) == ["gpt-5", "mini"]
    assert found["llmgw.overhead"] == [({"http.route": "/v1/chat/completions"}, (1, 0.01))]


@pytest.mark.parametrize(
    ("facts", "output", "outcome"),
    [
        ({}, "valid", "ok"),
        ({}, "invalid", "invalid_output"),
        ({"status": 502, "error": "output_schema_violation"}, "invalid", "invalid_output"),
        ({"status": 422, "error": "input_schema_violation"}, "", "refused"),
        ({"status": 503, "error": "no_healthy_target"}, "", "failed"),
    ],
)
def test_calls_are_counted_by_the_version_that_served_them(
    facts: dict[str, Any], output: str, outcome: str
) -> None:
    """With the side of a rollout and what came of it; a call without a prompt is not counted."""
    served = prompted(output=output)
    found = measured(call(prompt=served, **facts), call())["llmgw.prompt.calls"]
    assert found == [
        ({"prompt": "support/triage", "version": "7", "arm": "candidate", "outcome": outcome}, 1)
    ]


def test_publishers_cannot_make_labels_without_end() -> None:
    """The two hundred and first prompt is `other`, with all that follow; none is lost."""
    calls = [call(prompt=prompted(name=f"p{number}")) for number in range(300)]
    found = measured(*calls)["llmgw.prompt.calls"]
    assert len(found) == 201
    assert sum(count for _, count in found) == 300
    assert [count for labels, count in found if labels["prompt"] == "other"] == [100]


@pytest.mark.parametrize(("age", "points"), [(3.5, [({}, 3.5)]), (float("inf"), None)])
def test_the_age_of_what_is_known_of_prompts_is_asked_for_each_report(age: float, points: Any) -> None:
    """What was never known has no age."""
    measurements = Measurements(0)
    measurements.watch(definitions.PROMPT_SNAPSHOT_AGE, lambda: age)
    found = {
        metric.name: [(dict(point.attributes or {}), _value(point)) for point in metric.data.data_points]
        for metric in measurements.metrics(1)
    }
    assert found.get("llmgw.prompt.snapshot.age") == points


def test_refusals_are_counted_by_their_code_and_by_whose_limit_it_is() -> None:
    """Names of limits are no labels; calls that were let through are not counted."""
    refused = [
        call(admission=admitted(limit=f"team:t{number}:month"), error="budget_exceeded", attempts=[])
        for number in range(3)
    ]
    limited = call(admission=admitted(limit="key:k:requests"), error="rate_limit_exceeded", attempts=[])
    assert measured(*refused, limited, call(admission=admitted()))["llmgw.admission.refusals"] == [
        ({"code": "budget_exceeded", "scope": "team"}, 3),
        ({"code": "rate_limit_exceeded", "scope": "key"}, 1),
    ]


def test_models_go_by_name_only_where_the_configuration_names_them() -> None:
    """Callers may ask for any model of a provider; those are `other`, all together."""
    calls = [call(attempts=[tried(model=f"model-{number}")]) for number in range(1000)]
    found = measured(*calls, models=("model-7",))["gen_ai.client.operation.duration"]
    assert {labels["gen_ai.request.model"]: value[0] for labels, value in found} == {
        "model-7": 1,
        "other": 999,
    }


def test_nothing_a_tenant_writes_is_ever_a_label() -> None:
    """Names, ids, models, tags, pointers, messages: none of it is among the labels of any metric."""
    words = "my-secret-words"
    hostile = call(
        id=words,
        request_id=words,
        alias=words,
        tags=(words,),
        caller=Caller(key_id=words, name=words, role="caller", tenant=words),
        attempts=[tried(target=words, provider=words, model=words, upstream_id=words, message=words)],
        answered_model=words,
        answered_id=words,
        finish_reasons=(words,),
        error_message=words,
        stream=True,
        first_content_ns=20 * MS,
        usage=Usage(input_tokens=90, output_tokens=9, provider_details={words: words}),
        context=continued(
            id=words,
            etag=f"2-{words}",
            forked_from=words,
            switched_from=words,
            conflict="fenced",
            summary="made",
            verdict="lost",
            checks={**ALL_PASS, "c1": "fail"},
            losses=(lost(pointer=f"/{words}", detail=words),),
            violations=(Violation(rule="role.order", pointer=f"/{words}", message=words, level="warn"),),
        ),
    )
    found = measured(hostile)
    assert len(found) == 19
    assert words not in repr(found)


def test_ten_thousand_made_up_names_do_not_make_metrics_grow() -> None:
    """Models, targets and providers that nobody configured are one; tenants and codes two hundred, and others."""
    measurements = Measurements(0)
    measurements.know(Known(models=frozenset({"gpt-5"})))
    for number in range(10_000):
        name = f"made-up-{number}"
        measurements.call(
            call(
                alias=name,
                error=name,
                status=400,
                caller=Caller(key_id=name, name=name, role="caller", tenant=name),
                attempts=[
                    tried(target=name, model=name, provider=name, error=name),
                    tried(target=f"{name}/2", charge=Charge(nano=1, lines=(), source="local")),
                ],
            )
        )
    points = measurements.points()
    assert max(map(len, points.values())) <= MAX_VALUES + 1
    assert sum(point.value for point in points["llmgw.tenant.cost"]) == pytest.approx(10_000 / 10**9)
    assert sum(point.value for point in points["llmgw.requests"]) == 10_000
    assert [point.labels for point in points["llmgw.fallbacks"]] == [("other", "other")]


def test_streams_are_measured_as_their_callers_see_them() -> None:
    """From the call's first byte to its first content, and from there per token; only whole streams have a pace."""
    stream = {"stream": True, "first_content_ns": 32 * MS, "usage": Usage(output_tokens=11)}
    found = measured(call(**stream), call(**stream, error="stream_interrupted"))
    assert [value for _, value in found["gen_ai.server.time_to_first_token"]] == [(2, 0.044)]
    assert [value for _, value in found["gen_ai.server.time_per_output_token"]] == [(1, 0.002)]
    for never in (call(), call(stream=True), call(**{**stream, "usage": Usage(output_tokens=1)})):
        assert "gen_ai.server.time_per_output_token" not in measured(never)


def test_tries_and_moves_to_other_targets_are_counted() -> None:
    """Each attempt by its provider and outcome; two at one target are no fallback."""
    found = measured(
        call(
            attempts=[
                tried(error="provider_failed"),
                tried(error="provider_failed"),
                tried(target="anthropic/claude", provider="anthropic", model="claude"),
            ]
        ),
        models=("gpt-5", "claude"),
    )
    assert [(*labels.values(), count) for labels, count in found["llmgw.attempts"]] == [
        ("openai", "gpt-5", "provider_failed", 2),
        ("anthropic", "claude", "ok", 1),
    ]
    assert found["llmgw.fallbacks"] == [({"from": "openai/gpt-5", "to": "anthropic/claude"}, 1)]


def test_a_method_that_a_route_does_not_take_is_not_told_by_its_name() -> None:
    """Callers may send any word; calls that were none are told apart from those that were."""
    found = measured(call(error="method_not_allowed", status=405, attempts=[], context=None))
    ((labels, _),) = found["http.server.request.duration"]
    assert labels["http.request.method"] == "_OTHER"
