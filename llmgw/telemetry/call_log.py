"""One line per finished call: who asked, who answered, how it went, how long it took; never what was said."""

import logging
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.json import Encoder

from llmgw.telemetry.lines import MAX_LINE, LineWriter, Rfc3339
from llmgw.types.call import Call
from llmgw.types.money import NANO
from llmgw.types.preservation import Verdict
from llmgw.types.prompt import PromptFacts
from llmgw.types.text import printable

Style: TypeAlias = Literal["json", "text", "colour"]
"""`json` for machines; `text` and `colour` are one-liners for people."""

RESET = "\x1b[0m"
DIM = "\x1b[2m"
RED = "\x1b[31m"
GREEN = "\x1b[32m"
YELLOW = "\x1b[33m"
_ROOMY = 128
_TIGHT = 12
_MAX_ATTEMPTS = 8
_PRESERVED: Final[Verdict] = "preserved"
_LOST: Final[Verdict] = "lost"
_MAX_COUNT = (1 << 63) - 1
_RANKS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class CallLine(Struct, kw_only=True, omit_defaults=True):
    """Everything a call's line may say: there is no other field, so nothing else can leak.

    `codes` has per attempt the error that ended it, or the provider's HTTP status where it answered.
    Milliseconds have three decimals. What is said from `context` on is about the stored conversation: its id and
    revision, the verdict and score of what reached the model, and how many things did not as they are stored. With
    `mode` `verify` the caller keeps it: its session, and how many things are not as they were in the call before.
    `cost_usd` is that of all attempts, and of calls made for this one; `prices` the list the answer was charged by.
    `prompt` is the version that served the call, `name@7`; the fields behind it say how it was chosen.
    """

    ts: str
    level: str
    event: Literal["call"]
    request_id: str = ""
    call_id: str = ""
    trace_id: str = ""
    endpoint: str
    status: int
    stream: bool
    duration_ms: float
    overhead_ms: float
    attempts: int
    codes: list[str]
    key_id: str | None = None
    tenant: str | None = None
    alias: str | None = None
    target: str | None = None
    tags: list[str] | None = None
    error: str | None = None
    first_content_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    prices: str | None = None
    context: str | None = None
    rev: int | None = None
    preservation: str | None = None
    score: float | None = None
    losses: int | None = None
    replayed: bool = False
    mode: str | None = None
    prompt: str | None = None
    prompt_hash: str | None = None
    prompt_label: str | None = None
    prompt_arm: str | None = None
    prompt_source: str | None = None
    prompt_output: str | None = None


class CallLog:
    """Writes finished calls from `threshold` up, one line each; a line that cannot go at once is dropped.

    Calls that failed are errors; refused, abandoned or retried ones are warnings, and so are those that lost
    something of their context.
    """

    def __init__(self, writer: LineWriter, style: Style, *, threshold: int = logging.INFO) -> None:
        self._writer = writer
        self._style = style
        self._threshold = threshold
        self._encode = Encoder().encode
        self._rfc3339 = Rfc3339()

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._writer.dropped

    def write(self, call: Call) -> None:
        """Write the line of one finished call; never waits, never raises."""
        if _RANKS[_level(call)] < self._threshold:
            return
        line = self._render(call, _ROOMY)
        if len(line) > MAX_LINE:
            line = self._render(call, _TIGHT)
        self._writer.write(line)

    def _render(self, call: Call, limit: int) -> bytes:
        line = self._line(call, limit)
        if self._style == "json":
            return self._encode(line) + b"\n"
        return one_liner(line, colour=self._style == "colour").encode() + b"\n"

    def _line(self, call: Call, limit: int) -> CallLine:
        caller = call.caller
        usage = call.usage
        first, cost = call.first_content_ns, call.cost_nano
        total = call.total_ns
        stored = call.context
        reported = stored is not None and bool(stored.verdict)
        return CallLine(
            ts=self._rfc3339(call.started_unix_ns + total),
            level=_level(call),
            event="call",
            request_id=printable(call.request_id, limit),
            call_id=printable(call.id, limit),
            trace_id=f"{call.trace_id:032x}" if call.trace_id else "",
            endpoint=printable(call.endpoint, limit),
            status=call.status,
            stream=call.stream,
            duration_ms=_ms(total),
            overhead_ms=_ms(call.overhead_ns),
            attempts=len(call.attempts),
            codes=[
                printable(attempt.error or str(attempt.status or ""), limit)
                for attempt in call.attempts[:_MAX_ATTEMPTS]
            ],
            key_id=_optional(caller.key_id or None, limit) if caller else None,
            tenant=printable(caller.tenant, limit) if caller else None,
            alias=_optional(call.alias, limit),
            tags=[printable(tag, limit) for tag in call.tags] or None,
            target=_optional(call.target, limit),
            error=_optional(call.error, limit),
            first_content_ms=None if first is None else _ms(first - call.started_ns),
            input_tokens=_count(usage.input_tokens) if usage else None,
            output_tokens=_count(usage.output_tokens) if usage else None,
            cost_usd=None if cost is None else cost / NANO,
            prices=_prices(call, limit),
            context=_optional(stored.id or None, limit) if stored else None,
            rev=_count(stored.rev) if stored and stored.etag else None,
            preservation=printable(stored.verdict, limit) if stored and reported else None,
            score=stored.score if stored and reported else None,
            losses=len(stored.losses) + len(stored.findings) if stored and reported else None,
            replayed=stored is not None and stored.replayed,
            mode=stored.mode if stored and stored.mode != "stored" else None,
            **_of_prompt(call.prompt, limit),
        )


def _prices(call: Call, limit: int) -> str | None:
    """Whose prices the answer was charged by."""
    charge = next((each.charge for each in reversed(call.attempts) if each.charge is not None), None)
    return None if charge is None else printable(charge.prices, limit)


def _of_prompt(facts: PromptFacts | None, limit: int) -> dict[str, str | None]:
    if facts is None:
        return {}
    return {
        "prompt": printable(facts.served, limit),
        "prompt_hash": facts.hash,
        "prompt_label": _optional(facts.label or None, limit),
        "prompt_arm": facts.arm,
        "prompt_source": facts.source,
        "prompt_output": facts.output or None,
    }


def one_liner(line: CallLine, *, colour: bool) -> str:
    """Write a call for a person: time, status, what, who, how long, tokens, which context, which request."""
    paint = {"error": RED, "warning": YELLOW, "info": GREEN}[line.level] if colour else ""
    dim, reset = (DIM, RESET) if colour else ("", "")
    route = " -> ".join(name for name in (line.alias, line.target) if name)
    parts = [
        f"{dim}{line.ts[11:23]}{reset} {paint}{line.status}{reset} {line.endpoint}",
        route,
        f"{line.duration_ms:.0f} ms {dim}(+{line.overhead_ms:.1f}){reset}",
    ]
    if line.first_content_ms is not None and line.stream:
        parts.append(f"first {line.first_content_ms:.0f} ms")
    if line.input_tokens is not None or line.output_tokens is not None:
        parts.append(f"{line.input_tokens or 0}>{line.output_tokens or 0} tokens")
    if line.cost_usd:
        parts.append(f"${line.cost_usd:.6f}")
    if line.attempts > 1:
        parts.append(f"{line.attempts} attempts ({', '.join(line.codes)})")
    if line.prompt:
        parts.append(line.prompt)
    if line.context:
        parts.append(line.context if line.rev is None else f"{line.context}@{line.rev}")
    if line.preservation and line.preservation != _PRESERVED:
        parts.append(f"{paint}{line.preservation} {line.score:.2f}{reset}")
    if line.replayed:
        parts.append("replayed")
    if line.error:
        parts.append(f"{paint}{line.error}{reset}")
    if line.request_id:
        parts.append(f"{dim}{line.request_id}{reset}")
    return "  ".join(part for part in parts if part)


def _level(call: Call) -> Literal["info", "warning", "error"]:
    if call.failed:
        return "error"
    lost = call.context is not None and call.context.verdict == _LOST
    return "warning" if lost or call.error is not None or len(call.attempts) > 1 else "info"


def _ms(ns: int) -> float:
    return ns // 1000 / 1000


def _optional(text: str | None, limit: int) -> str | None:
    return None if text is None else printable(text, limit)


def _count(tokens: int | None) -> int | None:
    """Tokens as a provider reports them, unless that is a number JSON readers choke on."""
    return tokens if tokens is not None and abs(tokens) <= _MAX_COUNT else None
