"""The data plane's last line: faults of our own, told once and truthfully, streamed or not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from llmgw.http.auth import Authenticator
from llmgw.http.data_plane import Endpoint
from llmgw.http.exchange import Exchange
from llmgw.http.runtime import Generation, Limits, Runtime
from llmgw.policy.keyring import Keyring
from llmgw.policy.rules.rule_store import RuleStore
from llmgw.policy.rules.rules import Rules
from llmgw.policy.rules.terms import Configured
from llmgw.prompts.prompts import Prompts
from llmgw.routing.health import Health
from llmgw.state.connection import State
from llmgw.telemetry.logs import configure
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call
from llmgw.types.clock import SystemClock
from llmgw.types.event import Start, StreamEvent, TextDelta
from llmgw.types.secret import Secret
from llmgw.wire.openai.chat import WIRE

KEY = "a-key-of-the-operators-own"


class BrokenReply:
    """A reply whose rest holds a mistake of ours."""

    def __init__(self, call: Call | None) -> None:
        self.call = call

    async def batches(self) -> AsyncIterator[list[StreamEvent]]:
        """Give some content, then fail as code fails."""
        yield [Start(id="c", model="m", created=1), TextDelta(text="so far")]
        raise KeyError("a mistake")

    def completion(self) -> Any:
        """Fail as code fails."""
        raise KeyError("a mistake")

    def abandon(self, error: object) -> None:
        """Nothing is open."""


class BrokenGateway:
    """A corridor that opens broken replies."""

    async def invoke(self, _: Any, call: Call) -> BrokenReply:
        """Open one."""
        return BrokenReply(call)

    async def complete(self, *_: Any) -> Any:
        """Answer with one."""
        return BrokenReply(None).completion()


def serve(body: bytes) -> list[dict[str, Any]]:
    """Serve one request and return what was sent."""
    clock = SystemClock()
    state = State("unix:///nowhere")
    keyring = Keyring(state, Secret("p" * 32), bootstrap=Secret(KEY))
    runtime = Runtime(
        state=state,
        keyring=keyring,
        authenticator=Authenticator(keyring),
        issuers=None,
        rules=Rules(Configured(), RuleStore(state, clock)),
        health=Health(),
        recorder=Recorder(
            Tracing("", sample=0, slow_ms=1, version="0", clock=clock, resource={}),
            Metrics("", every_s=1, version="0", clock=clock, resource={}),
            configure("error", None, "json"),
            clock,
        ),
        archive=None,  # type: ignore[arg-type]
        prompts=Prompts(state),
        accounts=None,  # type: ignore[arg-type]
        signals=None,  # type: ignore[arg-type]
        webhooks=None,  # type: ignore[arg-type]
        clock=clock,
        limits=Limits(max_body=9999, max_in_flight=9, body_timeout_s=9, drain_s=9, hold_s=9, ping_s=9),
        generation=Generation(number=1, source=None, loaded_unix_ns=0, gateway=BrokenGateway()),  # type: ignore[arg-type]
        new_id=lambda: "1",
    )
    sent: list[dict[str, Any]] = []
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop()
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]
    exchange = Exchange({"headers": headers, "method": "POST"}, receive, send)
    asyncio.run(Endpoint(WIRE, runtime).serve(exchange))
    return sent


@pytest.mark.parametrize("stream", [False, True])
def test_a_mistake_of_ours_is_told_once(stream: bool) -> None:
    """There is one status line; a stream that has begun ends in an error event, a whole answer is a 500."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":%b}' % (
        b"true" if stream else b"false"
    )
    sent = serve(body)
    starts = [message["status"] for message in sent if message["type"] == "http.response.start"]
    text = b"".join(message.get("body", b"") for message in sent)
    assert starts == ([200] if stream else [500])
    assert b'"code":"internal_error"' in text
    assert b"a mistake" not in text
    assert b"[DONE]" not in text
    assert (b"so far" in text) is stream
    assert sent[-1]["more_body"] is False
