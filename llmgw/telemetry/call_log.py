"""One line per finished call: who asked, who answered, how it went, how long it took; never what was said."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.json import Encoder

from llmgw.telemetry.lines import MAX_LINE, LineWriter, Rfc3339
from llmgw.types.call import Attempt, Call, ContextFacts
from llmgw.types.money import NANO
from llmgw.types.preservation import Verdict
from llmgw.types.prompt import PromptFacts
from llmgw.types.text import printable

Level: TypeAlias = Literal["info", "warning", "error"]
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
_TIGHT_TAGS = 4
"""Tags of a line that is short of room."""
_PRESERVED: Final[Verdict] = "preserved"
_LOST: Final[Verdict] = "lost"
_MAX_COUNT = (1 << 63) - 1
_RANKS: Final[Mapping[Level, int]] = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


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
    level: Level
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


_Tried: TypeAlias = tuple[str, str | int | None, str | None]
"""Of a try: target, the error that ended it or the provider's status, and by which prices it was charged."""
_Answered: TypeAlias = tuple[
    Level, str, int, bool, tuple[str, str] | None, str | None, str | None, tuple[_Tried, ...], int
]
"""Level, endpoint, status, whether streamed; key and tenant; alias, error and tries; most characters of a text."""


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
        level = _level(call)
        if _RANKS[level] < self._threshold:
            return
        line = self._render(call, level, _ROOMY)
        if len(line) > MAX_LINE:
            line = self._render(call, level, _TIGHT)
        self._writer.write(line)

    def _render(self, call: Call, level: Level, limit: int) -> bytes:
        line = self._line(call, level, limit)
        if self._style == "json":
            return self._encode(line) + b"\n"
        return one_liner(line, colour=self._style == "colour").encode() + b"\n"

    def _line(self, call: Call, level: Level, limit: int) -> CallLine:
        total, caller = call.total_ns, call.caller
        answered = _answered(
            (
                level,
                call.endpoint,
                call.status,
                call.stream,
                None if caller is None else (caller.key_id, caller.tenant),
                None if call.alias is None else call.alias[:limit],
                call.error,
                tuple([_tried(each) for each in call.attempts]),
                limit,
            )
        )
        # Members are set one by one: to name as many in one call costs three times as much.
        line: CallLine = answered.__copy__()  # type: ignore[attr-defined]  # every msgspec.Struct has it
        line.ts = self._rfc3339(call.started_unix_ns + total)
        line.request_id = printable(call.request_id, limit)
        line.call_id = printable(call.id, limit)
        if call.trace_id:
            line.trace_id = f"{call.trace_id:032x}"
        line.duration_ms = total // 1000 / 1000
        line.overhead_ms = max(0, total - call.waited_ns) // 1000 / 1000
        if call.tags:
            kept = call.tags[: _ROOMY if limit == _ROOMY else _TIGHT_TAGS]
            line.tags = [printable(tag, limit) for tag in kept]
        if call.first_content_ns is not None:
            line.first_content_ms = (call.first_content_ns - call.started_ns) // 1000 / 1000
        if call.usage is not None:
            line.input_tokens = _count(call.usage.input_tokens)
            line.output_tokens = _count(call.usage.output_tokens)
        if (cost := call.cost_nano) is not None:
            line.cost_usd = cost / NANO
        if call.context is not None:
            _of_context(call.context, line, limit)
        if call.prompt is not None:
            _of_prompt(call.prompt, line, limit)
        return line


def _tried(attempt: Attempt) -> _Tried:
    charge = attempt.charge
    return attempt.target[:_ROOMY], attempt.error or attempt.status, None if charge is None else charge.prices


@lru_cache(maxsize=1024)
def _answered(facts: _Answered) -> CallLine:
    """What the lines of many calls have in common: who asked what, and who answered it how. Nobody changes it."""
    level, endpoint, status, stream, caller, alias, error, tried, limit = facts
    line = CallLine(
        ts="",
        level=level,
        event="call",
        endpoint=printable(endpoint, limit),
        status=status,
        stream=stream,
        duration_ms=0.0,
        overhead_ms=0.0,
        attempts=len(tried),
        codes=[printable(str(code or ""), limit) for _, code, _ in tried[:_MAX_ATTEMPTS]],
    )
    if caller is not None:
        key_id, tenant = caller
        line.key_id, line.tenant = printable(key_id, limit) or None, printable(tenant, limit)
    if alias is not None:
        line.alias = printable(alias, limit)
    if error is not None:
        line.error = printable(error, limit)
    if tried:
        line.target = printable(tried[-1][0], limit)
    # Whose prices the answer was charged by.
    prices = [each for _, _, each in tried if each is not None]
    if prices:
        line.prices = printable(prices[-1], limit)
    return line


def _of_context(stored: ContextFacts, line: CallLine, limit: int) -> None:
    if stored.id:
        line.context = printable(stored.id, limit)
    if stored.etag:
        line.rev = _count(stored.rev)
    if stored.verdict:
        line.preservation = printable(stored.verdict, limit)
        line.score = stored.score
        line.losses = len(stored.losses) + len(stored.findings)
    line.replayed = stored.replayed
    if stored.mode != "stored":
        line.mode = stored.mode


def _of_prompt(facts: PromptFacts, line: CallLine, limit: int) -> None:
    line.prompt = printable(facts.served, limit)
    line.prompt_hash = facts.hash
    if facts.label:
        line.prompt_label = printable(facts.label, limit)
    line.prompt_arm = facts.arm
    line.prompt_source = facts.source
    line.prompt_output = facts.output or None


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


def _level(call: Call) -> Level:
    if call.failed:
        return "error"
    lost = call.context is not None and call.context.verdict == _LOST
    return "warning" if lost or call.error is not None or len(call.attempts) > 1 else "info"


def _count(tokens: int | None) -> int | None:
    """Tokens as a provider reports them, unless that is a number JSON readers choke on."""
    return tokens if tokens is not None and abs(tokens) <= _MAX_COUNT else None
