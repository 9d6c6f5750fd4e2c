"""What was done to keys, and by whom: one chain of events, each written before the step that it tells of.

So no key is made, changed or rotated without an event; one whose step the store then did not take shows what was
wanted. To revoke a key comes first, and its event then: an audit that is damaged must keep no leaked key alive.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.policy.keys import Terms
from llmgw.state.audit_chain import Tail, digest_of, head_of, head_text
from llmgw.state.audit_reading import Place, last_events
from llmgw.state.connection import State
from llmgw.state.scripts import Script
from llmgw.types.call import Role
from llmgw.types.clock import Clock
from llmgw.types.errors import InternalError, Overloaded
from llmgw.types.json import encode

BESIDE: Final = "cli"
"""Who works on the store beside a gateway: whoever can, without a key."""
FIRST_START: Final = "gateway"
"""Who makes the first key of all."""

KeyStep: TypeAlias = Literal["create", "rotate", "revoke", "change", "allow"]

_AUDIT: Final = "llmgw:{keys}:audit"
_TAIL: Final = "llmgw:{keys}:tail"
_TRIES: Final = 20

_COMMIT: Final = Script(
    "key_audit_commit",
    """#!lua
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1
""",
)


class KeyEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step, by the key `who` or a word for what is none; `set` is what the key got by it, never a secret.

    `prev` is the digest of the event before, `seq` counts from 1.
    """

    seq: int
    at_ms: int
    who: str
    op: KeyStep
    key_id: str
    tenant: str
    set: dict[str, Any] = {}
    prev: str


class KeyHistory(Struct, frozen=True, kw_only=True):
    """The last events, the newest first; `problem` says what is wrong with the whole chain."""

    events: list[KeyEvent]
    intact: bool
    problem: str = ""


_read_event: Final = msgspec.json.Decoder(KeyEvent).decode


class KeyAudit:
    """Writes events and reads them."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def note(self, op: KeyStep, key_id: str, tenant: str, who: str, given: dict[str, Any]) -> None:
        """Write an event.

        Raises:
            Overloaded: too many others were written at once.
            InternalError: the list of events is not what its end says; an operator must look into it.
            StoreUnavailable: it is not known whether it was written.
        """
        before: Tail | None = None
        for _ in range(_TRIES):
            tail = head_of(await self._state.command("GET", _TAIL))
            if tail == before:
                # Nobody was faster, and yet there are more or fewer events than the end says.
                raise InternalError("the audit of keys is damaged: llmgw keys audit says where")
            before = tail
            event = encode(
                KeyEvent(
                    seq=tail.events + 1,
                    at_ms=self._clock.unix_ns() // 1_000_000,
                    who=who,
                    op=op,
                    key_id=key_id,
                    tenant=tenant,
                    set=given,
                    prev=tail.digest,
                )
            )
            head = head_text(Tail(tail.events + 1, digest_of(event)))
            if await self._state.script(_COMMIT, [_AUDIT, _TAIL], [tail.events, event, head]):
                return
        raise Overloaded("too many changes of keys at once", retry_after_s=1)

    async def history(self, tenant: str | None) -> KeyHistory:
        """The last events that are in reach, of a chain that is examined whole.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        events, problem = await last_events(self._state, Place(_AUDIT, _TAIL), _read_event, tenant)
        return KeyHistory(events=events, intact=not problem, problem=problem)


def given_of(name: str, role: Role, terms: Terms) -> dict[str, Any]:
    """What a new key has, without what it lacks; an empty list of what it may call is not nothing."""
    named = {"name": name, "role": role, **msgspec.to_builtins(terms)}
    return {each: value for each, value in named.items() if value or (each == "allow" and value is not None)}
