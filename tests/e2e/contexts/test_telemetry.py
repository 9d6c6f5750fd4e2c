"""An operator finds which call lost context, and why: in traces, metrics and the log of a served gateway."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from redis import Redis
from tests.collectors import BlackHole, Collector, attributes
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.running import RunningGateway
from tests.waiting import until

OPENAI, CLAUDE, _ = MODELS
TURN = {"turns": [{"role": "user", "parts": [{"type": "text", "text": "a word of mine"}]}]}
PARENT = "00f067aa0ba902b7"
PATCH = [{"op": "add", "path": "/x", "value": 1}]


class Watched:
    """A gateway whose collector keeps what comes; of ordinary calls only those whose caller says so."""

    def __init__(self, gateway: RunningGateway, collector: Collector) -> None:
        self.gateway = gateway
        self.collector = collector
        self.desk = Desk.of(gateway, "acme")

    def traces(self, **said: object) -> list[dict[str, Span]]:
        """The traces that have a span with these attributes, whole, as a search finds them."""
        wanted = {name.replace("__", "."): value for name, value in said.items()}
        spans = self.collector.all_spans()
        found = {span.trace_id for span in spans if wanted.items() <= attributes(span.attributes).items()}
        return [{span.name: span for span in spans if span.trace_id == trace} for trace in sorted(found)]

    def trace(self, **said: object) -> dict[str, Span]:
        """The one trace that has a span with these attributes, once it has come."""
        (trace,) = until(lambda: self.traces(**said), f"a span with {said}")
        return trace

    def read_back(self) -> str:
        """A context of one call whose answer was read back, so that what is changed next is not found there."""
        context = self.desk.made()
        said = {"model": OPENAI, "messages": [{"role": "user", "content": "one"}]}
        status, trace = self.asked("POST", "/chat/completions", {**said, "llmgw": {"context": context}})
        assert status == 200
        until(lambda: "llmgw.context.read_back" in self.spans(trace), "the answer to be read back")
        return context

    def of_caller(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, dict[str, Span]]:
        """Make one exchange within a sampled trace of ours; return its status and the trace's spans."""
        status, trace = self.asked(method, path, body, **more)
        return status, self.spans(trace)

    def asked(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, bytes]:
        """Make one exchange within a sampled trace of ours; return its status and the trace's id."""
        trace = secrets.token_bytes(16)
        headers = {"traceparent": f"00-{trace.hex()}-{PARENT}-01"}
        return self.desk.ask(method, path, body, headers=headers, **more).status, trace

    def spans(self, trace: bytes) -> dict[str, Span]:
        """The spans of a trace of ours, once they have come."""

        def look() -> dict[str, Span]:
            return {each.name: each for each in self.collector.all_spans() if each.trace_id == trace}

        found = until(look, "a trace of ours")
        assert PARENT in {each.parent_span_id.hex() for each in found.values()}
        return found

    def metric(self, name: str, **labels: str) -> Any:
        """A point of a metric, once one with these labels was reported."""

        def look() -> Any:
            metrics = self.collector.metrics()
            for point in points_of(metrics[name]) if name in metrics else ():
                if labels.items() <= attributes(point.attributes).items():
                    return point
            return None

        return until(look, f"{name} with {labels}")

    def lines(self, context: str) -> list[dict[str, Any]]:
        """The log's lines about the calls of a context."""
        lines = [json.loads(line) for line in self.gateway.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == "call" and line.get("context") == context]


def points_of(metric: Metric) -> list[Any]:
    """The points of a metric of any kind."""
    return [*metric.sum.data_points, *metric.histogram.data_points]


def config(simulator_url: str, collector_url: str) -> dict[str, Any]:
    """Nothing is sampled, and metrics are reported each second."""
    telemetry = {"otlp_endpoint": collector_url, "sample": 0.0, "metrics_s": 1}
    return {**config_for(simulator_url), "telemetry": telemetry}


@pytest.fixture(scope="module")
def watched(
    strict_simulator: SimulatorProcess, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A gateway and its collector, on a store that a test can change."""
    collector = Collector()
    home = tmp_path_factory.mktemp("watched")
    settings = config(strict_simulator.base_url, collector.url)
    settings["contexts"] = {"read_back": 1.0}
    settings["state"] = {"dir": str(home / "state"), "url": valkey.url}
    with RunningGateway(home, settings) as gateway:
        yield Watched(gateway, collector)
    collector.close()


def test_the_call_that_lost_context_is_found(watched: Watched) -> None:
    """Of two calls, the one that could not tell all is a trace, a count and a verdict in the log."""
    desk = watched.desk
    context = desk.made()
    first = desk.say(context, "My name is Ada.", CLAUDE, reasoning_effort="high")
    assert first.headers["x-llmgw-preservation"].startswith("verdict=preserved")
    second = desk.say(context, "What is my name?", OPENAI)
    verdict = second.headers["x-llmgw-preservation"].partition(";")[0].partition("=")[2]
    assert verdict in {"degraded", "lost"}

    trace = watched.trace(gen_ai__conversation__id=context, llmgw__context__preservation__verdict=verdict)
    root, chat = trace["POST /v1/chat/completions"], trace["chat gpt-5.2"]
    assert sorted(trace) == [
        "POST /v1/chat/completions",
        "attempt openai",
        "chat gpt-5.2",
        "llmgw.context.begin",
        "llmgw.context.commit",
        "llmgw.context.fit",
    ]
    said = attributes(root.attributes)
    assert said["llmgw.call.id"] == second.headers["x-llmgw-call-id"]
    assert said["llmgw.context.from_provider"] == "claude"
    assert said["llmgw.context.rev"] == 2
    assert f'"2-{said["llmgw.context.head"]}"' == second.headers["etag"]
    losses: Any = said["llmgw.context.preservation.losses"]
    events = [attributes(event.attributes) for event in chat.events if event.name == "llmgw.context.loss"]
    assert losses == list(dict.fromkeys(event["code"] for event in events))
    report = desk.ask("GET", f"/contexts/{context}/report/2").json()["report"]
    assert [
        {key: each[key] for key in ("code", "severity", "pointer", "source")} for each in report["losses"]
    ] == events
    assert not [span for span in trace.values() if span.status.code == Status.STATUS_CODE_ERROR]
    assert len(watched.traces(gen_ai__conversation__id=context)) == 1

    counted = watched.metric(
        "llmgw.context.losses", **{"code": losses[0], "from": "anthropic", "to": "openai"}
    )
    assert counted.as_int >= 1
    assert watched.metric("llmgw.context.preservation.score", verdict=verdict).count == 1
    assert watched.metric("llmgw.context.retrieval", result="hit").as_int >= 1

    until(lambda: len(watched.lines(context)) == 2, "both lines in the log")
    lines = watched.lines(context)
    assert [(line["rev"], line["preservation"], line["losses"]) for line in lines] == [
        (1, "preserved", 0),
        (2, verdict, len(events)),
    ]
    assert lines[1]["score"] == said["llmgw.context.preservation.score"]
    assert lines[1]["trace_id"] == root.trace_id.hex()


def test_what_was_stored_is_read_back_within_the_calls_trace(watched: Watched) -> None:
    """Check C8 runs behind the answer, and its span is a child of the request it is about."""
    context = watched.desk.made()
    body = {
        "model": OPENAI,
        "messages": [{"role": "user", "content": "hi"}],
        "llmgw": {"context": context},
    }
    status, trace = watched.asked("POST", "/chat/completions", body)
    assert status == 200
    until(lambda: len(watched.spans(trace)) == 7, "the call's six spans and one more")
    spans = watched.spans(trace)
    read = spans["llmgw.context.read_back"]
    said = attributes(read.attributes)
    assert read.parent_span_id == spans["POST /v1/chat/completions"].span_id
    assert (said["llmgw.context.check.c8"], said["llmgw.context.rev"]) == ("pass", 1)


def test_a_context_whose_bytes_were_changed_is_found(watched: Watched, valkey: EmbeddedValkey) -> None:
    """A turn is written over in the store: the proof that finds it is kept and red, and so is a call after it."""
    desk = watched.desk
    context = watched.read_back()
    with Redis.from_url(valkey.url) as store:
        key = f"llmgw:ctx:{{acme/{context}}}:t"
        frame = store.lindex(key, 1)
        store.lset(key, 1, frame[:-9] + b"otherwise")
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"] is False
    trace = watched.trace(gen_ai__conversation__id=context, llmgw__context__check__c1="fail")
    assert trace["llmgw.context.verify"].status.code == Status.STATUS_CODE_ERROR
    assert watched.metric("llmgw.context.integrity_failures", op="verify").as_int == 1
    body = {
        "model": OPENAI,
        "messages": [{"role": "user", "content": "two"}],
        "llmgw": {"context": context},
    }
    status, trace = watched.of_caller("POST", "/chat/completions", body)
    root = trace["POST /v1/chat/completions"]
    assert (status, attributes(root.attributes)["error.type"]) == (409, "context_quarantined")
    assert root.status.code == Status.STATUS_CODE_ERROR
    assert watched.metric("llmgw.context.retrieval", result="integrity_fail").as_int == 1


def test_every_operation_is_a_span_of_its_callers_trace(watched: Watched) -> None:
    """What own routes do with a context has its name, the context, what it left, and nothing of what was said."""
    context, other = "op-1", "op-2"
    done: list[tuple[str, str, str, Any]] = [
        ("create", "POST", "/contexts", {"id": context, "subject": "ops"}),
        ("append", "POST", f"/contexts/{context}/turns", TURN),
        ("read", "GET", f"/contexts/{context}", None),
        ("read", "GET", f"/contexts/{context}/turns", None),
        ("patch_state", "PATCH", f"/contexts/{context}/state", PATCH),
        ("replace_state", "PUT", f"/contexts/{context}/state", {"a": "word of mine"}),
        ("fork", "POST", f"/contexts/{context}/fork", {"id": other}),
        ("append", "POST", f"/contexts/{other}/turns", TURN),
        ("merge", "POST", f"/contexts/{context}/merge", {"source": other}),
        ("redact", "POST", f"/contexts/{context}/redact", {"turns": [0]}),
        ("verify", "POST", f"/contexts/{context}/verify", None),
        ("export", "GET", f"/contexts/{context}/export", None),
        ("erase", "DELETE", f"/contexts/{context}?forks=erase", None),
    ]
    asked = [watched.asked(*rest) for _, *rest in done]
    assert [status // 100 for status, _ in asked] == [2] * len(done)
    traces = [watched.spans(trace) for _, trace in asked]
    assert [list(trace) for trace in traces] == [[f"llmgw.context.{name}"] for name, *_ in done]
    spans = [span for trace in traces for span in trace.values()]
    for name, *_ in done:
        watched.metric("llmgw.context.operation.duration", op=name)
    left: list[dict[str, object]] = [
        {
            key.removeprefix("llmgw.context."): value
            for key, value in attributes(span.attributes).items()
            if key.startswith(("llmgw.context.", "gen_ai."))
        }
        for span in spans
    ]
    facts: list[dict[str, object]] = [
        {"gen_ai.conversation.id": context, "rev": 0, "turns": 0},
        {"gen_ai.conversation.id": context, "rev": 1, "turns": 1},
        {"gen_ai.conversation.id": context, "rev": 1, "turns": 1},
        {"gen_ai.conversation.id": context, "rev": 1, "turns": 1},
        {"gen_ai.conversation.id": context},
        {"gen_ai.conversation.id": context},
        {"gen_ai.conversation.id": other, "rev": 0, "turns": 1, "forked_from": context},
        {"gen_ai.conversation.id": other, "rev": 1, "turns": 1},
        {"gen_ai.conversation.id": context, "rev": 2, "turns": 2},
        {"gen_ai.conversation.id": context, "rev": 3, "turns": 1},
        {"gen_ai.conversation.id": context, "rev": 3, "turns": 2, "check.c1": "pass", "check.c7": "pass"},
        {"gen_ai.conversation.id": context},
        {"gen_ai.conversation.id": context, "contexts": 2, "rev": 3, "turns": 2},
    ]
    assert left == [
        {"operation": name, "contexts": 1, **known} for (name, *_), known in zip(done, facts, strict=True)
    ]
    assert {attributes(span.attributes)["llmgw.tenant"] for span in spans} == {"acme"}
    assert b"of mine" not in b"".join(span.SerializeToString() for span in watched.collector.all_spans())


def test_a_read_that_meets_changed_bytes_is_kept(watched: Watched, valkey: EmbeddedValkey) -> None:
    """A report is written over in the store: who reads it is told, and so is the operator."""
    context = watched.read_back()
    with Redis.from_url(valkey.url) as store:
        store.hset(f"llmgw:ctx:{{acme/{context}}}:r", "1", b"not what was stored")
    assert watched.desk.ask("GET", f"/contexts/{context}/report/1").status == 500
    trace = watched.trace(gen_ai__conversation__id=context, llmgw__context__operation="read")
    span = trace["llmgw.context.read"]
    assert attributes(span.attributes)["llmgw.context.check.c1"] == "fail"
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert watched.metric("llmgw.context.integrity_failures", op="read").as_int == 1


def test_moving_and_forgetting_are_told_too(watched: Watched) -> None:
    """An import says which context it made, a subject's erasure how many it took."""
    desk = watched.desk
    source = desk.told("one", subject="movers")
    desk.told("two", subject="movers")
    bundle = desk.ask("GET", f"/contexts/{source}/export").body
    path = "/contexts/import?id=moved"
    status, trace = watched.of_caller("POST", path, bundle, media_type="application/x-ndjson")
    said = attributes(trace["llmgw.context.import"].attributes)
    assert (status, said["gen_ai.conversation.id"], said["llmgw.context.turns"]) == (201, "moved", 2)
    status, trace = watched.of_caller("DELETE", "/contexts?subject=movers")
    said = attributes(trace["llmgw.context.erase"].attributes)
    assert (status, said["llmgw.context.contexts"]) == (200, 3)
    assert "gen_ai.conversation.id" not in said


def test_an_operation_that_is_refused_says_why(watched: Watched) -> None:
    """The error's code, in the trace of whoever asked; a name that can be no context's is not told."""
    status, trace = watched.of_caller("POST", "/contexts/nobody/verify")
    said = attributes(trace["llmgw.context.verify"].attributes)
    assert (status, said["error.type"], said["gen_ai.conversation.id"]) == (
        404,
        "context_not_found",
        "nobody",
    )
    status, trace = watched.of_caller("POST", "/contexts", {"id": "my secret words"})
    said = attributes(trace["llmgw.context.create"].attributes)
    assert (status, said["error.type"]) == (400, "invalid_request")
    assert "secret" not in str(trace)


def test_a_call_with_a_name_that_is_none_does_not_spread_it(watched: Watched) -> None:
    """What a caller writes in place of an id is in its answer alone."""
    body = {
        "model": OPENAI,
        "messages": [{"role": "user", "content": "hi"}],
        "llmgw": {"context": "my hidden words"},
    }
    status, trace = watched.of_caller("POST", "/chat/completions", body)
    assert status == 400
    assert "hidden" not in str(trace)
    assert "hidden" not in watched.gateway.log()


def test_a_summary_on_request_is_a_call_with_a_call_in_it(watched: Watched) -> None:
    """Its root names the context, the model that was asked is its child; a refused one says why."""
    desk = watched.desk
    context = desk.told("My name is Ada.", "I live in Turin.", "I like green.")
    status, trace = watched.of_caller("POST", f"/contexts/{context}/compact", {"alias": "summary"})
    root = trace["POST /v1/contexts/{id}/compact"]
    said = attributes(root.attributes)
    assert status == 200
    assert (said["gen_ai.conversation.id"], said["llmgw.context.summary"]) == (context, "made")
    assert trace["chat gpt-5.2"].parent_span_id == root.span_id
    assert watched.metric("llmgw.context.compactions", result="made").as_int == 1
    status, trace = watched.of_caller("POST", "/contexts/nobody/compact", {"alias": "summary"})
    said = attributes(trace["POST /v1/contexts/{id}/compact"].attributes)
    assert (status, said["error.type"]) == (404, "context_not_found")


def test_a_collector_that_hangs_takes_nothing_from_callers(
    strict_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Calls are answered while spans and metrics hang, and the gateway still ends well."""
    hole = BlackHole()
    settings = config(strict_simulator.base_url, hole.url)
    settings["telemetry"]["sample"] = 1.0
    with RunningGateway(tmp_path_factory.mktemp("hanging"), settings) as gateway:
        desk = Desk.of(gateway, "acme")
        context = desk.told("one")
        with hole.wait_for_someone():
            assert [desk.say(context, str(number)).status for number in range(20)] == [200] * 20
            assert len(desk.texts(context)) == 42
            assert gateway.stop() == 0
        assert "spans were not delivered" in gateway.log()
    hole.close()
