"""The routes callers use: one per wire format, each the same walk from bytes to bytes."""

import asyncio
import logging
from itertools import repeat

import msgspec
from litestar.handlers import ASGIRouteHandler, asgi

from llmgw.context.storage.answers import Replay
from llmgw.gateway.reply import Reply
from llmgw.http.context_headers import context_headers
from llmgw.http.exchange import JSON, Exchange, Headers, Receive, Scope, Send, given_id
from llmgw.http.options import PROMPT_HEADER, with_header_options
from llmgw.http.permissions import Permission, require
from llmgw.http.prompt_headers import prompt_headers, successor_link
from llmgw.http.runtime import Runtime
from llmgw.http.streaming import EVENTS, StreamWriter
from llmgw.prompts.serving.usage import Outcome
from llmgw.types.call import Call
from llmgw.types.completion import Completion, unfold
from llmgw.types.errors import (
    ClientGone,
    Draining,
    GatewayError,
    InternalError,
    MethodNotAllowed,
    Overloaded,
)
from llmgw.types.event import Finish
from llmgw.types.invocation import ChatInvocation, CountInvocation, Invocation
from llmgw.types.limit_errors import LimitExceeded
from llmgw.types.loss import codes
from llmgw.types.money import usd
from llmgw.types.prompt_errors import PromptRetired
from llmgw.wire.base import EventEncoder, WireFormat
from llmgw.wire.rate_headers import rate_headers

_log = logging.getLogger(__name__)

_TOLD: Headers = []
"""The headers of a stream whose status line is out."""

MAX_RETRY_AFTER_S = 600
"""A provider's `Retry-After` may say days; ours sends nobody away for that long."""


def wire_route(wire: WireFormat, runtime: Runtime) -> ASGIRouteHandler:
    """Make the route of one wire format."""
    endpoint = Endpoint(wire, runtime)

    @asgi(wire.path, copy_scope=False, opt={"permission": Permission.CALL}, name=wire.path)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint.serve(Exchange(scope, receive, send))

    return handle


class Endpoint:
    """Serves the calls of one wire format."""

    def __init__(self, wire: WireFormat, runtime: Runtime) -> None:
        self._wire = wire
        self._runtime = runtime
        self._id_headers = tuple(name.encode() for name in wire.id_headers)

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request; whatever happens, the call is recorded once and the caller told the truth."""
        runtime = self._runtime
        call = self._begin(exchange)
        runtime.exchanges.add(exchange)
        try:
            await self._answer(exchange, call)
        except BaseException as failure:  # noqa: BLE001  # told as what it is, or raised again
            await self._fail(exchange, call, failure)
        finally:
            exchange.unwatch()
            runtime.exchanges.discard(exchange)
            call.ended_ns = runtime.clock.monotonic_ns()
            if call.prompt is not None and call.caller is not None:
                runtime.prompts.count(call.prompt, call.caller, _outcome(call))
            runtime.recorder.record(call)

    async def _fail(self, exchange: Exchange, call: Call, failure: BaseException) -> None:
        """Tell the caller why it gets no answer; a cancellation that is not our doing goes on."""
        match failure:
            case GatewayError():
                error: GatewayError | None = failure
            case asyncio.CancelledError():
                error = exchange.interruption()
            case Exception():
                error = _fault(call, failure)
            case _:
                error = None
        if error is None:
            raise failure
        try:
            await self._refuse(exchange, call, error)
        except asyncio.CancelledError:
            # The caller left while it was being refused.
            if exchange.interruption() is None:
                raise

    async def _answer(self, exchange: Exchange, call: Call) -> None:
        runtime = self._runtime
        if exchange.method != "POST":
            raise MethodNotAllowed(f"{self._wire.path} takes POST")
        if runtime.draining:
            raise Draining("the gateway is stopping", retry_after_s=1)
        if len(runtime.exchanges) > runtime.limits.max_in_flight:
            raise Overloaded("the gateway handles as many calls as it may", retry_after_s=1)
        caller = await runtime.authenticator.caller(exchange.headers, exchange.scope.get("client"))
        runtime.recorder.admit(call, caller, str(exchange.scope.get("path", "")))
        require(caller, Permission.CALL)
        exchange.require_json()
        body = await exchange.body(runtime.limits.max_body, runtime.limits.body_timeout_s)
        if call.content is not None:
            call.content.wire, call.content.body = self._wire.name, body
        exchange.watch()
        decoded = self._wire.decode_request(body, prompted=PROMPT_HEADER in exchange.headers)
        invocation = with_header_options(decoded, exchange, body)
        if self._wire.forwarded_headers:
            invocation = _with_forwarded(invocation, self._wire.forwarded_headers, exchange)
        if invocation.stream:
            await self._stream(exchange, call, invocation)
            return
        answered = await runtime.generation.gateway.complete(invocation, call)
        if isinstance(answered, Replay):
            await self._replay(exchange, call, invocation, answered)
            return
        answer = self._wire.encode_completion(answered.completion)
        if answered.reply is not None:
            await answered.reply.remember(JSON, answer)
        call.status = 200
        headers = self._head(call)
        cost = call.cost_nano
        if cost is not None:
            # A stream tells it at its end.
            headers.append((b"x-llmgw-cost-usd", usd(cost).encode()))
        await exchange.respond(200, headers, answer, stall_s=runtime.limits.stall_s)

    async def _replay(self, exchange: Exchange, call: Call, invocation: Invocation, replay: Replay) -> None:
        """Answer as before: the same bytes, or what is stored of them."""
        if call.content is not None and replay.completion is not None:
            call.content.settle(replay.completion)
        body, media_type = replay.body, replay.media_type
        if replay.completion is not None:
            body, media_type = self._told_again(invocation, replay.completion)
        call.status = 200
        headers = self._head(call)
        headers.append((b"x-llmgw-replayed", b"true"))
        await exchange.respond(
            200, headers, body, stall_s=self._runtime.limits.stall_s, media_type=media_type
        )

    def _told_again(self, invocation: Invocation, completion: Completion) -> tuple[bytes, str]:
        """Write an answer whose bytes were never kept, as the gateway died before it had sent them."""
        if not invocation.stream:
            return self._wire.encode_completion(completion), JSON
        encoder = self._wire.encoder(invocation)
        return b"".join(map(encoder.encode, unfold(completion))), EVENTS

    async def _stream(self, exchange: Exchange, call: Call, invocation: Invocation) -> None:
        limits = self._runtime.limits
        writer = StreamWriter(
            exchange,
            self._identity(call),
            ping=self._wire.ping,
            hold_s=limits.hold_s,
            ping_s=limits.ping_s,
            early=lambda: prompt_headers(call.prompt) if call.prompt is not None else [],
        )
        encoder = self._wire.encoder(invocation)
        reply: Reply | Replay | None = None
        error: GatewayError | None = None
        try:
            reply = await self._runtime.generation.gateway.invoke(invocation, call)
            if isinstance(reply, Replay):
                writer.abandon()
                await self._replay(exchange, call, invocation, reply)
                return
            await self._send_stream(writer, encoder, reply, invocation)
            call.status = 200
        except GatewayError as failure:
            error = failure
        except asyncio.CancelledError:
            error = exchange.interruption()
            if error is None:
                raise
        except Exception as failure:  # noqa: BLE001  # logged there, and told in the stream where that has begun
            error = _fault(call, failure)
        finally:
            if reply is not None and not isinstance(reply, Replay):
                reply.abandon(error or ClientGone("the call was cancelled"))
            if error is None or exchange.gone:
                writer.abandon()
        if error is not None:
            await self._end_broken(exchange, call, writer, encoder.encode_error(error), error)

    async def _send_stream(
        self, writer: StreamWriter, encoder: EventEncoder, reply: Reply, invocation: Invocation
    ) -> None:
        """Write a stream to its end; where the call may come again, its bytes are kept before the last ones go."""
        kept: list[bytes] | None = [] if invocation.options.idempotency is not None else None
        async for batch in reply.batches():
            piece = b"".join(map(encoder.encode, batch))
            last = bool(batch) and batch[-1].__class__ is Finish
            if kept is not None:
                kept.append(piece)
                if last:
                    await reply.remember(EVENTS, b"".join(kept))
            headers = _TOLD if writer.begun else self._routing(reply.call)
            if last:
                # What comes with the end goes out with it: each send wakes the server's threads, and then this one.
                await writer.end(piece, headers)
            elif piece:
                await writer.send(piece, headers)

    async def _end_broken(
        self, exchange: Exchange, call: Call, writer: StreamWriter, last: bytes, error: GatewayError
    ) -> None:
        """Tell a stream's failure in the stream, where that has begun.

        Raises:
            GatewayError: it has not, or nobody is there to be told.
        """
        try:
            if exchange.gone or not await writer.has_begun():
                raise error
            # What the caller got is the status of the stream as it began.
            _note(call, error, 200)
            await writer.end(last, [])
        finally:
            writer.abandon()

    async def _refuse(self, exchange: Exchange, call: Call, error: GatewayError) -> None:
        status = self._wire.status_of(error)
        _note(call, error, status)
        if not exchange.gone:
            body = self._wire.encode_error(error, call.request_id)
            headers = self._head(call)
            headers += error_headers(error)
            await exchange.respond(
                status,
                headers,
                body,
                stall_s=self._runtime.limits.stall_s,
                media_type=self._wire.error_type,
            )

    def _head(self, call: Call) -> Headers:
        """Tell which call an answer is of, and where it went."""
        headers = self._identity(call)
        headers += self._routing(call)
        return headers

    def _identity(self, call: Call) -> Headers:
        request = call.request_id.encode()
        return [
            *zip(self._id_headers, repeat(request)),
            (b"x-llmgw-call-id", call.id.encode()),
            (b"x-llmgw-trace-id", b"%032x" % call.trace_id),
        ]

    def _routing(self, call: Call) -> Headers:
        """Tell where a call went, and what its caller has left."""
        headers = _routing(call)
        if call.allotment is not None:
            headers += rate_headers(self._wire, call.allotment, self._runtime.clock.unix_ns() / 1e9)
        return headers

    def _begin(self, exchange: Exchange) -> Call:
        runtime = self._runtime
        new = runtime.new_id()
        return runtime.recorder.begin(
            request_id=given_id(exchange.headers) or f"req_{new}",
            call_id=f"call_{new}",
            endpoint=self._wire.path,
            traceparent=exchange.every(b"traceparent"),
            tracestate=exchange.every(b"tracestate"),
        )


def _with_forwarded(invocation: Invocation, names: tuple[str, ...], exchange: Exchange) -> Invocation:
    """Add the headers that belong to the caller's dialect, for a target that speaks it too."""
    headers = tuple((name, value) for name in names if (value := exchange.joined(name.encode())))
    match invocation:
        case ChatInvocation() if headers:
            return msgspec.structs.replace(invocation, headers=headers)
        case CountInvocation() if headers:
            chat = msgspec.structs.replace(invocation.chat, headers=headers)
            return msgspec.structs.replace(invocation, chat=chat)
        case _:
            return invocation


def error_headers(error: GatewayError) -> Headers:
    """Tell clients whether and when to come back; `x-should-retry` is what the official SDKs obey."""
    headers: Headers = [(b"x-should-retry", b"true" if error.retryable else b"false")]
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    # A limit says when there is room again, and nothing where waiting does not help.
    told = error.retry_after_s is not None
    if (
        error.status == 503
        or (error.status == 429 and (told or not isinstance(error, LimitExceeded)))
        or (error.status == 409 and told)
    ):
        seconds = min(MAX_RETRY_AFTER_S, max(1, round(error.retry_after_s or 1)))
        headers.append((b"retry-after", str(seconds).encode()))
    if isinstance(error, PromptRetired) and error.successor:
        headers += successor_link(error.successor)
    if isinstance(error, LimitExceeded):
        headers.append((b"x-llmgw-limit", error.limit.encode()))
    if error.etag:
        headers.append((b"etag", f'"{error.etag}"'.encode()))
    return headers


def _outcome(call: Call) -> Outcome:
    """How a call went, with those that were made for it."""
    if not call.inner:
        usage = call.usage
        taken, answered = (0, 0) if usage is None else (usage.input_tokens or 0, usage.output_tokens or 0)
        return Outcome(call.failed, taken, answered, call.total_ns // 1_000_000)
    used = [each.usage for each in (call, *call.inner) if each.usage is not None]
    return Outcome(
        failed=call.failed,
        input_tokens=sum(each.input_tokens or 0 for each in used),
        output_tokens=sum(each.output_tokens or 0 for each in used),
        duration_ms=call.total_ns // 1_000_000,
    )


def _fault(call: Call, error: Exception) -> InternalError:
    """Log a mistake of ours: the caller learns nothing of the cause but the request id it is logged under."""
    _log.error("unhandled error in request %s", call.request_id, exc_info=error)
    return InternalError("the gateway failed to handle this request")


def _routing(call: Call) -> Headers:
    headers: Headers = [(b"x-llmgw-token-count", b"estimate")] if call.estimated else []
    if call.prompt is not None:
        headers += prompt_headers(call.prompt)
    if call.context is not None:
        headers += context_headers(call.context)
    attempts = call.attempts
    if not attempts or call.estimated:
        return headers
    headers.append((b"x-llmgw-target", attempts[-1].target.encode("ascii", "backslashreplace")))
    headers.append((b"x-llmgw-attempts", b"%d" % len(attempts)))
    if call.losses:
        headers.append((b"x-llmgw-losses", ",".join(codes(call.losses)).encode()))
    return headers


def _note(call: Call, error: GatewayError, status: int) -> None:
    call.status, call.error, call.error_message = status, error.code, error.message
