"""Misbehaving on purpose: what the knobs do to an answer, whatever the dialect."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from llmgw.simulator.knobs import Knobs
from llmgw.simulator.refusal import Refused
from llmgw.simulator.reply import (
    Bill,
    Cut,
    Forever,
    Head,
    Headers,
    Piece,
    Reply,
    Request,
    Reset,
    Script,
    Step,
    Wait,
    Whole,
)

_K = TypeVar("_K")
_V = TypeVar("_V")

_REMEMBERED = 10_000
_GARBAGE_AFTER = 2
_HTML = b"<!doctype html><title>Welcome</title><h1>It works</h1>\n"


class Event(Struct, frozen=True):
    """One event of a stream, as bytes; `delta` events are those that knobs count, `frame` events go around them.

    `tokens` are those of the answer that a provider charges for once it has sent the event.
    """

    data: bytes
    kind: Literal["open", "frame", "delta", "close", "usage", "done"]
    tokens: int = 0


class Spoiled(Struct, frozen=True):
    """The same dialect gone wrong: an error in place of an answer, and JSON that breaks off."""

    error: bytes
    garbage: bytes


class Turnstile:
    """Remembers whom to refuse: equal requests that fail some times, and models with a rate."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._now_ns = monotonic_ns
        self._failures: OrderedDict[bytes, int] = OrderedDict()
        self._windows: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def admit(self, knobs: Knobs, model: str, request: Request) -> None:
        """Let a request pass.

        Raises:
            Refused: its knobs say that it fails, is over the rate, or has no valid key.
        """
        if knobs.auth:
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
        if knobs.rate is not None:
            self._within_rate(model, knobs.rate, knobs.rate_window_s)
        if knobs.fail is not None and self._fails(knobs.fail_times, request):
            after = knobs.retry_after_s
            headers = () if after is None else (("retry-after", str(after)),)
            raise Refused(knobs.fail, f"The simulator answers {knobs.fail}, as asked for.", headers=headers)

    def _fails(self, times: int | None, request: Request) -> bool:
        """Whether this one of several equal requests fails; after one that does not, it begins again."""
        if times is None:
            return True
        key = hashlib.blake2b(request.path.encode() + b"\0" + request.body, digest_size=16).digest()
        failed = self._failures.pop(key, 0)
        if failed >= times:
            return False
        _remember(self._failures, key, failed + 1)
        return True

    def _within_rate(self, model: str, rate: int, window_s: int) -> None:
        now, window_ns = self._now_ns(), window_s * 1_000_000_000
        start, used = self._windows.pop(model, (now, 0))
        if now - start >= window_ns:
            start, used = now, 0
        _remember(self._windows, model, (start, min(used + 1, rate)))
        left_s = -(-(start + window_ns - now) // 1_000_000_000)
        if used >= rate:
            headers = (
                ("retry-after", str(left_s)),
                ("x-ratelimit-limit-requests", str(rate)),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", f"{left_s}s"),
            )
            raise Refused(429, f"Rate limit reached: {rate} requests in {window_s} s.", headers=headers)


def _remember(memory: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    memory[key] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def instead(knobs: Knobs, model: str, *, stream: bool) -> Reply | None:
    """Give the reply of a knob that does not look at the request; None where there is none."""
    if knobs.hang:
        return Script((Forever(),), model, stream)
    if knobs.reset:
        return Script(_timely(knobs, (Reset(),)), model, stream)
    if knobs.html:
        return _delayed(knobs, Whole(200, (("content-type", "text/html; charset=utf-8"),), _HTML), model)
    if knobs.empty:
        return _delayed(knobs, Whole(200, (("content-type", "application/json"),), b""), model)
    return None


def whole(knobs: Knobs, reply: Whole, spoiled: Spoiled, *, model: str, chunks: int) -> Reply:
    """Answer in one piece, in the time a stream of `chunks` would take, unless a knob spoils it."""
    if knobs.error_after is not None:
        reply = Whole(reply.status, reply.headers, spoiled.error)
    elif knobs.garbage:
        reply = replace(reply, body=spoiled.garbage)
    end: Step | None = None
    if knobs.cut_after is not None:
        end = Cut()
    elif knobs.stall_after is not None:
        end = Forever()
    elif knobs.reset_after is not None:
        end = Reset()
    if end is None:
        return _delayed(knobs, reply, model, knobs.chunk_s * chunks)
    body = reply.body
    steps = (Head(reply.status, reply.headers, len(body)), Piece(body[: len(body) // 2]), end)
    return Script(_timely(knobs, steps), model, stream=False, bill=reply.bill)


def stream(knobs: Knobs, headers: Headers, events: Iterable[Event], spoiled: Spoiled, bill: Bill) -> Script:
    """Answer event by event, unless a knob spoils it; `bill` is that of the prompt."""
    steps = _played(knobs, Head(200, headers), events, spoiled)
    return Script(_timely(knobs, steps), bill.model, stream=True, bill=bill)


def _played(knobs: Knobs, head: Head, events: Iterable[Event], spoiled: Spoiled) -> Iterator[Step]:
    yield head
    deltas = 0
    for event in events:
        over = event.kind not in {"open", "frame", "delta"}
        if event.kind == "delta" or over:
            final = _fault_at(knobs, deltas, spoiled, over=over)
            if final is not None:
                yield from final
                return
        if event.kind == "delta":
            if knobs.garbage and deltas == _GARBAGE_AFTER:
                yield Piece(spoiled.garbage)
            deltas += 1
            if knobs.chunk_s and deltas > 1:
                yield Wait(knobs.chunk_s)
        if event.kind != "done" or not knobs.nodone:
            yield Piece(event.data, event.tokens)


def _fault_at(knobs: Knobs, deltas: int, spoiled: Spoiled, *, over: bool) -> tuple[Step, ...] | None:
    """How a stream ends after so many deltas; a fault that was still to come comes at the end of the answer."""
    faults: tuple[tuple[int | None, tuple[Step, ...]], ...] = (
        (knobs.cut_after, (Cut(),)),
        (knobs.stall_after, (Forever(),)),
        (knobs.reset_after, (Reset(),)),
        (knobs.error_after, (Piece(spoiled.error),)),
    )
    due = [steps for after, steps in faults if after is not None and (over or deltas >= after)]
    return due[0] if due else None


def _timely(knobs: Knobs, steps: Iterable[Step]) -> Iterator[Step]:
    if knobs.ttft_s:
        yield Wait(knobs.ttft_s)
    yield from steps


def _delayed(knobs: Knobs, reply: Whole, model: str, more_s: float = 0.0) -> Reply:
    delay = knobs.ttft_s + more_s
    if not delay:
        return reply
    steps = (Wait(delay), Head(reply.status, reply.headers, len(reply.body)), Piece(reply.body))
    return Script(steps, model, stream=False, bill=reply.bill)
