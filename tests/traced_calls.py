"""Calls as telemetry gets them, on a clock that stands still."""

from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Attempt, Call

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


def begun(tracing: Tracing, traceparent: str | None = None, tracestate: str | None = None) -> Call:
    """A call as the door begins it."""
    return tracing.begin(
        request_id="req_1",
        call_id="call_1",
        endpoint="/v1/chat/completions",
        traceparent=traceparent,
        tracestate=tracestate,
    )


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
