"""Opening stored conversations for calls: the lease taken and what is said examined before anything is asked."""

import asyncio
from collections.abc import Sequence
from typing import Final

from llmgw.accounting.calibration import Calibration
from llmgw.accounting.tokens import TokenCounter
from llmgw.context.archive import Archive
from llmgw.context.intake import examine
from llmgw.context.library import Actor
from llmgw.context.opened import Asker, Opened
from llmgw.context.storage.answers import Replay
from llmgw.context.storage.names import CONTEXT_ID
from llmgw.context.taking_in import take_in
from llmgw.gateway.checks import Tell
from llmgw.gateway.conversation import Conversation
from llmgw.gateway.counting import Counting
from llmgw.gateway.summaries import Ask, Summaries
from llmgw.gateway.telling import Teller, toolset_digest
from llmgw.gateway.verification import Verifier
from llmgw.types.call import Call, ContextFacts
from llmgw.types.context import MOST_AT_ONCE, ContextOptions, Policy, etag
from llmgw.types.context_errors import (
    ContextLocked,
    ContextViolation,
    IdempotencyInFlight,
    IntegrityFailed,
    RevisionMismatch,
)
from llmgw.types.errors import GatewayError, InvalidRequest, UnsupportedParameter
from llmgw.types.invocation import CallOptions, ChatInvocation
from llmgw.types.violation import Violation, pointer_to

_SAYS_INSTRUCTIONS_APART: Final = "anthropic"
"""The dialect whose bodies have a `system` member of their own."""


class Conversations:
    """Opens contexts for calls; one per worker."""

    def __init__(
        self, archive: Archive, counter: TokenCounter, tell: Tell, calibration: Calibration | None = None
    ) -> None:
        self.contexts = archive.library.contexts
        self.verifier = Verifier(archive.sessions, self.contexts.aftercare)
        self._archive = archive
        self._tell = tell
        self._counting = Counting(counter, self.contexts, calibration)
        self.calibration = self._counting.calibration

    async def open(
        self,
        invocation: ChatInvocation,
        options: ContextOptions,
        call: Call,
        ask: Ask,
        alias_policy: Policy | None,
    ) -> Conversation | Replay:
        """Open the context that a call continues.

        Raises:
            ContextViolation: rules of the context do not hold.
            SchemaViolation: what is said cannot be stored.
            GatewayError: as `Contexts.open` lists.
        """
        _refuse(invocation)
        contexts = self.contexts
        tenant = call.caller.tenant if call.caller is not None else "default"
        facts = call.context = ContextFacts(id=_named(options), begin_started_ns=contexts.monotonic_ns())
        asker = _asker(call, tenant)
        base = contexts.settings.base(tenant, alias_policy)
        if options.create and not contexts.is_known(tenant, options.id):
            policy = (options.policy or Policy()).over(base)
            await self._archive.library.check_metadata(tenant, options.metadata, policy)
        try:
            opened = await contexts.open(
                asker, options, invocation.messages, base, invocation.options.idempotency
            )
        except ContextLocked as locked:
            facts.conflict = "locked"
            # A call that may come again must find its answer where it first went.
            if not locked.forks or options.id is None or invocation.options.idempotency is not None:
                raise
            opened = await self._forked(asker, options.id, locked.turns, invocation, base)
            facts.forked_from = options.id
        except IdempotencyInFlight:
            facts.conflict = "locked"
            raise
        except RevisionMismatch as mismatch:
            facts.conflict = "mismatch"
            if mismatch.rolled_back:
                facts.checks = {"c1": "fail"}
            raise
        except IntegrityFailed:
            facts.checks = {"c1": "fail"}
            raise
        finally:
            facts.begin_ended_ns = contexts.monotonic_ns()
        if isinstance(opened, Replay):
            facts.replayed, facts.rev = True, opened.rev
            facts.etag = etag(opened.rev, opened.head)
            return opened
        try:
            return self._begun(invocation, options, call, facts, opened, ask)
        except BaseException:
            # First, so that who says it better at once, of whichever worker, finds the context free.
            await asyncio.shield(contexts.release_later(opened, "refused"))
            raise

    async def again(self, options: CallOptions, call: Call) -> Replay | None:
        """The answer that a call got before, by its idempotency key; None where it got none that is known.

        For a call that is refused before its context is opened, which it may not have been when it came first.
        """
        context, idempotency = options.context, options.idempotency
        if context is None or context.id is None or idempotency is None:
            return None
        contexts = self.contexts
        tenant = call.caller.tenant if call.caller is not None else "default"
        asker = _asker(call, tenant)
        try:
            opened = await contexts.open(
                asker, ContextOptions(id=context.id), (), contexts.settings.base(tenant, None), idempotency
            )
        except GatewayError:
            return None
        if not isinstance(opened, Replay):
            contexts.release_later(opened, "refused")
            return None
        call.context = ContextFacts(
            id=context.id, replayed=True, rev=opened.rev, etag=etag(opened.rev, opened.head)
        )
        return opened

    async def _forked(
        self, asker: Asker, parent: str, at: int, invocation: ChatInvocation, base: Policy
    ) -> Opened | Replay:
        """Open a fork of a context that another call is at work in, from before that call."""
        actor = Actor(tenant=asker.tenant, who=asker.who)
        child = await self._archive.branches.fork(actor, parent, at=at)
        return await self.contexts.open(asker, ContextOptions(id=child.id), invocation.messages, base)

    def _begun(
        self,
        invocation: ChatInvocation,
        options: ContextOptions,
        call: Call,
        facts: ContextFacts,
        opened: Opened,
        ask: Ask,
    ) -> Conversation:
        _describe(facts, opened)
        intake = examine(
            invocation.messages,
            opened.history.course,
            opened.policy,
            _place_in(invocation),
            rendered=invocation.rendered,
        )
        violations = (*intake.violations, *_toolset(invocation, opened))
        if violations:
            facts.violations = violations
            refused = [each for each in violations if each.level == "strict" and each.repaired is None]
            if refused or intake.refused:
                raise ContextViolation(
                    "what is said does not follow from what is stored", [*intake.refused, *refused]
                )
        take_in(self.contexts, opened, intake.said, invocation.wire, source="caller", pinned=options.pin)
        opened.check_size(opened.said)
        summaries = Summaries(self.contexts, ask)
        teller = Teller(self.contexts, self._counting, summaries, opened, invocation)
        return Conversation(
            self.contexts, self._counting, teller, opened, invocation, call, facts, self._tell
        )


def _asker(call: Call, tenant: str) -> Asker:
    """Who asks, within which call."""
    who = call.caller.key_id if call.caller is not None else "none"
    return Asker(tenant=tenant, who=who, op=call.id, trace=call.place.written)


def _named(options: ContextOptions) -> str:
    """The context's id; what cannot be one is anything a caller says, and facts are told in logs and traces."""
    return options.id if options.id is not None and CONTEXT_ID.fullmatch(options.id) else ""


def _describe(facts: ContextFacts, opened: Opened) -> None:
    """Note what is known of a context as its call begins."""
    stored = opened.stored
    facts.id, facts.etag, facts.rev = opened.keys.context, stored.etag, stored.rev
    facts.turns = facts.turns_before = stored.turns
    facts.bytes = stored.facts.size
    facts.again = opened.lease.again
    facts.enforcement = opened.policy.enforcement or "repair"
    if stored.first == stored.turns:
        facts.cache = "hit"
    elif stored.first > stored.base:
        facts.cache = "delta"


def _toolset(invocation: ChatInvocation, opened: Opened) -> Sequence[Violation]:
    """Note that other tools are offered than before: what the model worked out with those is lost to it."""
    before, now = opened.toolset, toolset_digest(invocation)
    if before is None or not now or now == before:
        return ()
    level = opened.policy.level("toolset.changed")
    if level == "off":
        return ()
    return (
        Violation(
            rule="toolset.changed",
            level=level,
            severity="minor",
            pointer="/tools",
            message="the tools differ from those offered before",
        ),
    )


class _Places:
    """Where messages stand in the caller's own body; the first may be `rendered`, and stand in none."""

    def __init__(self, *, apart: bool, rendered: int) -> None:
        self._apart = apart
        self._rendered = rendered

    def __call__(self, number: int, part: int | None) -> str:
        """The pointer to a message, or to a part of it where the dialect has parts."""
        if number < self._rendered:
            return pointer_to("prompt", "messages", number)
        number -= self._rendered
        if not self._apart:
            return pointer_to("messages", number)
        if number == 0:
            return pointer_to("system")
        steps: tuple[str | int, ...] = ("messages", number - 1)
        return pointer_to(*steps) if part is None else pointer_to(*steps, "content", part)


def _place_in(invocation: ChatInvocation) -> _Places:
    rendered = invocation.rendered
    first = invocation.messages[rendered] if len(invocation.messages) > rendered else None
    apart = invocation.wire == _SAYS_INSTRUCTIONS_APART and first is not None and first.role == "system"
    return _Places(apart=apart, rendered=rendered)


def _refuse(invocation: ChatInvocation) -> None:
    """Refuse what no call with a context can ask.

    Raises:
        InvalidRequest: as its words say.
    """
    if (invocation.sampling.n or 1) > 1:
        raise UnsupportedParameter("a call that continues a context has one answer", param="n")
    if len(invocation.messages) > MOST_AT_ONCE:
        raise InvalidRequest(
            f"one call adds at most {MOST_AT_ONCE} messages to a context: bring a history along before",
            param="messages",
        )
