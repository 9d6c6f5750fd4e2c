"""Calls as telemetry gets them, on a clock that stands still."""

from collections.abc import Sequence

from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.lines import LineWriter
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import AdmissionFacts, Attempt, Call, ContextFacts
from llmgw.types.completion import Choice, Completion
from llmgw.types.content import CaptureLevel, Content
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.message import Message, Part, TextPart
from llmgw.types.preservation import Check, CheckResult, PartLoss
from llmgw.types.prompt import PromptFacts

MS = 1_000_000
UNIX = 1_700_000_000_000 * MS


class Fixed:
    """A clock that stands still."""

    def monotonic_ns(self) -> int:
        """Ten milliseconds after its start."""
        return 10 * MS

    def unix_ns(self) -> int:
        """A moment in 2023."""
        return UNIX


def unheard() -> Recorder:
    """A recorder without a collector and without a log."""
    clock = Fixed()
    return Recorder(
        Tracing("", sample=0.0, slow_ms=0.0, version="1.2.3", clock=clock, resource={}),
        Metrics("", every_s=0.0, version="1.2.3", clock=clock, resource={}),
        CallLog(LineWriter(None), "json"),
        clock,
    )


def begun(tracing: Tracing, traceparent: str | None = None, tracestate: str | None = None) -> Call:
    """A call as the door begins it."""
    return tracing.begin(
        request_id="req_1",
        call_id="call_1",
        endpoint="/v1/chat/completions",
        traceparent=traceparent,
        tracestate=tracestate,
    )


def prompted(**facts: object) -> PromptFacts:
    """A version that was found through a label during a rollout, of which everything is known."""
    known: dict[str, object] = {
        "name": "support/triage",
        "version": 7,
        "hash": f"sha256:{'0' * 64}",
        "label": "production",
        "arm": "candidate",
        "output": "valid",
        "started_ns": 10 * MS,
        "ended_ns": 11 * MS,
    }
    return PromptFacts(**{**known, **facts})  # type: ignore[arg-type]  # fields by their names


def admitted(**facts: object) -> AdmissionFacts:
    """Two limits and a budget, asked about in 1 ms, but for the facts given."""
    known = {
        "limits": 2,
        "budgets": 1,
        "estimate_nano": 2_500_000,
        "started_ns": 10 * MS,
        "ended_ns": 11 * MS,
    }
    return AdmissionFacts(**{**known, **facts})  # type: ignore[arg-type]  # fields by their names


def tried(**facts: object) -> Attempt:
    """One try: from 12 to 52 ms, answered 200."""
    known = {
        "target": "openai/gpt-5",
        "provider": "openai",
        "kind": "openai",
        "model": "gpt-5",
        "started_ns": 12 * MS,
        "span_id": 0xA1,
        "status": 200,
        "first_byte_ns": 32 * MS,
        "ended_ns": 52 * MS,
    }
    return Attempt(**{**known, **facts})  # type: ignore[arg-type]


def finished(call: Call, **facts: object) -> Call:
    """The call, ended well at 60 ms after one attempt, but for the facts given."""
    known: dict[str, object] = {
        "attempts": [tried()],
        "ended_ns": 60 * MS,
        "status": 200,
        "waited_ns": 40 * MS,
    }
    for name, value in {**known, **facts}.items():
        setattr(call, name, value)
    return call


def captured(
    level: CaptureLevel = "full",
    *,
    told: Sequence[Message] = (),
    answer: Sequence[Part] = (TextPart(text="It is four."),),
    **facts: object,
) -> Call:
    """A call whose words may be told: those given, between a system message and an answer of these parts."""
    begun = Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=UNIX,
        capture=level,
        content=Content(
            max_bytes=64 * 1024,
            wire="openai_chat",
            path="/v1/chat/completions",
            told=(
                Message(role="system", parts=(TextPart(text="Be brief."),)),
                *(told or (Message(role="user", parts=(TextPart(text="What is 2 + 2?"),)),)),
            ),
        ),
    )
    assert begun.content is not None
    message = Message(role="assistant", parts=tuple(answer))
    begun.content.settle(
        Completion(id="a", model="m", created=1, choices=(Choice(index=0, message=message, reason="stop"),))
    )
    return finished(begun, **facts)


ALL_PASS: dict[Check, CheckResult] = {
    "c1": "pass",
    "c2": "pass",
    "c3": "pass",
    "c4": "skip",
    "c5": "pass",
    "c6": "pass",
    "c7": "skip",
    "c8": "skip",
}
"""The checks of a call that went well."""


def continued(**facts: object) -> ContextFacts:
    """A context of four turns, opened within 1 ms, told whole and stored in 2 ms, but for the facts given."""
    known = {
        "id": "ctx_1",
        "etag": "2-00112233445566ff",
        "rev": 2,
        "turns_before": 2,
        "turns": 3,
        "turns_sent": 3,
        "bytes": 700,
        "tokens": 100,
        "window": 400,
        "cache": "hit",
        "enforcement": "repair",
        "verdict": "preserved",
        "checks": ALL_PASS,
        "final": True,
        "kind_before": "openai",
        "begin_started_ns": 10 * MS,
        "begin_ended_ns": 11 * MS,
        "fit_started_ns": 11 * MS,
        "fit_ended_ns": 12 * MS,
        "commit_started_ns": 53 * MS,
        "commit_ended_ns": 55 * MS,
    }
    return ContextFacts(**{**known, **facts})  # type: ignore[arg-type]


def judged(**facts: object) -> FeedbackEvent:
    """A user's opinion of a call of which everything is known, but for the facts given."""
    known: dict[str, object] = {
        "ended_us": UNIX // 1000,
        "id": "fb_1",
        "tenant": "acme",
        "key_id": "key_1",
        "call": "call_1",
        "name": "helpful",
        "kind": "bool",
        "source": "user",
        "score": 1.0,
        "label": "true",
        "comment": "my own words",
        "tags": ("beta",),
        "call_ended_us": UNIX // 1000 - 5,
        "trace_id": f"{0xABC:032x}",
        "span_id": f"{0xDEF:016x}",
        "alias": "smart",
        "target": "openai/gpt-5",
        "prompt": "support/triage@7",
        "prompt_label": "production",
        "prompt_arm": "candidate",
        "context": "ctx_1",
        "verdict": "preserved",
        "error": "stream_interrupted",
    }
    return FeedbackEvent(**{**known, **facts})  # type: ignore[arg-type]  # fields by their names


def lost(number: int = 0, **members: object) -> PartLoss:
    """One thing that was not told as it is stored."""
    known = {
        "code": "reasoning.opaque_dropped",
        "severity": "minor",
        "pointer": f"/turns/{number}/parts/0",
        "source": "render",
    }
    return PartLoss(**{**known, **members})  # type: ignore[arg-type]


def begun_alone(trace_id: int = 1) -> Call:
    """A call that nobody keeps an eye on, begun at 10 ms."""
    return Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=trace_id,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=UNIX,
    )
