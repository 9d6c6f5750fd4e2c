"""Which attempts are made, in what order, and when they stop; real codecs and sockets, scripted providers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.gateway.asking import Plain
from llmgw.gateway.dispatch import Dispatch
from llmgw.gateway.reply import Reply
from llmgw.providers import PROVIDERS
from llmgw.routing.health import Health
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Call
from llmgw.types.clock import SystemClock
from llmgw.types.errors import (
    ClientGone,
    DeadlineExceeded,
    GatewayError,
    ProviderAuth,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefused,
    UnsupportedParameter,
)
from llmgw.types.event import TextDelta
from llmgw.types.invocation import CallOptions, ChatInvocation, OpaqueTool
from llmgw.types.message import Message, TextPart
from llmgw.types.money import ModelPrices
from llmgw.types.target import Target
from llmgw.upstream import Upstream
from msgspec import structs
from tests.scripted import STREAM_HEAD, Peer, Script, ScriptedServer, always, answer, chunked

JSON = b"Content-Type: application/json"
WHOLE = answer(
    b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"fine"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    JSON,
)
CHUNK = b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[%b]}\n\n'
ROLE = CHUNK % b'{"index":0,"delta":{"role":"assistant","content":""}}'
TEXT = CHUNK % b'{"index":0,"delta":{"content":"fine"}}'
STOP = CHUNK % b'{"index":0,"delta":{},"finish_reason":"stop"}'
STREAM = STREAM_HEAD + chunked(ROLE, TEXT, STOP, b"data: [DONE]\n\n")
ASK = ChatInvocation(
    model="any", wire="openai", messages=(Message(role="user", parts=(TextPart(text="hi"),)),)
)
ASK_STREAM = structs.replace(ASK, stream=True)


def failing(status: bytes, *headers: bytes) -> Script:
    """Answer every request with an error."""
    return always(answer(b'{"error":{"message":"no"}}', JSON, *headers, status=status))


class CountingPermit:
    """Allows everything, and remembers for whom it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def before(self, target: Target) -> None:
        """See `Permit.before`."""
        self.asked.append(target.name)

    async def durable(self) -> None:
        """See `Permit.durable`."""


class Scene:
    """A dispatch before scripted providers; `names` are the targets in order, `call` the facts noted."""

    def __init__(self, dispatch: Dispatch, servers: list[ScriptedServer], health: Health) -> None:
        self.servers = servers
        self.health = health
        self.call = _call()
        self.permit = CountingPermit()
        self.targets = [self._target(number, server) for number, server in enumerate(servers)]
        self._dispatch = dispatch

    @staticmethod
    def _target(number: int, server: ScriptedServer) -> Target:
        target = server.target(connect_s=1, first_byte_s=1, idle_s=1, total_s=5)
        return structs.replace(target, name=f"p{number}/model", provider=f"p{number}", protocol="openai")

    async def open(self, invocation: ChatInvocation = ASK) -> Reply:
        """Open a reply."""
        return await self._dispatch.open(self.targets, Plain(invocation), self.call, self.permit)

    @property
    def tried(self) -> list[tuple[str, str | None]]:
        """The attempts: target and error code."""
        return [(attempt.target, attempt.error) for attempt in self.call.attempts]


def perform(
    scripts: list[Script], scene: Callable[[Scene], Awaitable[None]], *, propagate: bool = False
) -> None:
    """Run a scene; afterwards every slot must have been given back."""

    async def stage() -> None:
        upstream, health = Upstream(), Health()
        dispatch = Dispatch(
            PROVIDERS,
            upstream,
            health,
            clock=SystemClock(),
            jitter=lambda: 0.0,
            new_span_id=lambda: 7,
            propagate=propagate,
        )
        async with AsyncExitStack() as stack:
            stack.push_async_callback(upstream.aclose)
            servers = [await stack.enter_async_context(ScriptedServer(script)) for script in scripts]
            played = Scene(dispatch, servers, health)
            await asyncio.wait_for(scene(played), 20)
            # No target is asked that was not allowed.
            assert played.permit.asked == [target for target, _ in played.tried]
            assert {target.in_flight for target in health.snapshot()} <= {0}

    asyncio.run(stage())


def _call() -> Call:
    tracing = Tracing("", sample=0, slow_ms=1, version="0", clock=SystemClock(), resource={})
    return tracing.begin(request_id="r", call_id="c", endpoint="/", traceparent=None, tracestate=None)


async def _drained(reply: Reply) -> str:
    return "".join([e.text async for batch in reply.batches() for e in batch if isinstance(e, TextDelta)])


async def _broken(reply: Reply) -> tuple[list[str], str | None]:
    """Read a stream to where it breaks: its texts, and the error's code."""
    seen: list[str] = []
    try:
        async for batch in reply.batches():
            seen += [event.text for event in batch if isinstance(event, TextDelta)]
    except GatewayError as error:
        return seen, error.code
    return seen, None


@pytest.mark.parametrize("invocation", [ASK, ASK_STREAM], ids=["whole", "stream"])
def test_the_first_good_target_answers(invocation: ChatInvocation) -> None:
    """One attempt, one answer, nothing asked of the others."""

    async def scene(stage: Scene) -> None:
        reply = await stage.open(invocation)
        assert await _drained(reply) == "fine"
        assert stage.tried == [("p0/model", None)]
        assert stage.call.finish_reasons == ("stop",)
        assert not stage.servers[1].requests

    perform([always(STREAM if invocation.stream else WHOLE)] * 2, scene)


def test_the_next_target_comes_before_a_second_try() -> None:
    """After a failure that may pass, another target is asked first, the failed one only when none is left."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(ProviderFailed):
            await stage.open()
        assert [target for target, _ in stage.tried] == ["p0/model", "p1/model", "p0/model"]

    perform([failing(b"500 Internal")] * 2, scene)


def test_three_attempts_are_all() -> None:
    """However many targets there are, the fourth is not asked."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(ProviderFailed):
            await stage.open()
        assert [len(server.requests) for server in stage.servers] == [1, 1, 1, 0]

    perform([failing(b"502 Bad Gateway")] * 4, scene)


@pytest.mark.parametrize(
    ("status", "kind"), [(b"400 Bad Request", ProviderRefused), (b"422 Unprocessable", ProviderRefused)]
)
def test_a_request_that_is_wrong_is_asked_once(status: bytes, kind: type[GatewayError]) -> None:
    """What the provider finds wrong in the request itself is passed on at once."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(kind):
            await stage.open()
        assert len(stage.tried) == 1

    perform([failing(status)] * 2, scene)


def test_a_refused_credential_moves_on_but_not_again() -> None:
    """Another provider may answer; the same credential is not tried twice."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(ProviderAuth):
            await stage.open()
        assert [target for target, _ in stage.tried] == ["p0/model", "p1/model"]

    perform([failing(b"401 Unauthorized")] * 2, scene)


def test_a_long_retry_after_is_not_waited_for() -> None:
    """A provider that says to come back tomorrow is not waited for, and its 429 goes to the caller."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(ProviderRateLimited) as limited:
            await stage.open()
        assert limited.value.retry_after_s == 86400
        assert len(stage.tried) == 1

    perform([failing(b"429 Too Many", b"Retry-After: 86400")], scene)


def test_a_role_alone_does_not_commit() -> None:
    """A stream that dies before its first content is replaced without a trace in the answer."""

    async def scene(stage: Scene) -> None:
        reply = await stage.open(ASK_STREAM)
        assert await _drained(reply) == "fine"
        assert stage.tried == [("p0/model", "stream_interrupted"), ("p1/model", None)]

    async def dying(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(ROLE, end=False))

    perform([dying, always(STREAM)], scene)


def test_content_commits() -> None:
    """Once content was handed over, a cut is the stream's end: no other target, an error after the text."""

    async def scene(stage: Scene) -> None:
        reply = await stage.open(ASK_STREAM)
        assert await _broken(reply) == (["fine"], "stream_interrupted")
        assert stage.tried == [("p0/model", "stream_interrupted")]
        assert not stage.servers[1].requests

    async def dying(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(ROLE, TEXT, end=False))

    perform([dying, always(STREAM)], scene)


def test_content_before_garbage_is_delivered_first() -> None:
    """Good events in the same bytes as a bad one reach the caller before the error does."""

    async def scene(stage: Scene) -> None:
        reply = await stage.open(ASK_STREAM)
        assert await _broken(reply) == (["fine"], "provider_bad_stream")

    perform([always(STREAM_HEAD + chunked(ROLE + TEXT + b"data: {oops\n\n"))], scene)


@pytest.mark.parametrize("page", [b"<html>sorry</html>", b""], ids=["page", "empty"])
@pytest.mark.parametrize("invocation", [ASK, ASK_STREAM], ids=["whole", "stream"])
def test_a_success_that_is_no_answer_is_a_failure(page: bytes, invocation: ChatInvocation) -> None:
    """A login page or nothing at all with status 200 never reaches the caller."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(GatewayError) as refused:
            await stage.open(invocation)
        assert refused.value.status == 502

    perform([always(answer(page, b"Content-Type: text/html"))], scene)


def test_a_target_that_cannot_be_asked_is_passed_over() -> None:
    """A tool only another dialect knows makes no attempt; alone, it is the caller's 400."""
    foreign = structs.replace(
        ASK, tools=(OpaqueTool(protocol="elsewhere", kind="odd", value={"type": "odd"}),)
    )

    async def scene(stage: Scene) -> None:
        with pytest.raises(UnsupportedParameter) as refused:
            await stage.open(foreign)
        assert refused.value.param is not None
        assert stage.tried == []

    perform([always(WHOLE)], scene)


def test_the_callers_time_bounds_all_attempts() -> None:
    """Each attempt gets what is left of the call's time, and the pause before a retry counts."""
    hasty = structs.replace(ASK, options=CallOptions(timeout_ms=40))

    async def scene(stage: Scene) -> None:
        with pytest.raises(DeadlineExceeded):
            await stage.open(hasty)
        assert len(stage.tried) == 1

    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    perform([silent], scene)


def test_cancelling_closes_the_provider_and_frees_its_place() -> None:
    """A cancelled opening leaves no connection and no slot behind."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.gone()
        left.set()

    async def scene(stage: Scene) -> None:
        opening = asyncio.ensure_future(stage.open())
        await arrived.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await left.wait()
        assert stage.tried == [("p0/model", "client_gone")]

    perform([silent], scene)


def test_each_attempt_that_cost_money_is_charged_once() -> None:
    """One that told its usage and broke before its first content, and the one that answered."""
    used = b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":%b}\n\n'
    spent = used % b'{"prompt_tokens":70,"completion_tokens":0}'
    paid = used % b'{"prompt_tokens":100,"completion_tokens":10}'
    broken = STREAM_HEAD + chunked(ROLE, spent)[:-5]
    whole = STREAM_HEAD + chunked(ROLE, TEXT, STOP, paid, b"data: [DONE]\n\n")

    async def scene(stage: Scene) -> None:
        prices = ProviderPrices("openai", {"model": ModelPrices(input=1, output=4)})
        stage.targets = [structs.replace(target, prices=prices) for target in stage.targets]
        reply = await stage.open(ASK_STREAM)
        assert await _drained(reply) == "fine"
        reply.end(None)
        charges = [attempt.charge for attempt in stage.call.attempts]
        assert [charge and charge.nano for charge in charges] == [70_000, 140_000]
        assert stage.call.cost_nano == 210_000

    perform([always(broken), always(whole)], scene)


def test_attempts_that_told_no_usage_have_no_cost() -> None:
    """What is not known is not zero."""

    async def scene(stage: Scene) -> None:
        prices = ProviderPrices("openai", {"model": ModelPrices(input=1, output=4)})
        stage.targets = [structs.replace(target, prices=prices) for target in stage.targets]
        await _drained(await stage.open(ASK_STREAM))
        assert len(stage.call.attempts) == 2
        assert stage.call.cost_nano is None

    perform([failing(b"500 Oops"), always(STREAM)], scene)


def test_abandoning_a_stream_closes_the_provider() -> None:
    """A reply that nobody reads any more is ended once, and the provider sees its connection close."""
    left = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(ROLE, TEXT, end=False))
        await peer.gone()
        left.set()

    async def scene(stage: Scene) -> None:
        reply = await stage.open(ASK_STREAM)
        reply.abandon(ClientGone("the client left"))
        reply.abandon(ClientGone("the client left"))
        await left.wait()
        assert stage.tried == [("p0/model", "client_gone")]

    perform([endless], scene)


def test_retries_stay_within_their_budget() -> None:
    """While many calls fail together, only a few are retried: the rest fail at once."""

    async def scene(stage: Scene) -> None:
        outcomes = await asyncio.gather(*(stage.open() for _ in range(12)), return_exceptions=True)
        assert all(isinstance(outcome, GatewayError) for outcome in outcomes)
        assert len(stage.servers[0].requests) <= 12 + 3

    perform([failing(b"500 Internal")], scene)


@pytest.mark.parametrize("propagate", [False, True])
def test_providers_see_the_trace_only_when_told_to(propagate: bool) -> None:
    """The provider's span would hang below the attempt; without the setting no header goes out."""

    async def scene(stage: Scene) -> None:
        stage.call.trace_state = "congo=1,rojo=2"
        await _drained(await stage.open())
        (sent,) = stage.servers[0].requests
        expected = f"traceparent: 00-{stage.call.trace_id:032x}-{7:016x}-00\r\n".encode()
        assert (expected in sent.lower()) is propagate
        assert (b"traceparent" in sent.lower()) is propagate
        assert (b"tracestate: congo=1,rojo=2\r\n" in sent.lower()) is propagate
        assert (b"tracestate" in sent.lower()) is propagate

    perform([always(WHOLE)], scene, propagate=propagate)
