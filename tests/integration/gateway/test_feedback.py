"""A judgement is taken once, for a call of the judge's own tenant, and told with a link to that call."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import aclosing, closing
from typing import Any, Final, NamedTuple

import pytest
from litestar import Litestar, Router
from llmgw.gateway.feedback import Feedbacks
from llmgw.http.errors import make_error_answer
from llmgw.http.feedback import MAX_BODY, feedback_routes
from llmgw.http.guard import make_guard
from llmgw.state.connection import State
from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.lines import LineWriter
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Caller
from llmgw.types.content import Capture
from llmgw.types.feedback import FeedbackEvent, KnownCall
from llmgw.types.links import SpanPlace
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.collectors import Collector, attributes
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

CALLER: Final = Caller(key_id="key_1", name="app", role="caller", tenant="acme")
VIEWER: Final = Caller(key_id="key_2", name="eye", role="viewer", tenant="acme")
CALL: Final = KnownCall(
    id="call_1",
    ended_us=7,
    place=SpanPlace(0xABC, 0xDEF),
    alias="smart",
    target="openai/gpt-5",
    prompt="support/triage@7",
    prompt_label="production",
    context="ctx_1",
    verdict="lost",
)
GOOD: Final[dict[str, Any]] = {"call_id": "call_1", "name": "helpful", "value": True, "source": "user"}


class Answered(NamedTuple):
    """Status, headers and document of an answer."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Remembered:
    """Knows one call of the tenant `acme`, and one without a trace."""

    async def find(self, tenant: str, call_id: str) -> KnownCall | None:
        """The call, for its own tenant."""
        known = {"call_1": CALL, "call_2": KnownCall(id="call_2", ended_us=8)}
        return known.get(call_id) if tenant == "acme" else None


class Desk:
    """The route as a gateway has it, whose caller is known by the test."""

    def __init__(self, state: State, collector: Collector, capture: Capture | None = None) -> None:
        self.kept: list[FeedbackEvent] = []
        self.caller_is = CALLER
        self._numbers = iter(range(1, 1000))
        self._collector = collector
        clock = ManualClock()
        about: dict[str, Any] = {"version": "1", "clock": clock, "resource": {}}
        metrics = self.metrics = Metrics("", every_s=0, **about)
        self._recorder = Recorder(
            Tracing(collector.url, sample=0.0, slow_ms=1e6, **about),
            metrics,
            CallLog(LineWriter(None), "json"),
            clock,
        )
        feedbacks = Feedbacks(
            Remembered(), self.kept.append, state, clock, lambda: f"{next(self._numbers):05}", capture
        )
        guarded = Router(
            "/",
            route_handlers=feedback_routes(feedbacks, self._recorder, clock),
            guards=[make_guard(self)],  # type: ignore[arg-type]  # it is asked one thing only
        )
        self._app = Litestar(
            [guarded], exception_handlers={Exception: make_error_answer(lambda: "r")}, openapi_config=None
        )

    async def caller(self, _headers: Mapping[bytes, bytes], _client: object) -> Caller:
        """Whoever the test says."""
        return self.caller_is

    async def give(
        self, body: Any = None, headers: Mapping[str, str] | None = None, **members: Any
    ) -> Answered:
        """Send a judgement: a good one but for the members given, or a body as it is."""
        data = body if isinstance(body, bytes) else json.dumps({**GOOD, **members}).encode()
        given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/feedback",
            "raw_path": b"/v1/feedback",
            "query_string": b"",
            "root_path": "",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)  # type: ignore[arg-type]  # Litestar types ASGI more narrowly
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answered(sent[0]["status"], told, json.loads(b"".join(each["body"] for each in sent[1:])))

    async def spans(self) -> list[Span]:
        """Everything that was told of."""
        await asyncio.to_thread(self._recorder.shutdown)
        return self._collector.all_spans()


def play(store_url: str, scene: Callable[[Desk], Any], capture: Capture | None = None) -> None:
    """Have a scene played with a desk of its own."""

    async def played() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.connect()
            with closing(Collector()) as collector:
                desk = Desk(state, collector, capture)
                await scene(desk)
                await desk.spans()

    asyncio.run(played())


def test_a_judgement_is_kept_and_leads_to_its_call(store_url: str) -> None:
    """In its sender's trace, with what was known of the call; of the comment no word is in the span."""

    async def scene(desk: Desk) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-00", "tracestate": "congo=1"}
        answer = await desk.give(headers=headers, comment="my own words", tags=["beta"])
        (event,) = desk.kept
        assert answer.status == 201
        assert answer.document == {
            "id": "fb_00001",
            "call_id": "call_1",
            "name": "helpful",
            "at_ms": event.ended_us // 1000,
        }
        assert (event.tenant, event.key_id, event.call, event.comment) == (
            "acme",
            "key_1",
            "call_1",
            "my own words",
        )
        assert (event.kind, event.score, event.label, event.tags) == ("bool", 1.0, "true", ("beta",))
        assert (event.prompt, event.target, event.verdict) == ("support/triage@7", "openai/gpt-5", "lost")
        (span,) = await desk.spans()
        assert (span.name, span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (
            "llmgw.feedback",
            trace,
            "00f067aa0ba902b7",
            "congo=1",
        )
        (link,) = span.links
        assert (int.from_bytes(link.trace_id), int.from_bytes(link.span_id)) == (0xABC, 0xDEF)
        assert attributes(link.attributes) == {"llmgw.call.id": "call_1", "llmgw.link": "feedback"}
        said = attributes(span.attributes)
        assert (said["llmgw.prompt"], said["llmgw.prompt.label"]) == ("support/triage@7", "production")
        assert (said["llmgw.feedback.source"], said["llmgw.tags"]) == ("user", ["beta"])
        (told,) = span.events
        assert told.name == "gen_ai.evaluation.result"
        assert attributes(told.attributes) == {
            "gen_ai.evaluation.name": "helpful",
            "gen_ai.evaluation.score.value": 1.0,
            "gen_ai.evaluation.score.label": "true",
        }
        assert b"own words" not in span.SerializeToString()

    play(store_url, scene)


@pytest.mark.parametrize(
    ("value", "kind", "score", "label", "told"),
    [
        (False, "bool", 0.0, "false", "false"),
        (4, "number", 4.0, "", None),
        (-0.5, "number", -0.5, "", None),
        ("relevant", "text", None, "relevant", "relevant"),
        ("x" * 65, "text", None, "x" * 65, None),
        ("a\nb", "text", None, "a\nb", None),
    ],
)
def test_values_are_scores_or_labels(
    store_url: str, value: object, kind: str, score: float | None, label: str, told: str | None
) -> None:
    """Truths are both; a text that is more than a word is kept, and not told."""

    async def scene(desk: Desk) -> None:
        assert (await desk.give(value=value, call_id="call_2")).status == 201
        (event,) = desk.kept
        assert (event.kind, event.score, event.label) == (kind, score, label)
        (span,) = await desk.spans()
        assert not span.links, "of this call no trace is known"
        said = attributes(span.events[0].attributes)
        assert said.get("gen_ai.evaluation.score.value") == score
        assert said.get("gen_ai.evaluation.score.label") == told

    play(store_url, scene)


def test_a_judgement_with_a_key_is_taken_once(store_url: str) -> None:
    """Again it gets the same answer and leaves nothing; by that key another is refused, of who else has it not."""

    async def scene(desk: Desk) -> None:
        named = {"idempotency-key": f"once-{id(desk)}"}
        first = await desk.give(headers=named)
        again = await desk.give(headers=named)
        other = await desk.give(headers=named, value=False)
        assert (first.status, again.status, again.document) == (201, 201, first.document)
        assert "x-llmgw-replayed" not in first.headers
        assert again.headers["x-llmgw-replayed"] == "true"
        assert (other.status, other.document["code"]) == (422, "idempotency_key_reused")
        desk.caller_is = Caller(key_id="key_9", name="app", role="caller", tenant="acme")
        assert (await desk.give(headers=named, value=False)).status == 201
        assert [event.label for event in desk.kept] == ["true", "false"]
        assert len(await desk.spans()) == 2

    play(store_url, scene)


def test_another_tenants_call_is_not_there(store_url: str) -> None:
    """The same answer, byte for byte, as for a call that nobody made; and no key may judge that may not call."""

    async def scene(desk: Desk) -> None:
        nobodys = await desk.give(call_id="call_9")
        desk.caller_is = Caller(key_id="key_3", name="spy", role="admin", tenant="other")
        theirs = await desk.give(call_id="call_1")
        assert nobodys.status == 404
        assert (theirs.status, theirs.document) == (nobodys.status, nobodys.document)
        assert theirs.document["violations"][0]["pointer"] == "/call_id"
        desk.caller_is = VIEWER
        assert (await desk.give()).status == 403
        assert desk.kept == []
        assert await desk.spans() == []

    play(store_url, scene)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "has space"}, "/name"),
        ({"name": "n" * 65}, "/name"),
        ({"name": "line\n"}, "/name"),
        ({"value": None}, "/value"),
        ({"value": [1]}, "/value"),
        ({"value": ""}, "/value"),
        ({"value": "x" * 1025}, "/value"),
        ({"value": 1.1e15}, "/value"),
        ({"value": 10**40}, "/value"),
        ({"source": "somebody"}, "/source"),
        ({"comment": "x" * 4097}, "/comment"),
        ({"tags": ["t"] * 17}, "/tags"),
        ({"tags": ["t" * 129]}, "/tags/0"),
        ({"call_id": ""}, "/call_id"),
        ({"call_id": "c" * 129}, "/call_id"),
        ({"surprise": 1}, ""),
    ],
)
def test_what_is_no_judgement_is_refused_where_it_is_wrong(
    store_url: str, members: dict[str, Any], pointer: str
) -> None:
    """400 with a pointer, as a problem document; nothing is kept."""

    async def scene(desk: Desk) -> None:
        answer = await desk.give(**members)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status, answer.document["code"]) == (400, "invalid_request")
        assert [each["pointer"] for each in answer.document["violations"]] == [pointer]
        assert desk.kept == []

    play(store_url, scene)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "invalid_json"),
        (b'{"comment": "\\ud800"}', {}, 400, "invalid_json"),
        (b'{"value": 1e999}', {}, 400, "invalid_json"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b" " * (MAX_BODY + 1), {}, 413, "request_too_large"),
        (None, {"idempotency-key": ""}, 400, "invalid_request"),
        (None, {"idempotency-key": "k" * 257}, 400, "invalid_request"),
    ],
)
def test_a_body_that_is_none_is_refused(
    store_url: str, body: bytes | None, headers: dict[str, str], status: int, code: str
) -> None:
    """As on every route of our own."""

    async def scene(desk: Desk) -> None:
        answer = await desk.give(body, headers)
        assert (answer.status, answer.document["code"]) == (status, code)
        assert desk.kept == []

    play(store_url, scene)


def test_judgements_are_counted_by_who_judged_and_what_came_of_it(store_url: str) -> None:
    """Each once, however often it is sent; what callers may choose freely is in no label."""

    async def scene(desk: Desk) -> None:
        named = {"idempotency-key": f"counted-{id(desk)}"}
        for _ in range(2):
            await desk.give(headers=named)
        await desk.give(value=False, source="judge")
        await desk.give(value=4, source="human")
        await desk.give(value="fine", name="tone", source="code")
        assert (await desk.give(call_id="call_9")).status == 404
        assert {(point.labels, point.value) for point in desk.metrics.points()["llmgw.feedback"]} == {
            (("true", "user"), 1),
            (("false", "judge"), 1),
            (("number", "human"), 1),
            (("text", "code"), 1),
        }

    play(store_url, scene)


def test_without_the_store_a_key_is_not_known() -> None:
    """503 and not taken twice by chance; a judgement without a key needs no store."""

    async def scene(desk: Desk) -> None:
        assert (await desk.give(headers={"idempotency-key": "k"})).document["code"] == "store_unavailable"
        assert desk.kept == []
        assert (await desk.give()).status == 201

    async def played() -> None:
        async with aclosing(State("unix:///nowhere", timeout_s=1)) as state:
            with closing(Collector()) as collector:
                desk = Desk(state, collector)
                await scene(desk)
                await desk.spans()

    asyncio.run(played())
