"""Rules that operators put at run time, as they are stored: one hash of them, and the chain of their changes.

A change, its event and the notice of it are one step. The end of the chain stands for all there is.
"""

import asyncio
import hashlib
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.policy.rules.terms import Subject, SubjectLimits, amount_problem
from llmgw.policy.spending.values import Scope
from llmgw.state.audit_chain import Tail, digest_of, head_of, head_text
from llmgw.state.audit_reading import Place, last_events
from llmgw.state.connection import Argument, State
from llmgw.state.scripts import Script
from llmgw.types.clock import Clock
from llmgw.types.errors import InternalError, KeyConflict, NotFound, Overloaded
from llmgw.types.json import encode
from llmgw.types.limit_errors import LimitsChanged

CHANNEL: Final = "llmgw:limits:changed"
"""Where each change is told."""
RULES_MAX: Final = 10_000
NOTHING: Final = ""
"""The entity tag of a subject without an entry."""

RuleOp: TypeAlias = Literal["set", "unset"]

_HEAD: Final = "llmgw:{limits}"
_RULES: Final = f"{_HEAD}:rules"
_AUDIT: Final = f"{_HEAD}:audit"
_TAIL: Final = f"{_HEAD}:tail"
_TRIES: Final = 20
_PAGE: Final = 500

_COMMIT: Final = Script(
    "limits_commit",
    """#!lua
if redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[1]) then return 'again' end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
    return 'full'
  end
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
end
redis.call('RPUSH', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], ARGV[5])
redis.call('PUBLISH', ARGV[7], ARGV[1])
return 'done'
""",
)
_ALL: Final = Script(
    "limits_all",
    """#!lua flags=no-writes
return {redis.call('GET', KEYS[2]), redis.call('HVALS', KEYS[1])}
""",
    bulk=True,
)


class Rule(Struct, frozen=True, kw_only=True):
    """One rule, put by the key `by` at `at_ms`, in unix milliseconds."""

    tenant: str
    scope: Scope
    name: str
    limits: SubjectLimits
    by: str
    at_ms: int

    @property
    def subject(self) -> Subject:
        """Whom it is of."""
        return Subject(self.tenant, self.scope, self.name)


class RuleEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change, by the key `who`; `prev` is the digest of the event before, `seq` from 1."""

    seq: int
    at_ms: int
    who: str
    op: RuleOp
    tenant: str
    scope: Scope
    name: str
    limits: SubjectLimits | None = None
    prev: str


class RuleHistory(Struct, frozen=True, kw_only=True):
    """The last events, the newest first; `problem` says what is wrong with the whole chain."""

    events: list[RuleEvent]
    intact: bool
    problem: str = ""


class Stored(Struct, frozen=True, kw_only=True):
    """All rules at one instant, and where the chain of their changes ended then."""

    tail: Tail
    rules: dict[Subject, Rule]


class Change(Struct, frozen=True, kw_only=True):
    """What is to become of a subject: other limits, or no rule of its own where there are none.

    `expected` is the entity tag of what is there, `configured` what the settings say of it.
    """

    subject: Subject
    limits: SubjectLimits | None
    who: str
    expected: str | None = None
    configured: SubjectLimits | None = None


_read_rule: Final = msgspec.json.Decoder(Rule).decode
_read_event: Final = msgspec.json.Decoder(RuleEvent).decode


class RuleStore:
    """Reads and changes rules; whatever it is asked may raise `StoreUnavailable`."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def tail(self) -> Tail:
        """Where the chain of changes ends."""
        return head_of(await self._state.command("GET", _TAIL))

    async def all(self) -> Stored:
        """Read every rule.

        Raises:
            InternalError: one cannot be read.
        """
        tail, found = await self._state.script(_ALL, [_RULES, _TAIL])
        rules: dict[Subject, Rule] = {}
        for place in range(0, len(found), _PAGE):
            read = [_rule(each) for each in found[place : place + _PAGE]]
            rules.update((rule.subject, rule) for rule in read)
            await asyncio.sleep(0)  # calls go on in between
        return Stored(tail=head_of(tail), rules=rules)

    async def find(self, subject: Subject) -> Rule | None:
        """Read one rule."""
        (found,) = await self._state.hash_fields(_RULES, _field(subject))
        return None if found is None else _rule(found)

    async def change(self, change: Change) -> Rule | None:
        """Put or take away one rule; says what is there then. What is as it shall be already is left alone.

        What cannot be read is replaced or taken away like any other.

        Raises:
            LimitsChanged: something else is there than was expected.
            NotFound: there is no rule to take away.
            KeyConflict: there are too many rules.
            StoreUnavailable: it is not known whether it was done; do it again.
        """
        for _ in range(_TRIES):
            tail = await self.tail()
            (stored,) = await self._state.hash_fields(_RULES, _field(change.subject))
            there = None if stored is None else _readable(stored)
            _expect(change, there)
            if change.limits is None and stored is None:
                raise NotFound("there is no stored rule of this subject")
            if there is not None and there.limits == change.limits:
                return there
            rule = None if change.limits is None else self._made(change, change.limits)
            match await self._commit(change, rule, tail):
                case b"done":
                    return rule
                case b"full":
                    raise KeyConflict(
                        f"there are {RULES_MAX} rules already: use '*' for many subjects at once"
                    )
        raise Overloaded("too many changes of limits at once", retry_after_s=1)

    async def history(self, tenant: str | None) -> RuleHistory:
        """The last events that are in reach, of a chain that is examined whole."""
        events, problem = await last_events(self._state, Place(_AUDIT, _TAIL), _read_event, tenant)
        return RuleHistory(events=events, intact=not problem, problem=problem)

    async def _commit(self, change: Change, rule: Rule | None, tail: Tail) -> bytes:
        tenant, scope, name = change.subject
        event = encode(
            RuleEvent(
                seq=tail.events + 1,
                at_ms=self._now_ms() if rule is None else rule.at_ms,
                who=change.who,
                op="unset" if rule is None else "set",
                tenant=tenant,
                scope=scope,
                name=name,
                limits=change.limits,
                prev=tail.digest,
            )
        )
        arguments: list[Argument] = [
            tail.events,
            _field(change.subject),
            b"" if rule is None else encode(rule),
            event,
            head_text(Tail(tail.events + 1, digest_of(event))),
            RULES_MAX,
            CHANNEL,
        ]
        done: bytes = await self._state.script(_COMMIT, [_RULES, _AUDIT, _TAIL], arguments)
        return done

    def _made(self, change: Change, limits: SubjectLimits) -> Rule:
        tenant, scope, name = change.subject
        return Rule(tenant=tenant, scope=scope, name=name, limits=limits, by=change.who, at_ms=self._now_ms())

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def etag_of(limits: SubjectLimits | None) -> str:
    """The entity tag of what is set for a subject, in the settings or in the store."""
    return (
        NOTHING
        if limits is None
        else hashlib.sha256(msgspec.json.encode(limits, order="sorted")).hexdigest()[:16]
    )


def _expect(change: Change, there: Rule | None) -> None:
    if change.expected is None:
        return
    now = change.configured if there is None else there.limits
    if change.expected != etag_of(now):
        raise LimitsChanged(
            "what is set for this subject is not what you expected: read it again", etag=etag_of(now) or None
        )


def _field(subject: Subject) -> str:
    return " ".join(subject)


def _rule(stored: bytes) -> Rule:
    rule = _readable(stored)
    if rule is None:
        raise InternalError("what is stored of a limit cannot be read")
    return rule


def _readable(stored: bytes) -> Rule | None:
    try:
        rule = _read_rule(stored)
    except (msgspec.DecodeError, ValueError):
        return None
    return rule if amount_problem(rule.limits) is None else None
