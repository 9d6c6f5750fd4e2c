"""Trying targets until one answers: the only place that retries, and only before the first content.

At most 2 attempts per target and 3 in all. The next target comes first; when none is left, targets whose failure
may pass are tried once more, after a pause, within the retry budget and the call's deadline.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from llmgw.accounting.calibration import Calibration
from llmgw.gateway.accounts.claim import Permit
from llmgw.gateway.asking import Asking
from llmgw.gateway.charging import charge, usage_in
from llmgw.gateway.reply import Answer, Reply
from llmgw.providers.base import Provider, UpstreamRequest
from llmgw.providers.framing import framer
from llmgw.routing.budget import RetryBudget
from llmgw.routing.health import Health, Lease
from llmgw.telemetry.trace_context import format_traceparent
from llmgw.types.call import Attempt, Call
from llmgw.types.clock import Clock
from llmgw.types.errors import (
    ClientGone,
    GatewayError,
    NoHealthyTarget,
    Overloaded,
    ProviderBadResponse,
    ProviderBadStream,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnreachable,
    StreamInterrupted,
    UnsupportedParameter,
)
from llmgw.types.event import StreamEvent, is_content
from llmgw.types.invocation import CountInvocation
from llmgw.types.target import Target
from llmgw.upstream import Upstream

MAX_ATTEMPTS = 3
MAX_PAUSE_S = 10.0
"""Longest `Retry-After` worth waiting for while the caller waits."""
TIMER_GRAIN_S = 0.005

_MAY_PASS = (
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnreachable,
    ProviderBadResponse,
    ProviderBadStream,
    StreamInterrupted,
)
"""Failures after which the same target may be asked again; a second timeout would only double the wait."""


_NO_STREAM = ("text/html", "application/json")
"""Kinds of successes that hold no events: hosts mislabel streams, but pages and JSON bodies are never one."""


class _Opening:
    """One call while its first content is sought."""

    __slots__ = ("asking", "call", "invocation", "permit", "started")

    def __init__(self, asking: Asking, call: Call, permit: Permit, started: float) -> None:
        self.asking = asking
        self.permit = permit
        self.invocation = asking.invocation
        self.call = call
        self.started = started

    def deadline(self, target: Target) -> float:
        """The loop time by which `target` must have finished: each attempt gets what is left."""
        total_s = target.timeouts.total_s
        if self.invocation.options.timeout_ms is not None:
            total_s = min(total_s, self.invocation.options.timeout_ms / 1000)
        return self.started + total_s


class Dispatch:
    """Opens a reply from a list of targets.

    `jitter` gives numbers in [0, 1) that spread retries in time; `new_span_id` draws the ids under which traces
    know the attempts; `propagate` sends providers the W3C trace context; `calibration` learns what they report.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        upstream: Upstream,
        health: Health,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        new_span_id: Callable[[], int],
        propagate: bool = False,
        calibration: Calibration | None = None,
    ) -> None:
        self._providers = providers
        self._upstream = upstream
        self._health = health
        self._budget = RetryBudget()
        self._clock = clock
        self._jitter = jitter
        self._new_span_id = new_span_id
        self._propagate = propagate
        self._calibration = calibration or Calibration()

    async def open(self, targets: Sequence[Target], asking: Asking, call: Call, permit: Permit) -> Reply:
        """Return a reply that has read its first content; no target is asked without the permit.

        Raises:
            GatewayError: as `Gateway.invoke` lists.
        """
        opening = _Opening(asking, call, permit, asyncio.get_running_loop().time())
        self._budget.begin_call()
        try:
            return await self._rounds(targets, opening)
        except BaseException:
            self._budget.end_call()
            raise

    async def _rounds(self, targets: Sequence[Target], opening: _Opening) -> Reply:
        failure: GatewayError | None = None
        again: list[tuple[Target, GatewayError]] = []
        attempts = opening.call.attempts
        for target in targets:
            if len(attempts) == MAX_ATTEMPTS:
                break
            try:
                return await self._attempt(target, opening)
            except GatewayError as error:
                failure = _passable(error)
                if isinstance(error, _MAY_PASS):
                    again.append((target, error))
        for target, before in again:
            if len(attempts) == MAX_ATTEMPTS or not await self._pause(target, before, opening):
                break
            try:
                return await self._attempt(target, opening)
            except Overloaded:
                # The target came to rest meanwhile; why it failed before says more.
                continue
            except GatewayError as error:
                failure = _passable(error)
            finally:
                self._budget.end_retry()
        raise failure or NoHealthyTarget("no target is ready to answer")

    async def _pause(self, target: Target, before: GatewayError, opening: _Opening) -> bool:
        """Wait before a retry; False when that is not worth it, or the budget is used up."""
        pause = before.retry_after_s
        if pause is None:
            pause = 0.05 + 0.2 * self._jitter()
        left = opening.deadline(target) - asyncio.get_running_loop().time()
        if pause > MAX_PAUSE_S or pause >= left or not self._budget.try_retry():
            return False
        try:
            # A timer may fire a moment early, and a provider's rest would then not be over.
            await asyncio.sleep(pause + TIMER_GRAIN_S)
        except BaseException:
            self._budget.end_retry()
            raise
        opening.call.waited_ns += int(pause * 1e9)
        return True

    async def _attempt(self, target: Target, opening: _Opening) -> Reply:
        provider = self._providers[target.protocol]
        request = await opening.asking.request(provider, target)
        await opening.permit.before(target)
        lease = self._health.try_acquire(target) or await self._health.acquire(target)
        call, invocation = opening.call, opening.invocation
        attempt = Attempt(
            target=target.name,
            provider=target.provider,
            kind=target.kind,
            model=target.model,
            started_ns=self._clock.monotonic_ns(),
            span_id=self._new_span_id(),
        )
        call.attempts.append(attempt)
        call.losses = request.losses
        answer: Answer | None = None
        try:
            answer = await self._send(request, target, opening, attempt)
            first = await self._first_content(answer, opening, attempt, target)
            await opening.permit.durable()
            lease.answered()
        except BaseException as error:
            # Cancellation too: the slot goes back and the provider's connection is closed, whatever happened.
            known = error if isinstance(error, GatewayError) else ClientGone("the call was cancelled")
            self._close(attempt, lease, answer, known)
            raise

        def on_end(error: GatewayError | None) -> None:
            if not isinstance(invocation, CountInvocation):
                usage = call.usage
                charge(attempt, target, call, usage)
                reported = None if usage is None else usage.input_tokens
                self._calibration.learn_from(target.name, invocation, reported)
            self._close(attempt, lease, answer, error)
            self._budget.end_call()

        return Reply(call, target, answer, first, on_end, self._clock)

    async def _send(
        self, request: UpstreamRequest, target: Target, opening: _Opening, attempt: Attempt
    ) -> Answer:
        """Send the request and judge the status line."""
        provider = self._providers[target.protocol]
        if self._propagate:
            request = _traced(request, opening.call, attempt)
        try:
            response = await self._upstream.open(request, target, opening.deadline(target))
        finally:
            attempt.first_byte_ns = now = self._clock.monotonic_ns()
            opening.call.waited_ns += now - attempt.started_ns
        attempt.status = status = response.status
        headers = response.headers
        attempt.upstream_id = headers.get("x-request-id") or headers.get("request-id")
        answer = Answer(
            response,
            framer(request.framing),
            provider.parser(opening.invocation, target),
            keep=opening.asking.keeps_raw,
        )
        if status >= 300 or (
            request.framing == "sse" and headers.get("content-type", "").startswith(_NO_STREAM)
        ):
            try:
                body = await response.read()
            finally:
                response.close()
            raise provider.parse_error(status, headers, body)
        return answer

    async def _first_content(
        self, answer: Answer, opening: _Opening, attempt: Attempt, target: Target
    ) -> list[StreamEvent]:
        """Read until the answer commits to something; before that, another target may still be tried."""
        events: list[StreamEvent] = []
        began = self._clock.monotonic_ns()
        try:
            if not opening.invocation.stream:
                events = await answer.whole()
            while not answer.finished and (not events or not any(map(is_content, events))):
                events += await answer.batch()
        except GatewayError:
            # What was used for an answer that never began is paid for all the same.
            charge(attempt, target, opening.call, usage_in(events))
            raise
        finally:
            now = self._clock.monotonic_ns()
            opening.call.waited_ns += now - began
        opening.call.first_content_ns = now
        return events

    def _close(
        self, attempt: Attempt, lease: Lease, answer: Answer | None, error: GatewayError | None
    ) -> None:
        attempt.ended_ns = self._clock.monotonic_ns()
        if error is not None:
            attempt.error, attempt.message = error.code, error.message
        if answer is not None and error is None:
            answer.response.release()
        elif answer is not None:
            answer.response.close()
        lease.settle(error)


def _passable(error: GatewayError) -> GatewayError:
    """Let an error through only if another target may still answer.

    Raises:
        GatewayError: the error itself, when it is final.
    """
    if not (error.fallback or isinstance(error, UnsupportedParameter)):
        raise error
    return error


def _traced(request: UpstreamRequest, call: Call, attempt: Attempt) -> UpstreamRequest:
    """Add the headers under which the provider's trace would continue ours."""
    traceparent = format_traceparent(call.trace_id, attempt.span_id, sampled=call.sampled)
    headers = [*request.headers, ("traceparent", traceparent)]
    if call.trace_state:
        headers.append(("tracestate", call.trace_state))
    return structs.replace(request, headers=tuple(headers))
