"""What the call log keeps of a call."""

from typing import Any

import msgspec
import pytest
from llmgw.calllog.columns import CALL_COLUMNS, columns_of
from llmgw.calllog.event import CallEvent, event_of
from llmgw.types.call import Attempt, Call, Caller, ContextFacts
from llmgw.types.event import Usage
from llmgw.types.money import Charge
from llmgw.types.prompt import PromptFacts

IDS = {
    "parent",
    "request_id",
    "trace_id",
    "span_id",
    "key_id",
    "tags",
    "prompt",
    "context",
    "targets",
    "team",
}


def finished() -> Call:
    """A call with everything in it."""
    attempts = [
        Attempt(
            target="a/m",
            provider="a",
            kind="openai",
            model="m",
            started_ns=2_000,
            span_id=9,
            error="upstream_503",
        ),
        Attempt(
            target="b/n", provider="b", kind="gemini", model="n", started_ns=5_000, span_id=8, status=200
        ),
    ]
    return Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=1_000,
        started_unix_ns=1_700_000_000_000_000_000,
        ended_ns=4_001_000,
        first_content_ns=2_001_000,
        waited_ns=3_000_000,
        status=200,
        caller=Caller(key_id="k1", name="app", role="caller", tenant="acme", team="search"),
        alias="smart",
        attempts=attempts,
        tags=("x", "y\n" * 200),
        usage=Usage(input_tokens=5, output_tokens=1 << 70),
        context=ContextFacts(
            id="ctx_1", etag="3-abcdef", rev=3, verdict="lost", score=0.5, checks={"c3": "fail"}
        ),
        prompt=PromptFacts(name="triage", version=7, hash="h", label="production"),
    )


def test_an_event_tells_a_call_without_its_words() -> None:
    """Who asked, who was tried, what it took, and what became of its context stand in one row."""
    event = event_of(finished())
    assert (event.id, event.tenant, event.key_id, event.team) == ("call_1", "acme", "k1", "search")
    assert (event.targets, event.attempt_codes) == (("a/m", "b/n"), ("upstream_503", "200"))
    assert (event.prompt, event.context, event.rev, event.head) == ("triage@7", "ctx_1", 3, "abcdef")
    assert (event.verdict, event.checks_failed) == ("lost", ("c3",))
    assert (event.duration_us, event.overhead_us, event.first_content_us) == (4_000, 1_000, 2_000)
    assert event.ended_us == 1_700_000_000_004_000


def test_what_calls_cost_adds_up_to_what_was_spent() -> None:
    """A call that has others made for it has a row with its own cost, as each of them has one with theirs."""
    outer, inner = finished(), finished()
    outer.inner.append(inner)
    for nano, call in ((5, outer), (7, inner)):
        call.attempts[-1].charge = Charge(nano=nano, lines=(), source="local")
    assert outer.cost_nano == 12
    assert [event_of(call).cost_nano for call in (outer, inner)] == [5, 7]
    outer.attempts.clear()
    assert outer.cost_nano == 7
    assert event_of(outer).cost_nano is None


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"alias": "other"}, {"alias": "other"}),
        ({"alias": "é" * 300}, {"alias": "é" * 128}),
        ({"endpoint": "/v1/messages", "stream": True}, {"endpoint": "/v1/messages", "stream": True}),
        ({"status": 503, "error": "overloaded"}, {"status": 503, "error": "overloaded", "outcome": "failed"}),
        ({"status": 429, "error": "rate"}, {"status": 429, "error": "rate", "outcome": "refused"}),
        ({"caller": None}, {"tenant": "", "team": "", "key_id": ""}),
        ({"caller": Caller(key_id="k2", name="n", role="caller")}, {"tenant": "default", "key_id": "k2"}),
        ({"attempts": []}, {"targets": (), "attempt_codes": (), "target": "", "provider": "", "model": ""}),
        ({"answered_model": "m2"}, {"answered_model": "m2"}),
        ({"finish_reasons": ("stop",)}, {"finish_reasons": ("stop",)}),
        ({"capture": "none"}, {"capture": "none", "targets": (), "key_id": "", "tags": ()}),
    ],
)
def test_an_event_is_of_its_own_call(facts: dict[str, Any], told: dict[str, Any]) -> None:
    """It tells what is its own beside all that other calls have in common with it, before and after."""
    before = event_of(finished())
    event = event_of(msgspec.structs.replace(finished(), **facts))
    assert {name: getattr(event, name) for name in told} == told
    assert event_of(finished()) == before


def test_what_is_too_long_or_too_large_for_a_column_is_bounded() -> None:
    """A tag has at most 128 bytes, and a number that no column takes is not known."""
    event = event_of(finished())
    assert [len(tag) for tag in event.tags] == [1, 128]
    assert (event.input_tokens, event.output_tokens) == (5, None)


def test_the_name_of_a_session_that_its_caller_keeps_is_no_part_of_an_event() -> None:
    """What was found in it is; who wants its name follows the trace."""
    call = finished()
    call.context = ContextFacts(id="ada-lovelace", mode="verify", verdict="lost", score=0.5)
    event = event_of(call)
    assert (event.verdict, event.context) == ("lost", "")
    assert b"ada-lovelace" not in msgspec.json.encode(event)


def test_at_the_level_none_a_row_holds_sums_alone() -> None:
    """No id, key, tag, prompt, context or trace is in it, and its id is nobody's."""
    call = finished()
    call.capture = "none"
    event = msgspec.to_builtins(event_of(call))
    assert IDS.isdisjoint(event)
    assert event["id"].startswith("none_")
    assert (event["tenant"], event["input_tokens"], event["status"]) == ("acme", 5, 200)


def test_each_member_is_a_column() -> None:
    """Texts, numbers and lists of texts each have their type, in the order of the members."""
    assert list(CALL_COLUMNS) == list(CallEvent.__struct_fields__)
    assert (CALL_COLUMNS["ended_us"], CALL_COLUMNS["score"]) == ("BIGINT", "DOUBLE")
    assert (CALL_COLUMNS["tags"], CALL_COLUMNS["outcome"]) == ("VARCHAR[]", "VARCHAR")
    assert CALL_COLUMNS["replayed"] == "BOOLEAN"


def test_a_member_that_is_no_column_is_refused() -> None:
    """A struct within an event would be lost on the way to the table."""

    class Nested(msgspec.Struct):
        inside: dict[str, int]

    with pytest.raises(TypeError, match="no column"):
        columns_of(Nested)
