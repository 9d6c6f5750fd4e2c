"""Calls of every kind made of a gateway, and what an SRE must find of them in whatever keeps its traces.

The same facts are asked of every backend. A backend shows what it was sent in its own way: what it does not keep,
such as the kind of a span, is None there and is not looked at.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct
from tests.e2e.contexts.desk import Desk
from tests.running import Answer, RunningGateway
from tests.waiting import until

TENANT: Final = "acme"
BROKE_TEAM: Final = "search"
PROMPT: Final = "support/triage"
VERSION: Final = f"{PROMPT}@1"
PARENT: Final = "00f067aa0ba902b7"
ROOT: Final = "POST /v1/chat/completions"
LONG: Final = "The quick brown fox jumps over the lazy dog. " * 400
TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


class Seen(Struct, frozen=True, kw_only=True):
    """One span as a backend shows it; ids are hexadecimal, `kind` is a word of OTLP in lower case."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str | None
    error: bool
    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]


class Backend(Protocol):
    """What keeps traces, asked over its own API for what has come since it was first spoken of."""

    otlp: str
    """Where traces are sent."""
    page: str
    """Where people look."""

    def search(self, **said: Any) -> set[str]:
        """The traces that have a span with exactly these attributes; `__` in a name stands for its dot."""

    def trace(self, trace: str) -> list[Seen]:
        """The spans of a trace, as far as they have come."""


class Told(Struct, frozen=True, kw_only=True):
    """One call of the story: its answer, its trace, and how many spans that has."""

    answer: Answer
    trace: str
    spans: int

    @property
    def call(self) -> str:
        """The call's id."""
        return str(self.answer.headers["x-llmgw-call-id"])


class Story(Struct, frozen=True, kw_only=True):
    """All calls by what they are for."""

    ordinary: Told
    tools: Told
    lost: Told
    failover: Told
    retry: Told
    prompt: Told
    refused: Told
    stream: Told
    cut: Told
    context: str


def config_for(simulator_url: str, otlp: str) -> dict[str, Any]:
    """Providers of every temper, a price for what they say, and a team without money; every trace is kept."""
    simulated = {"kind": "simulator", "base_url": simulator_url}
    return {
        "providers": {
            "openai": {"kind": "openai", "base_url": simulator_url, "api_key": "none-needed"},
            "sim": simulated,
            "backup": simulated,
        },
        "aliases": {
            "demo": {"targets": ["openai/gpt-5.2"]},
            "small": {"targets": ["sim/sim-reads-100"]},
            "resilient": {"targets": ["sim/sim-fail-503", "backup/sim"]},
            "stubborn": {"targets": ["sim/sim-fail-500-once"]},
        },
        "prices": {"models": {"sim/*": {"input": 1, "output": 2}, "backup/*": {"input": 1, "output": 2}}},
        "limits": {"tenants": {TENANT: {"teams": {BROKE_TEAM: {"budgets": {"month": 0}}}}}},
        "telemetry": {"otlp_endpoint": otlp, "sample": 1.0, "metrics_s": 0},
    }


def tell(gateway: RunningGateway) -> Story:
    """Make every call once."""
    desk = Desk.of(gateway, TENANT, "admin")
    _publish(desk)
    context = desk.told("My name is Ada.")
    assert desk.say(context, LONG).status == 200
    return Story(
        ordinary=_asked(desk, _body("demo"), 3, traced=True),
        tools=_with_tools(desk),
        lost=_asked(
            desk,
            {
                "model": "small",
                "prompt": {"id": PROMPT, "variables": {"topic": "names"}},
                "messages": [{"role": "user", "content": "What is my name?"}],
                "llmgw": {"context": context},
            },
            7,
        ),
        failover=_asked(desk, _body("resilient"), 4),
        retry=_asked(desk, _body("stubborn"), 4),
        prompt=_asked(desk, {"prompt": {"id": PROMPT, "variables": {"topic": "names"}}, **_body("demo")}, 4),
        refused=_asked(_poor(gateway), _body("small"), 2),
        stream=_asked(desk, _body("demo", stream=True), 3),
        cut=_asked(desk, _body("sim/sim-cut-after-3", stream=True, text="count to 20"), 3),
        context=context,
    )


def check(story: Story, backend: Backend) -> None:
    """Find all of it again, once all of it has come: what is found once is there once."""
    for told in (getattr(story, name) for name in story.__struct_fields__):
        if isinstance(told, Told):
            _spans(told, backend)
    _ordinary(story, backend)
    _lost(story, backend)
    _attempts(story, backend)
    _others(story, backend)


def _ordinary(story: Story, backend: Backend) -> None:
    """The client's trace goes on, and the logical call stands between the request and its attempt."""
    root, chat, attempt = _tree(story.ordinary, backend, ROOT, "chat gpt-5.2", "attempt openai")
    assert (root.parent_id, chat.parent_id, attempt.parent_id) == (PARENT, root.span_id, chat.span_id)
    assert [each.kind or kind for each, kind in zip((root, chat, attempt), _KINDS, strict=True)] == _KINDS
    assert not any(each.error for each in (root, chat, attempt))
    _says(root, **{"llmgw.tenant": TENANT, "llmgw.call.id": story.ordinary.call, "llmgw.alias": "demo"})
    _says(root, **{"http.response.status_code": 200, "http.route": "/v1/chat/completions"})
    _says(chat, **{"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5.2"})
    _says(attempt, **{"peer.service": "openai", "llmgw.attempt.reason": "first"})
    assert backend.search(llmgw__call__id=story.ordinary.call) == {story.ordinary.trace}


def _lost(story: Story, backend: Backend) -> None:
    """The SRE's search finds one call: what was lost and why, by which version and target, and what it cost."""
    lost = story.lost
    assert lost.answer.headers["x-llmgw-preservation"].startswith("verdict=lost")
    steps = ["llmgw.prompt.resolve", "llmgw.context.begin", "llmgw.context.fit", "llmgw.context.commit"]
    root, chat, attempt, *others = _tree(lost, backend, ROOT, "chat sim-reads-100", "attempt sim", *steps)
    assert backend.search(llmgw__context__preservation__verdict="lost", llmgw__tenant=TENANT) == {lost.trace}
    assert backend.search(llmgw__context__check__c6="fail") == {lost.trace}
    assert {each.parent_id for each in (chat, *others)} == {root.span_id}
    assert attempt.parent_id == chat.span_id
    for span in (root, chat):
        _says(span, **{"gen_ai.conversation.id": story.context, "llmgw.context.preservation.verdict": "lost"})
        _says(span, **{"llmgw.cost": float(lost.answer.headers["x-llmgw-cost-usd"])})
    _says(root, **{"llmgw.prompt": VERSION, "llmgw.prompt.label": "production"})
    _says(root, **{"llmgw.target": "sim/sim-reads-100", "llmgw.call.id": lost.call})
    losses = [said for name, said in chat.events if name == "llmgw.context.loss"]
    assert [each["code"] for each in losses] == list(root.attributes["llmgw.context.preservation.losses"])
    assert [each["source"] for each in losses] == ["upstream"]
    assert not root.error


def _attempts(story: Story, backend: Backend) -> None:
    """A provider that failed is red and named, whether another was asked then or it once more."""
    root, chat, failed, answered = _tree(
        story.failover, backend, ROOT, "chat sim", "attempt sim", "attempt backup"
    )
    assert [each.error for each in (root, chat, failed, answered)] == [False, False, True, False]
    _says(
        failed, **{"http.response.status_code": 503, "llmgw.attempt.reason": "first", "peer.service": "sim"}
    )
    _says(answered, **{"llmgw.attempt.reason": "fallback", "peer.service": "backup"})
    _says(root, **{"llmgw.attempts": 2, "llmgw.fallbacks": 1, "llmgw.retries": 0})
    assert backend.search(llmgw__attempt__reason="fallback") == {story.failover.trace}
    spans = _spans(story.retry, backend)
    attempts = sorted(
        (each for each in spans if each.name == "attempt sim"),
        key=lambda each: int(each.attributes["llmgw.attempt.index"]),
    )
    assert [each.attributes["llmgw.attempt.reason"] for each in attempts] == ["first", "retry"]
    assert [each.error for each in attempts] == [True, False]
    assert backend.search(llmgw__attempt__reason="retry") == {story.retry.trace}


def _others(story: Story, backend: Backend) -> None:
    """Calls with tools, with a prompt, without money, streamed and cut."""
    tools = _spans(story.tools, backend)
    chat = _one(tools, "chat gpt-5.2")
    assert list(chat.attributes["gen_ai.response.finish_reasons"]) == ["tool_calls"]
    _says(chat, **{"llmgw.context.preservation.verdict": "preserved", "llmgw.context.check.c3": "pass"})
    root, *_, resolve = _tree(
        story.prompt, backend, ROOT, "chat gpt-5.2", "attempt openai", "llmgw.prompt.resolve"
    )
    assert resolve.parent_id == root.span_id
    _says(resolve, **{"gen_ai.prompt.name": PROMPT, "llmgw.prompt": VERSION, "llmgw.prompt.version": 1})
    assert backend.search(llmgw__prompt=VERSION) == {story.prompt.trace, story.lost.trace}
    root, admit = _tree(story.refused, backend, ROOT, "llmgw.admission.admit")
    assert (admit.parent_id, root.error) == (root.span_id, False)
    for span in (root, admit):
        _says(span, **{"error.type": "budget_exceeded", "llmgw.admission": "refused"})
        _says(span, **{"llmgw.admission.limit": f"team:{BROKE_TEAM}:month"})
    assert backend.search(error__type="budget_exceeded") == {story.refused.trace}
    _, chat, _ = _tree(story.stream, backend, ROOT, "chat gpt-5.2", "attempt openai")
    _says(chat, **{"gen_ai.request.stream": True})
    assert 0 < chat.attributes["gen_ai.response.time_to_first_chunk"] < 60
    cut = _tree(story.cut, backend, ROOT, "chat sim-cut-after-3", "attempt sim")
    assert all(each.error for each in cut)
    _says(cut[0], **{"http.response.status_code": 200, "error.type": "stream_interrupted"})


_KINDS: Final = ["server", "client", "client"]


def _tree(told: Told, backend: Backend, *names: str) -> list[Seen]:
    """The spans of a call by their names: these and no others."""
    spans = _spans(told, backend)
    assert sorted(each.name for each in spans) == sorted(names)
    return [_one(spans, name) for name in names]


def _spans(told: Told, backend: Backend) -> list[Seen]:
    """All spans of a call, once they have come."""

    def look() -> list[Seen] | None:
        spans = backend.trace(told.trace)
        return spans if len(spans) >= told.spans else None

    spans = until(look, f"the {told.spans} spans of {told.call}", within_s=60)
    assert spans is not None
    assert {each.trace_id for each in spans} == {told.trace}
    return spans


def _one(spans: Sequence[Seen], name: str) -> Seen:
    (found,) = [each for each in spans if each.name == name]
    return found


def _says(span: Seen, **said: Any) -> None:
    assert said.items() <= dict(span.attributes).items(), (span.name, said, span.attributes)


def _body(model: str, *, text: str = "say hello", stream: bool = False) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def _asked(desk: Desk, body: Mapping[str, Any], spans: int, *, traced: bool = False) -> Told:
    """Make one call, within a trace of the client's where that is wanted."""
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{PARENT}-01"} if traced else {}
    answer = desk.ask("POST", "/chat/completions", body, headers=headers)
    told = str(answer.headers["x-llmgw-trace-id"])
    assert not traced or told == trace
    return Told(answer=answer, trace=told, spans=spans)


def _with_tools(desk: Desk) -> Told:
    """Have a tool called in a context, and its result told."""
    body = {**_body("demo", text="What is the weather in Paris?"), "tools": TOOLS}
    context = desk.made()
    told = _asked(desk, {**body, "llmgw": {"context": context}}, 6)
    (call,) = told.answer.json()["choices"][0]["message"]["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"celsius": 21}'}
    again = {"model": "demo", "messages": [result], "tools": TOOLS, "llmgw": {"context": context}}
    assert desk.ask("POST", "/chat/completions", again).status == 200
    return told


def _poor(gateway: RunningGateway) -> Desk:
    """A caller of a team that may spend nothing."""
    key = {"name": "poor", "role": "caller", "tenant": TENANT, "team": BROKE_TEAM}
    return Desk(gateway, gateway.request("/admin/v1/keys", key).json()["key"])


def _publish(desk: Desk) -> None:
    """Have a prompt served."""
    content = {"messages": [{"role": "system", "text": "Be brief about {{ topic }}."}]}
    steps: list[tuple[str, str, Any]] = [
        ("POST", "", {"name": PROMPT, "content": content}),
        ("POST", f"/{PROMPT}/versions/1/publish", None),
        ("PUT", f"/{PROMPT}/labels/production", {"version": 1, "break_glass": True, "reason": "a story"}),
    ]
    for method, path, body in steps:
        answer = desk.gateway.request(f"/admin/v1/prompts{path}", body, method=method, key=desk.key)
        assert answer.status in {200, 201, 202}, answer.body

    def served() -> bool:
        prompts = desk.ask("GET", "/prompts").json()["prompts"]
        return any(each["name"] == PROMPT and each["labels"].get("production") == 1 for each in prompts)

    until(served, "the prompt to be served")
