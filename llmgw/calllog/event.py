"""The wide event of one call: everything the call log keeps of it, the words apart."""

import secrets
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.types.call import Attempt, Call, ContextFacts
from llmgw.types.errors import ClientGone
from llmgw.types.event import Usage
from llmgw.types.prompt import PromptFacts
from llmgw.types.text import cut

Outcome: TypeAlias = Literal["ok", "refused", "failed", "gone"]
"""`refused`: the caller was told no; `failed`: the house or its providers failed; `gone`: the caller left."""
Capture: TypeAlias = Literal["none", "metadata", "redacted", "full"]
"""How much of a call is kept: sums alone; all but words; words without secrets; words."""

MAX_TEXT: Final = 256
"""Bytes of one text of an event."""
MAX_ITEMS: Final = 32
"""Items of one list of an event."""
_MAX_COUNT: Final = (1 << 63) - 1
_MAX_ITEM: Final = 128


class CallEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finished call; members are the columns of the log, in order.

    Times are whole microseconds, money is whole nano-USD. What does not apply is "", an empty list or None, and a
    number that is not known is None. `ended_us` is unix time; with `id` it is the order of the log.
    """

    ended_us: int
    id: str
    """As in the header `x-llmgw-call-id`; empty at the capture level `none`."""
    parent: str = ""
    """The call this one was made for, such as a summary's."""
    request_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    """The root span's, for links."""
    tenant: str = ""
    team: str = ""
    key_id: str = ""
    tags: tuple[str, ...] = ()
    endpoint: str = ""
    alias: str = ""
    """The model as the caller named it."""
    target: str = ""
    """The target tried last."""
    provider: str = ""
    """The provider of that, as the configuration names it."""
    model: str = ""
    answered_model: str = ""
    targets: tuple[str, ...] = ()
    """Those tried, in order."""
    attempt_codes: tuple[str, ...] = ()
    """Per attempt the error that ended it, or the provider's status."""
    prompt: str = ""
    """The version that served the call, `name@7`."""
    prompt_label: str = ""
    prompt_arm: str = ""
    prompt_hash: str = ""
    prompt_output: str = ""
    context: str = ""
    rev: int | None = None
    head: str = ""
    """The digest in which the chain of turns ends."""
    verdict: str = ""
    score: float | None = None
    losses: int | None = None
    loss_codes: tuple[str, ...] = ()
    checks_failed: tuple[str, ...] = ()
    turns: int | None = None
    turns_sent: int | None = None
    context_tokens: int | None = None
    provider_before: str = ""
    """The kind of provider that gave the answer before."""
    conflict: str = ""
    fit: str = ""
    cache: str = ""
    replayed: bool = False
    stream: bool = False
    outcome: Outcome = "ok"
    status: int = 0
    error: str = ""
    finish_reasons: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano: int | None = None
    prices: str = ""
    duration_us: int = 0
    overhead_us: int = 0
    first_content_us: int | None = None
    admission: str = ""
    limit: str = ""
    """The limit or budget that refused it."""
    capture: Capture = "metadata"


def event_of(call: Call, capture: Capture, parent: str = "") -> CallEvent:
    """Write a finished call down; at the level `none` only what sums need, under an id nobody was told.

    `parent` is the id of the call it was made for.
    """
    facts = _sums(call)
    if capture == "none":
        return CallEvent(id=f"none_{secrets.token_hex(8)}", capture=capture, **facts)
    if call.prompt is not None:
        facts.update(_prompt(call.prompt))
    if call.context is not None:
        facts.update(_context(call.context))
    if call.admission is not None:
        facts.update(admission=call.admission.outcome, limit=call.admission.limit)
    if call.caller is not None:
        facts.update(team=call.caller.team, key_id=call.caller.key_id)
    return CallEvent(
        id=call.id,
        parent=parent,
        request_id=_text(call.request_id),
        trace_id=f"{call.trace_id:032x}",
        span_id=f"{call.span_id:016x}",
        tags=_texts(call.tags),
        answered_model=_text(call.answered_model or ""),
        targets=_texts([each.target for each in call.attempts]),
        attempt_codes=_texts([_code(each) for each in call.attempts]),
        capture=capture,
        **facts,
    )


def _sums(call: Call) -> dict[str, Any]:
    """What sums need of a call."""
    total = call.total_ns
    usage = call.usage or _NO_USAGE
    last = call.attempts[-1] if call.attempts else None
    first = call.first_content_ns
    charge = next((each.charge for each in reversed(call.attempts) if each.charge is not None), None)
    return {
        "ended_us": (call.started_unix_ns + total) // 1000,
        "tenant": call.caller.tenant if call.caller else "",
        "endpoint": call.endpoint,
        "alias": _text(call.alias or ""),
        "target": _text(last.target) if last else "",
        "provider": last.provider if last else "",
        "model": _text(last.model) if last else "",
        "stream": call.stream,
        "outcome": _outcome(call),
        "status": call.status,
        "error": call.error or "",
        "finish_reasons": _texts(call.finish_reasons),
        "input_tokens": _count(usage.input_tokens),
        "output_tokens": _count(usage.output_tokens),
        "cache_read_tokens": _count(usage.cached_read_tokens),
        "cache_write_tokens": _count(usage.cache_write_tokens),
        "reasoning_tokens": _count(usage.reasoning_tokens),
        "cost_nano": _count(call.cost_nano),
        "prices": charge.prices if charge else "",
        "duration_us": total // 1000,
        "overhead_us": call.overhead_ns // 1000,
        "first_content_us": None if first is None else max(0, first - call.started_ns) // 1000,
    }


def _prompt(facts: PromptFacts) -> dict[str, Any]:
    return {
        "prompt": facts.served,
        "prompt_label": facts.label,
        "prompt_arm": facts.arm or "",
        "prompt_hash": facts.hash,
        "prompt_output": facts.output,
    }


def _context(facts: ContextFacts) -> dict[str, Any]:
    reported = bool(facts.verdict)
    codes = {loss.code for loss in facts.losses} | {finding.code for finding in facts.findings}
    return {
        "context": _text(facts.id),
        "rev": _count(facts.rev) if facts.etag else None,
        "head": facts.etag.partition("-")[2],
        "verdict": facts.verdict,
        "score": facts.score if reported else None,
        "losses": len(facts.losses) + len(facts.findings) if reported else None,
        "loss_codes": _texts(sorted(codes)),
        "checks_failed": tuple(check for check, result in facts.checks.items() if result == "fail"),
        "turns": facts.turns,
        "turns_sent": facts.turns_sent,
        "context_tokens": _count(facts.tokens),
        "provider_before": facts.kind_before,
        "conflict": facts.conflict if facts.conflict != "none" else "",
        "fit": facts.fit,
        "cache": facts.cache,
        "replayed": facts.replayed,
    }


def _outcome(call: Call) -> Outcome:
    if call.error == ClientGone.code:
        return "gone"
    if call.failed:
        return "failed"
    return "refused" if call.error is not None else "ok"


def _code(attempt: Attempt) -> str:
    return attempt.error or str(attempt.status or "")


def _text(text: str) -> str:
    return cut(text, MAX_TEXT)


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple([cut(text, _MAX_ITEM) for text in texts[:MAX_ITEMS]]) if texts else ()


def _count(number: int | None) -> int | None:
    """A number as it is reported, unless no column takes it."""
    return number if number is not None and abs(number) <= _MAX_COUNT else None


_NO_USAGE: Final = Usage()
