"""The wide event of one call: everything the call log keeps of it, the words apart."""

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.types.call import Attempt, Call, ContextFacts, has_failed
from llmgw.types.content import CaptureLevel
from llmgw.types.errors import ClientGone
from llmgw.types.prompt import PromptFacts
from llmgw.types.text import cut

Outcome: TypeAlias = Literal["ok", "refused", "failed", "gone"]
"""`refused`: the caller was told no; `failed`: the house or its providers failed; `gone`: the caller left."""
MAX_TEXT: Final = 256
"""Bytes of one text of an event."""
MAX_ITEMS: Final = 32
"""Items of one list of an event."""
_MAX_COUNT: Final = (1 << 63) - 1
_MAX_ITEM: Final = 128


_Tried: TypeAlias = tuple[str, str, str, str | int | None, str]
"""Of a try: target, provider and model, the error that ended it or the provider's status, and by which prices."""
_Answered: TypeAlias = tuple[
    CaptureLevel, str, str, bool, int, str | None, tuple[str, str, str], tuple[_Tried, ...], str
]
"""Capture level, endpoint, alias, whether streamed, status, error; tenant, team and key; the tries; the model as
the answer names it."""


class CallEvent(Struct, kw_only=True, omit_defaults=True):
    """One finished call; members are the columns of the log, in order.

    Times are whole microseconds, money is whole nano-USD. What does not apply is "", an empty list or None, and a
    number that is not known is None. `ended_us` is unix time; with `id` it is the order of the log.
    """

    ended_us: int
    """When it ended, in microseconds of unix time."""
    id: str
    """As in the header `x-llmgw-call-id`; at the capture level `none` one that nobody was told."""
    parent: str = ""
    """The call this one was made for, such as a summary's."""
    request_id: str = ""
    """As in the header `x-request-id`."""
    trace_id: str = ""
    """Its trace, as 32 hexadecimal digits, whether that was kept or not."""
    span_id: str = ""
    """The root span's, for links."""
    tenant: str = ""
    """Whose key it was made with."""
    team: str = ""
    """The team of that key."""
    key_id: str = ""
    """The key, by its public id."""
    tags: tuple[str, ...] = ()
    """Names that the caller gave it."""
    endpoint: str = ""
    """The route, such as `/v1/chat/completions`."""
    alias: str = ""
    """The model as the caller named it."""
    target: str = ""
    """The target tried last."""
    provider: str = ""
    """The provider of that, as the configuration names it."""
    model: str = ""
    """The model there, as its provider names it."""
    answered_model: str = ""
    """The model as the answer names it."""
    targets: tuple[str, ...] = ()
    """Those tried, in order."""
    attempt_codes: tuple[str, ...] = ()
    """Per attempt the error that ended it, or the provider's status."""
    prompt: str = ""
    """The version that served the call, `name@7`."""
    prompt_label: str = ""
    """The label that led to the version."""
    prompt_arm: str = ""
    """During a rollout the side that served it."""
    prompt_hash: str = ""
    """The digest of the version's content."""
    prompt_output: str = ""
    """Whether the answer fits the output schema of the version."""
    context: str = ""
    """The stored conversation. What callers name their own ones is not kept: it may say who they are."""
    rev: int | None = None
    """The revision of the conversation that the call made, or found."""
    head: str = ""
    """The digest in which the chain of turns ends."""
    verdict: str = ""
    """What became of the stored context on its way to the model."""
    score: float | None = None
    """How much of the context the model was told, from 0 to 1."""
    losses: int | None = None
    """How many losses and findings the verdict rests on."""
    loss_codes: tuple[str, ...] = ()
    """Their kinds, each once."""
    checks_failed: tuple[str, ...] = ()
    """The checks that failed, `c1` to `c8`."""
    turns: int | None = None
    """Turns of the conversation."""
    turns_sent: int | None = None
    """Turns of it that the model was told."""
    context_tokens: int | None = None
    """Tokens of what the model was told of it, as the gateway counts."""
    provider_before: str = ""
    """The kind of provider that gave the answer before."""
    conflict: str = ""
    """What kept the call from the conversation."""
    fit: str = ""
    """What was done where it did not fit the model's window."""
    cache: str = ""
    """Whether the worker knew the conversation."""
    replayed: bool = False
    """Whether the answer is that of an earlier call with the same idempotency key."""
    stream: bool = False
    """Whether the answer was streamed."""
    outcome: Outcome = "ok"
    """`refused`: the caller was told no; `failed`: the house or its providers failed; `gone`: the caller left."""
    status: int = 0
    """The HTTP status that the caller got, 0 for none."""
    error: str = ""
    """The code of the error that ended it."""
    finish_reasons: tuple[str, ...] = ()
    """Why the answers ended."""
    input_tokens: int | None = None
    """Tokens as the provider counted them: all that was read."""
    output_tokens: int | None = None
    """All that was written."""
    cache_read_tokens: int | None = None
    """Those of the input that came from the provider's cache."""
    cache_write_tokens: int | None = None
    """Those of the input that went to it."""
    reasoning_tokens: int | None = None
    """Those of the output that are reasoning."""
    cost_nano: int | None = None
    """What its attempts cost, in nano-USD."""
    prices: str = ""
    """By which prices."""
    duration_us: int = 0
    """From its first byte to its last, in microseconds."""
    overhead_us: int = 0
    """What of that was not spent waiting for providers."""
    first_content_us: int | None = None
    """From its first byte to the first content of its stream."""
    admission: str = ""
    """What limits and budgets said."""
    limit: str = ""
    """The limit or budget that refused it."""
    capture: CaptureLevel = "metadata"
    """How much may be told of the call."""


def event_of(call: Call, parent: str = "") -> CallEvent:
    """Write a finished call down; at its level `none` only what sums need, under an id nobody was told.

    `parent` is the id of the call it was made for.
    """
    total, attempts, caller = call.total_ns, call.attempts, call.caller
    answered = _answered(
        (
            call.capture,
            call.endpoint,
            (call.alias or "")[:MAX_TEXT],
            call.stream,
            call.status,
            call.error,
            ("", "", "") if caller is None else (caller.tenant, caller.team, caller.key_id),
            tuple([_tried(each) for each in attempts]),
            (call.answered_model or "")[:MAX_TEXT],
        )
    )
    # Members are set one by one: to name as many in one call costs three times as much.
    event: CallEvent = answered.__copy__()  # type: ignore[attr-defined]  # every msgspec.Struct has it
    event.ended_us = (call.started_unix_ns + total) // 1000
    event.cost_nano = _count(call.own_cost_nano)
    event.duration_us = total // 1000
    event.overhead_us = max(0, total - call.waited_ns) // 1000
    if (usage := call.usage) is not None:
        event.input_tokens = _count(usage.input_tokens)
        event.output_tokens = _count(usage.output_tokens)
        # Most providers do not say all of these.
        if usage.cached_read_tokens is not None:
            event.cache_read_tokens = _count(usage.cached_read_tokens)
        if usage.cache_write_tokens is not None:
            event.cache_write_tokens = _count(usage.cache_write_tokens)
        if usage.reasoning_tokens is not None:
            event.reasoning_tokens = _count(usage.reasoning_tokens)
    if call.finish_reasons:
        event.finish_reasons = _texts(call.finish_reasons)
    if (first := call.first_content_ns) is not None:
        event.first_content_us = max(0, first - call.started_ns) // 1000
    if call.capture == "none":
        event.id = f"none_{secrets.token_hex(8)}"
        return event
    event.id, event.parent, event.request_id = call.id, parent, _text(call.request_id)
    event.trace_id = f"{call.trace_id:032x}"
    event.span_id = f"{call.span_id:016x}"
    if call.tags:
        event.tags = _texts(call.tags)
    if call.prompt is not None:
        _prompt(call.prompt, event)
    if call.context is not None:
        _context(call.context, event)
    if call.admission is not None:
        event.admission, event.limit = call.admission.outcome, call.admission.limit
    return event


def _tried(attempt: Attempt) -> _Tried:
    charge = attempt.charge
    return (
        attempt.target[:MAX_TEXT],
        attempt.provider,
        attempt.model[:MAX_TEXT],
        attempt.error or attempt.status,
        "" if charge is None else charge.prices,
    )


@lru_cache(maxsize=1024)
def _answered(facts: _Answered) -> CallEvent:
    """What the events of many calls have in common: who asked what, and who answered it how."""
    capture, endpoint, alias, stream, status, error, caller, tried, answered_model = facts
    event = CallEvent(
        ended_us=0, id="", capture=capture, endpoint=endpoint, alias=_text(alias), stream=stream
    )
    event.status, event.outcome, event.error = status, _outcome(status, error), error or ""
    event.tenant, team, key_id = caller
    if tried:
        target, event.provider, model, *_ = tried[-1]
        event.target, event.model = _text(target), _text(model)
        event.prices = next((each[-1] for each in reversed(tried) if each[-1]), "")
    if capture != "none":
        event.team, event.key_id, event.answered_model = team, key_id, _text(answered_model)
        event.targets = _texts([each[0] for each in tried])
        event.attempt_codes = _texts([str(each[3] or "") for each in tried])
    return event


def _prompt(told: PromptFacts, event: CallEvent) -> None:
    event.prompt = told.served
    event.prompt_label = told.label
    event.prompt_arm = told.arm or ""
    event.prompt_hash = told.hash
    event.prompt_output = told.output


def _context(told: ContextFacts, event: CallEvent) -> None:
    if told.mode == "stored":
        event.context = _text(told.id)
    if told.etag:
        event.rev = _count(told.rev)
        event.head = told.etag.partition("-")[2]
    if told.verdict:
        event.verdict, event.score = told.verdict, told.score
        event.losses = len(told.losses) + len(told.findings)
    if told.losses or told.findings:
        codes = {loss.code for loss in told.losses} | {finding.code for finding in told.findings}
        event.loss_codes = _texts(sorted(codes))
    if "fail" in told.checks.values():
        event.checks_failed = tuple(check for check, result in told.checks.items() if result == "fail")
    event.turns, event.turns_sent = told.turns, told.turns_sent
    event.context_tokens = _count(told.tokens)
    event.provider_before = told.kind_before
    if told.conflict != "none":
        event.conflict = told.conflict
    event.fit, event.cache, event.replayed = told.fit, told.cache, told.replayed


def _outcome(status: int, error: str | None) -> Outcome:
    if error == ClientGone.code:
        return "gone"
    if has_failed(status, error):
        return "failed"
    return "refused" if error is not None else "ok"


def _text(text: str) -> str:
    return text if len(text) <= MAX_TEXT and text.isascii() else cut(text, MAX_TEXT)


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        [
            text if len(text) <= _MAX_ITEM and text.isascii() else cut(text, _MAX_ITEM)
            for text in texts[:MAX_ITEMS]
        ]
    )


def _count(number: int | None) -> int | None:
    """A number as it is reported, unless no column takes it."""
    return number if number is not None and abs(number) <= _MAX_COUNT else None
