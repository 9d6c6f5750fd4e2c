"""The facts of one call, gathered on its way through the house and handed to telemetry at its end."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.types.allotment import Allotment
from llmgw.types.allowance import Allowance
from llmgw.types.content import CaptureLevel, Content
from llmgw.types.errors import ClientGone
from llmgw.types.event import Usage
from llmgw.types.links import SpanPlace
from llmgw.types.loss import Loss
from llmgw.types.money import Charge
from llmgw.types.preservation import Check, CheckResult, PartLoss
from llmgw.types.prompt import PromptFacts
from llmgw.types.verification import Finding
from llmgw.types.violation import Violation

Conflict: TypeAlias = Literal["none", "locked", "mismatch", "fenced"]
"""How a call met another writer."""
Role: TypeAlias = Literal["admin", "operator", "publisher", "caller", "viewer"]


TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
"""What a tenant may be called."""
DEFAULT_TENANT: Final = "default"
"""The tenant of keys that name none."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls: the holder of a key, or anybody where the operator allows it on loopback."""

    key_id: str
    name: str
    role: Role
    tenant: str = DEFAULT_TENANT
    team: str = ""
    tags: tuple[str, ...] = ()
    """What its key is marked with, for sums of what it used."""
    allowed: Allowance | None = None
    """What it may call; None is everything."""
    may_call: bool = True
    """Whether it may use its role's right to call: tokens of people are for the control plane alone."""
    expires_ms: int | None = None
    """When a token ends, in unix ms; the ends of keys are the key ring's to know."""


ANYBODY = Caller(key_id="none", name="anybody", role="admin")
"""The caller of a gateway that asks for no key."""


class Attempt(Struct, kw_only=True):
    """One try at one target; times are `time.monotonic_ns`, `error` is an error's code."""

    target: str
    provider: str
    kind: str
    model: str
    started_ns: int
    span_id: int
    first_byte_ns: int | None = None
    ended_ns: int | None = None
    status: int | None = None
    upstream_id: str | None = None
    error: str | None = None
    message: str | None = None
    usage: Usage | None = None
    """What the provider says it used, were it for an answer that broke off."""
    estimated: bool = False
    """Whether `usage` was counted here, as the provider did not say what it used."""
    charge: Charge | None = None
    """What that costs; None where the provider does not say what it used, or its price is not known."""


class AdmissionFacts(Struct, kw_only=True):
    """What limits and budgets made of a call that some were in force for; times are `time.monotonic_ns`.

    `limit` is the one that refused it, as `team:search:month`. With `unheard` the store was away, and the call
    went on within its worker's share of the limits. `lowered` tells that its answer was bounded to fit a budget.
    """

    limits: int
    budgets: int
    estimate_nano: int
    limit: str = ""
    unheard: bool = False
    lowered: bool = False
    started_ns: int
    ended_ns: int

    @property
    def outcome(self) -> str:
        """`admitted`, `refused` or `unheard`."""
        if self.limit:
            return "refused"
        return "unheard" if self.unheard else "admitted"


class ContextFacts(Struct, kw_only=True):
    """What a call did with a stored conversation; times are `time.monotonic_ns`.

    `cache` says how much of it this worker knew: all, the beginning, or nothing. `verdict` and what follows are
    those of the report, of the request until the answer is whole. `window` is how many tokens the target takes, 0
    where that is not known.
    """

    id: str
    mode: Literal["stored", "verify"] = "stored"
    """Whether the conversation is stored here, or its caller keeps it and it is only compared."""
    findings: tuple[Finding, ...] = ()
    """What of a history that its caller keeps is not as it was."""
    etag: str = ""
    rev: int = 0
    turns_before: int = 0
    """Turns that were stored as the call began."""
    turns: int = 0
    turns_sent: int = 0
    bytes: int = 0
    """What was stored as the call began."""
    tokens: int = 0
    window: int = 0
    cache: Literal["hit", "delta", "cold"] = "cold"
    conflict: Conflict = "none"
    enforcement: str = ""
    fit: str = ""
    verdict: str = ""
    score: float = 1.0
    losses: tuple[PartLoss, ...] = ()
    violations: tuple[Violation, ...] = ()
    checks: dict[Check, CheckResult] = {}
    final: bool = False
    """Whether the report is the last one, made of the whole answer."""
    replayed: bool = False
    summary: str = ""
    """`made` where earlier turns were summed up for this call, `failed` where that was tried."""
    again: bool = False
    """Whether an earlier try of this call was lost on the way, and may have cost money."""
    forked_from: str | None = None
    kind_before: str = ""
    """The kind of provider that gave the answer before; empty where there is none."""
    switched_from: str | None = None
    """The provider of the answer before, where this one's is another."""
    begin_started_ns: int = 0
    begin_ended_ns: int = 0
    fit_started_ns: int = 0
    fit_ended_ns: int = 0
    """Between these two the request was written for the target asked last, a summary for it included."""
    commit_started_ns: int = 0
    commit_ended_ns: int = 0


class Call(Struct, kw_only=True):
    """One request on the data plane, from its first byte to its last.

    Times are `time.monotonic_ns`; `started_unix_ns` anchors them to the wall clock. `waited_ns` is the time
    spent waiting for providers, so that overhead = total - waited.
    """

    id: str
    request_id: str
    endpoint: str
    trace_id: int
    span_id: int
    chat_span_id: int
    started_ns: int
    started_unix_ns: int
    parent_span_id: int | None = None
    sampled: bool = False
    trace_state: str = ""
    caller: Caller | None = None
    alias: str | None = None
    admitted: str | None = None
    """A model that this call may ask whatever its key's list says, as the call it is made for may."""
    admission: AdmissionFacts | None = None
    """How it was admitted; None where nothing limits it."""
    allotment: Allotment | None = None
    """What its admission left of its caller's limits; None where nothing limits it."""
    within_another: bool = False
    """Whether it is made for another call, which was counted."""
    tags: tuple[str, ...] = ()
    stream: bool = False
    attempts: list[Attempt] = []
    losses: tuple[Loss, ...] = ()
    """What the target tried last could not be told as it was said."""
    estimated: bool = False
    """Whether the answer is a count of tokens that was made here, not by a provider."""
    answered_model: str | None = None
    tier: str = ""
    """How the provider says it served the call, in its own word."""
    answered_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    usage: Usage | None = None
    context: ContextFacts | None = None
    prompt: PromptFacts | None = None
    inner: list["Call"] = []
    """Calls that were made for this one: a summary of what went before, say."""
    first_content_ns: int | None = None
    ended_ns: int | None = None
    waited_ns: int = 0
    status: int = 0
    error: str | None = None
    error_message: str | None = None
    """What its caller was told. It may quote a provider or the caller, so it is told with words only."""
    capture: CaptureLevel = "metadata"
    """How much of it may be told."""
    content: Content | None = None
    """Its words, where they may be told."""

    def within(self, new_span_id: Callable[[], int], now_ns: int) -> "Call":
        """Begin a call that is made for this one, in its trace; `now_ns` is `time.monotonic_ns`."""
        return Call(
            id=f"{self.id}.{len(self.inner) + 1}",
            request_id=self.request_id,
            endpoint=self.endpoint,
            trace_id=self.trace_id,
            span_id=new_span_id(),
            chat_span_id=new_span_id(),
            started_ns=now_ns,
            started_unix_ns=self.started_unix_ns + max(0, now_ns - self.started_ns),
            parent_span_id=self.span_id,
            sampled=self.sampled,
            trace_state=self.trace_state,
            caller=self.caller,
            admitted=self.alias,
            within_another=True,
            capture=self.capture,
            content=None if self.content is None else Content(max_bytes=self.content.max_bytes),
        )

    @property
    def place(self) -> SpanPlace:
        """Where its span stands, for those that come later."""
        return SpanPlace(self.trace_id, self.span_id)

    @property
    def cost_nano(self) -> int | None:
        """Nano-USD of all attempts so far, and of the calls made for this one; None where nothing is known."""
        own = self.own_cost_nano
        if not self.inner:
            return own
        known = [cost for inner in self.inner if (cost := inner.cost_nano) is not None]
        return own if not known else sum(known) + (own or 0)

    @property
    def own_cost_nano(self) -> int | None:
        """Nano-USD of its attempts alone: calls made for it are told of by themselves."""
        attempts = self.attempts
        if len(attempts) == 1:
            charge = attempts[0].charge
            return None if charge is None else charge.nano
        known = [attempt.charge.nano for attempt in attempts if attempt.charge is not None]
        return sum(known) if known else None

    @property
    def target(self) -> str | None:
        """Name of the target that was tried last: the one that answered, if any did."""
        return self.attempts[-1].target if self.attempts else None

    @property
    def total_ns(self) -> int:
        """Nanoseconds from the first byte to the last; 0 until the call has ended."""
        return 0 if self.ended_ns is None else max(0, self.ended_ns - self.started_ns)

    @property
    def overhead_ns(self) -> int:
        """Nanoseconds the house itself cost: total - waited."""
        return max(0, self.total_ns - self.waited_ns)

    @property
    def fallbacks(self) -> int:
        """How often the call moved on to another target."""
        return sum(before.target != after.target for before, after in pairwise(self.attempts))

    @property
    def retries(self) -> int:
        """How often a target was tried again."""
        return len(self.attempts) - len({attempt.target for attempt in self.attempts})

    @property
    def failed(self) -> bool:
        """Whether the house or its providers failed the caller, be it after a status of success was sent."""
        return has_failed(self.status, self.error)


def has_failed(status: int, error: str | None) -> bool:
    """Whether an answer is a failure of the house or its providers: not the caller's fault, and not its leaving."""
    if error is None or error == ClientGone.code:
        return status >= 500
    return not 400 <= status < 500
