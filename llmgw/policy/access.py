"""Access requests: a key's holder asks for what its list lacks, somebody decides, and all of it is kept.

Every step is an event in one chain, written in the same step as what it tells of.
"""

import secrets
from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import check_entries, is_plain
from llmgw.state.audit_chain import Tail, digest_of, head_of, head_text
from llmgw.state.audit_reading import Place, last_events
from llmgw.state.connection import Argument, State
from llmgw.state.scripts import Script
from llmgw.types.allowance import Allowance, kind_of
from llmgw.types.call import Caller
from llmgw.types.clock import Clock
from llmgw.types.errors import (
    InternalError,
    InvalidRequest,
    KeyConflict,
    NotFound,
    Overloaded,
    PermissionDenied,
)
from llmgw.types.json import encode

PENDING_MAX: Final = 10
"""Requests of one key that wait for a decision."""
KEPT_MAX: Final = 50
"""Requests of one key that are kept; the oldest decided ones go first."""
REASON_MAX: Final = 1024

RequestState: TypeAlias = Literal["pending", "approved", "denied"]

_HEAD: Final = "llmgw:{access}"
_REQUESTS: Final = f"{_HEAD}:requests"
_ORDER: Final = f"{_HEAD}:order"
_AUDIT: Final = f"{_HEAD}:audit"
_TAIL: Final = f"{_HEAD}:tail"
_TRIES: Final = 20
_PAGE: Final = 500

# The count of events stands for all there is: each change adds one.
_COMMIT: Final = Script(
    "access_commit",
    """#!lua
if redis.call('LLEN', KEYS[4]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
for i = 7, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[2], ARGV[i])
  redis.call('ZREM', KEYS[3], ARGV[i])
end
redis.call('RPUSH', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[6])
return 1
""",
)


class AccessRequest(Struct, frozen=True, kw_only=True):
    """One request: `wants` is the entry that the key's list shall get; times are unix milliseconds."""

    id: str
    key_id: str
    key_name: str
    tenant: str
    wants: str
    reason: str = ""
    state: RequestState = "pending"
    asked_ms: int
    decided_ms: int | None = None
    decided_by: str = ""
    answer: str = ""


class AccessEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step, by the key `who` or the command line; `prev` is the digest of the event before, `seq` from 1."""

    seq: int
    at_ms: int
    who: str
    op: Literal["ask", "approve", "deny"]
    request: str
    key_id: str
    tenant: str
    wants: str
    reason: str = ""
    prev: str


class AccessHistory(Struct, frozen=True, kw_only=True):
    """The last events, the newest first; `problem` says what is wrong with the whole chain."""

    events: list[AccessEvent]
    intact: bool
    problem: str = ""


class Decider(Struct, frozen=True, kw_only=True):
    """Who decides: `key_id` is a key's or a word for what is none; `tenant` is the only one it reaches, if any."""

    key_id: str
    tenant: str | None = None
    own: bool = True
    """Whether it may decide what it asked for itself."""


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller asks for: one of an alias (or `provider/model`), an API's slug or a prompt's name."""

    alias: Annotated[str, Meta(max_length=256)] | None = None
    api: Annotated[str, Meta(max_length=64)] | None = None
    prompt: Annotated[str, Meta(max_length=256)] | None = None
    reason: str = ""

    def entry(self) -> str:
        """The entry of a list that would grant it.

        Raises:
            InvalidRequest: it is none, or several, or a pattern.
        """
        named = [
            f"{kind}{name}"
            for kind, name in (("", self.alias), ("api:", self.api), ("prompt:", self.prompt))
            if name is not None
        ]
        if len(named) != 1:
            raise InvalidRequest("ask for one of 'alias', 'api' and 'prompt'", param="alias")
        (entry,) = named
        check_entries(named)
        if "*" in entry or (self.alias is not None and kind_of(entry)):
            raise InvalidRequest("ask for one name, not for a pattern", param="alias")
        return entry


_read_request: Final = msgspec.json.Decoder(AccessRequest).decode
_read_event: Final = msgspec.json.Decoder(AccessEvent).decode


class AccessDesk:
    """Takes requests and has them decided."""

    def __init__(self, state: State, keyring: Keyring, clock: Clock) -> None:
        self._state = state
        self._keyring = keyring
        self._clock = clock

    async def ask(self, caller: Caller, wish: Wish) -> tuple[AccessRequest, bool]:
        """Ask for something; says whether the request is new: one that waits already is returned as it is.

        Raises:
            InvalidRequest: it cannot be meant.
            KeyConflict: the key may call this already, or has too many requests that wait.
            StoreUnavailable: it is not known whether it was taken; ask again.
        """
        entry = wish.entry()
        _check_words(wish.reason, "reason")
        if caller.allowed is None:
            raise KeyConflict("this key has no list: it may call everything already")
        # The list as it is now: what this worker remembers may be older than a grant.
        record = await self._keyring.find(caller.key_id)
        if record.allow is None or Allowance(record.allow).has(entry):
            raise KeyConflict("this key may call this already")
        for _ in range(_TRIES):
            tail = await self._end()
            mine = await self.of(caller.key_id)
            waiting = [each for each in mine if each.state == "pending"]
            for each in waiting:
                if each.wants == entry:
                    return each, False
            if len(waiting) >= PENDING_MAX:
                raise KeyConflict(f"{PENDING_MAX} requests of this key wait for a decision already")
            asked = AccessRequest(
                id=f"acr_{secrets.token_hex(8)}",
                key_id=caller.key_id,
                key_name=caller.name,
                tenant=caller.tenant,
                wants=entry,
                reason=wish.reason,
                asked_ms=self._now_ms(),
            )
            decided = [each.id for each in mine if each.state != "pending"]
            dropped = decided[max(0, KEPT_MAX - 1 - len(waiting)) :]
            if await self._commit(asked, tail, "ask", caller.key_id, dropped):
                return asked, True
        raise _busy()

    async def of(self, key_id: str) -> list[AccessRequest]:
        """The requests of one key, the newest first."""
        return await self._read(await self._state.command("ZREVRANGE", _of(key_id), 0, -1))

    async def requests(self, tenant: str | None, state: RequestState | None = None) -> list[AccessRequest]:
        """List requests of all keys, or of a tenant's, the newest first.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        found: list[AccessRequest] = []
        ids = await self._state.command("ZREVRANGE", _ORDER, 0, -1)
        for place in range(0, len(ids), _PAGE):
            page = await self._read(ids[place : place + _PAGE])
            found += [each for each in page if tenant in {None, each.tenant} and state in {None, each.state}]
        return found

    async def approve(self, request_id: str, by: Decider, answer: str = "") -> AccessRequest:
        """Grant what was asked for: the key's list gets it. One that was approved before is granted again.

        Raises:
            NotFound: there is no such request in reach.
            PermissionDenied: it is the decider's own.
            KeyConflict: it was denied, or the key is gone, revoked, or has no list or a full one.
            StoreUnavailable: it is not known whether it was done; do it again.
        """
        before = await self._one(request_id, by)
        if before.state == "denied":
            raise KeyConflict("the request was denied; its caller may ask again")
        record = await self._keyring.find(before.key_id)
        if record.revoked_ms is not None:
            raise KeyConflict("the key is revoked")
        # The event first: a grant that nobody was told to have made must not exist.
        approved = await self._decide(request_id, by, "approved", answer)
        try:
            widened = await self._keyring.store.widen(approved.key_id, approved.wants)
        finally:
            self._keyring.forget(approved.key_id)
        match widened:
            case "none" | "revoked":
                raise KeyConflict("the key is revoked")
            case "full":
                raise KeyConflict("the key's list is full: give it a pattern instead (llmgw keys allow)")
            case "all" | "had" | "done":
                return approved

    async def deny(self, request_id: str, by: Decider, answer: str = "") -> AccessRequest:
        """Refuse what was asked for.

        Raises:
            NotFound: there is no such request in reach.
            PermissionDenied: it is the decider's own.
            KeyConflict: it was approved.
            StoreUnavailable: it is not known whether it was done; do it again.
        """
        return await self._decide(request_id, by, "denied", answer)

    async def history(self, tenant: str | None) -> AccessHistory:
        """The last events that are in reach, of a chain that is examined whole.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        events, problem = await last_events(self._state, Place(_AUDIT, _TAIL), _read_event, tenant)
        return AccessHistory(events=events, intact=not problem, problem=problem)

    async def _decide(
        self, request_id: str, by: Decider, state: Literal["approved", "denied"], answer: str
    ) -> AccessRequest:
        _check_words(answer, "reason")
        for _ in range(_TRIES):
            tail = await self._end()
            there = await self._one(request_id, by)
            if there.state == state:
                return there
            if there.state != "pending":
                raise KeyConflict(f"the request was {there.state} already")
            decided = replace(
                there, state=state, decided_ms=self._now_ms(), decided_by=by.key_id, answer=answer
            )
            op: Literal["approve", "deny"] = "approve" if state == "approved" else "deny"
            if await self._commit(decided, tail, op, by.key_id):
                return decided
        raise _busy()

    async def _one(self, request_id: str, by: Decider) -> AccessRequest:
        found = await self._read([request_id.encode()])
        if not found or by.tenant not in {None, found[0].tenant}:
            raise NotFound("there is no such access request")
        if found[0].key_id == by.key_id and not by.own:
            raise PermissionDenied("somebody else has to decide what you ask for")
        return found[0]

    async def _read(self, ids: Sequence[bytes]) -> list[AccessRequest]:
        if not ids:
            return []
        stored = await self._state.command("HMGET", _REQUESTS, *ids)
        try:
            return [_read_request(each) for each in stored if each is not None]
        except (msgspec.DecodeError, ValueError):
            raise InternalError("what is stored of an access request cannot be read") from None

    async def _end(self) -> Tail:
        return head_of(await self._state.command("GET", _TAIL))

    async def _commit(
        self,
        request: AccessRequest,
        tail: Tail,
        op: Literal["ask", "approve", "deny"],
        who: str,
        dropped: Sequence[str] = (),
    ) -> bool:
        event = encode(
            AccessEvent(
                seq=tail.events + 1,
                at_ms=self._now_ms(),
                who=who,
                op=op,
                request=request.id,
                key_id=request.key_id,
                tenant=request.tenant,
                wants=request.wants,
                reason=request.reason if op == "ask" else request.answer,
                prev=tail.digest,
            )
        )
        arguments: list[Argument] = [
            tail.events,
            request.id,
            encode(request),
            request.asked_ms,
            event,
            head_text(Tail(tail.events + 1, digest_of(event))),
            *dropped,
        ]
        keys = [_REQUESTS, _ORDER, _of(request.key_id), _AUDIT, _TAIL]
        return bool(await self._state.script(_COMMIT, keys, arguments))

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _of(key_id: str) -> str:
    return f"{_HEAD}:of:{key_id}"


def _check_words(text: str, param: str) -> None:
    if len(text) > REASON_MAX or not is_plain(text):
        raise InvalidRequest(f"{param} has at most {REASON_MAX} printable characters", param=param)


def _busy() -> Overloaded:
    return Overloaded("too many changes of access requests at once", retry_after_s=1)
