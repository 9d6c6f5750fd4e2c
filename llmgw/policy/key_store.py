"""Keys as they are stored: a hash each, in its own slot, and the set of their ids.

Each change is counted and told, so that other workers ask again; what they miss they find out by the count.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from llmgw.policy.keys import KeyChange, KeyRecord, Terms
from llmgw.state.connection import Argument, State
from llmgw.state.scripts import Script
from llmgw.types.allowance import ENTRIES_MAX
from llmgw.types.call import DEFAULT_TENANT, Role
from llmgw.types.errors import StoreUnavailable

INDEX: Final = "llmgw:keys"
GENERATION: Final = "llmgw:keys:generation"
"""Counts changes of keys."""
CHANNEL: Final = "llmgw:keys:changed"
"""Where each change is told: the count, a space and the key's id."""
PREVIOUS_MAX: Final = 4
"""Secrets that may be good besides the newest."""

_DIGEST: Final = 32
_UNTIL: Final = 16
"""Digits of a time in unix milliseconds, beside a digest, so that text compares as numbers do."""

Rotation: TypeAlias = Literal["none", "revoked", "expired", "many", "done"]
Changing: TypeAlias = Literal["none", "revoked", "expired", "done"]
Widening: TypeAlias = Literal["none", "revoked", "all", "full", "had", "done"]

_CLAIM_FIRST: Final = Script(
    "claim_first_admin",
    """#!lua
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) > 0 then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
""",
)
_REVOKE: Final = Script(
    "revoke_key",
    """#!lua
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], 'revoked_ms', ARGV[1])
return 1
""",
)
# The secrets before the newest are one text: a digest of 32 bytes and 16 digits each.
_ROTATE: Final = Script(
    "rotate_key",
    """#!lua
local K, now, till, most = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('EXISTS', K) == 0 then return 'none' end
if redis.call('HEXISTS', K, 'revoked_ms') == 1 then return 'revoked' end
local expires = redis.call('HGET', K, 'expires_ms')
if expires and tonumber(expires) <= tonumber(now) then return 'expired' end
local kept = ''
if till > now then
  local before = redis.call('HGET', K, 'previous') or ''
  for i = 1, #before, 48 do
    if string.sub(before, i + 32, i + 47) > now then kept = kept .. string.sub(before, i, i + 47) end
  end
  if #kept >= 48 * most then return 'many' end
  kept = kept .. redis.call('HGET', K, 'digest') .. till
end
redis.call('HSET', K, 'digest', ARGV[1], 'previous', kept, 'rotated_ms', ARGV[5])
return 'done'
""",
)
_WIDEN: Final = Script(
    "widen_key",
    """#!lua
local K, entry = KEYS[1], ARGV[1]
if redis.call('EXISTS', K) == 0 then return 'none' end
if redis.call('HEXISTS', K, 'revoked_ms') == 1 then return 'revoked' end
local allow = redis.call('HGET', K, 'allow')
if not allow then return 'all' end
local count = 0
for line in string.gmatch(allow, '[^\\n]+') do
  if line == entry then return 'had' end
  count = count + 1
end
if count >= tonumber(ARGV[2]) then return 'full' end
redis.call('HSET', K, 'allow', allow == '' and entry or allow .. '\\n' .. entry)
return 'done'
""",
)
_REPLACE: Final = Script(
    "replace_key_list",
    """#!lua
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'allow', ARGV[2]) else redis.call('HDEL', KEYS[1], 'allow') end
return 1
""",
)
# A value of none takes the field away.
_CHANGE: Final = Script(
    "change_key",
    """#!lua
local K = KEYS[1]
if redis.call('EXISTS', K) == 0 then return 'none' end
if redis.call('HEXISTS', K, 'revoked_ms') == 1 then return 'revoked' end
local expires = redis.call('HGET', K, 'expires_ms')
if expires and tonumber(expires) <= tonumber(ARGV[1]) then return 'expired' end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', K, ARGV[i]) else redis.call('HSET', K, ARGV[i], ARGV[i + 1]) end
end
return 'done'
""",
)
_FIELDS: Final = (
    "name",
    "role",
    "tenant",
    "created_ms",
    "expires_ms",
    "revoked_ms",
    "digest",
    "team",
    "tags",
    "allow",
    "note",
    "rotated_ms",
    "previous",
)


class Stored(Struct, frozen=True, kw_only=True):
    """A key with the digests it is known by: the newest secret's, and those before it with their ends."""

    record: KeyRecord
    digest: bytes
    previous: tuple[tuple[bytes, int], ...] = ()


class KeyStore:
    """Reads and changes keys; whatever it is asked may raise `StoreUnavailable`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def put(self, key_id: str, digest: bytes, name: str, role: Role, terms: Terms, now_ms: int) -> None:
        """Store a key, which nobody can find before it is `listed`."""
        fields: dict[str, Argument] = {
            "name": name,
            "role": role,
            "tenant": terms.tenant,
            "created_ms": now_ms,
            "digest": digest,
        }
        if terms.team:
            fields["team"] = terms.team
        if terms.tags:
            fields["tags"] = "\n".join(terms.tags)
        if terms.note:
            fields["note"] = terms.note
        if terms.allow is not None:
            fields["allow"] = "\n".join(dict.fromkeys(terms.allow))
        if terms.expires_ms is not None:
            fields["expires_ms"] = terms.expires_ms
        await self._state.put_hash(_key(key_id), fields)

    async def listed(self, key_id: str) -> None:
        """Add a key to the list of all."""
        await self._state.command("SADD", INDEX, key_id)

    async def any(self) -> bool:
        """Whether there is any key."""
        return bool(await self._state.command("SCARD", INDEX))

    async def claim_first(self, key_id: str) -> bool:
        """Make a key the first of all; False says that another is, and drops it."""
        won = bool(await self._state.script(_CLAIM_FIRST, [INDEX], [key_id]))
        if not won:
            await self._state.delete(_key(key_id))
        return won

    async def ids(self) -> list[str]:
        """The ids of all keys."""
        return [each.decode("ascii") for each in await self._state.members(INDEX)]

    async def load(self, key_id: str) -> Stored | None:
        """Read a key; None where there is none by that id."""
        fields = dict(zip(_FIELDS, await self._state.hash_fields(_key(key_id), *_FIELDS), strict=True))
        needed = [fields[name] for name in ("name", "role", "created_ms", "digest")]
        if any(each is None for each in needed):
            return None
        previous = _previous(fields["previous"] or b"")
        return Stored(
            record=_record(key_id, fields, previous), digest=fields["digest"] or b"", previous=previous
        )

    async def revoke(self, key_id: str, now_ms: int) -> bool:
        """End a key; False says that there is none. Whoever gets an error asks again until it gets none."""
        found = bool(await self._state.script(_REVOKE, [_key(key_id)], [now_ms]))
        if found:
            await self._tell(key_id)
        return found

    async def rotate(self, key_id: str, digest: bytes, now_ms: int, until_ms: int) -> Rotation:
        """Put a new secret in the place of a key's, which is good until then, and says what came of it."""
        done: Rotation = _word(
            await self._state.script(
                _ROTATE,
                [_key(key_id)],
                [digest, _digits(now_ms), _digits(until_ms), PREVIOUS_MAX, now_ms],
            )
        )
        if done == "done":
            # The new secret is not lost with the notice: what misses it looks for itself.
            with contextlib.suppress(StoreUnavailable):
                await self._tell(key_id)
        return done

    async def widen(self, key_id: str, entry: str) -> Widening:
        """Add an entry to a key's list, once, and say what came of it."""
        done: Widening = _word(await self._state.script(_WIDEN, [_key(key_id)], [entry, ENTRIES_MAX]))
        if done in {"done", "had"}:
            await self._tell(key_id)
        return done

    async def replace(self, key_id: str, allow: Sequence[str] | None) -> bool:
        """Put another list in the place of a key's; False says that there is no such key."""
        arguments: list[Argument] = ["0" if allow is None else "1", "\n".join(dict.fromkeys(allow or ()))]
        found = bool(await self._state.script(_REPLACE, [_key(key_id)], arguments))
        if found:
            await self._tell(key_id)
        return found

    async def change(self, key_id: str, change: KeyChange, now_ms: int) -> Changing:
        """Put other terms in the place of a key's, and say what came of it."""
        arguments: list[Argument] = [now_ms]
        for name, value in change.given.items():
            written = "\n".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
            arguments += [name, written]
        done: Changing = _word(await self._state.script(_CHANGE, [_key(key_id)], arguments))
        if done == "done":
            await self._tell(key_id)
        return done

    async def generation(self) -> int:
        """How often keys have changed."""
        return int(await self._state.command("GET", GENERATION) or 0)

    async def _tell(self, key_id: str) -> None:
        generation = await self._state.command("INCR", GENERATION)
        await self._state.command("PUBLISH", CHANNEL, f"{generation} {key_id}")


def _key(key_id: str) -> str:
    return f"llmgw:key:{{{key_id}}}"


def _digits(number: int) -> str:
    return f"{number:0{_UNTIL}d}"


def _word(answer: bytes) -> Any:
    return answer.decode("ascii")


def _previous(stored: bytes) -> tuple[tuple[bytes, int], ...]:
    size = _DIGEST + _UNTIL
    pieces = (stored[place : place + size] for place in range(0, len(stored), size))
    return tuple((each[:_DIGEST], int(each[_DIGEST:])) for each in pieces)


def _record(
    key_id: str, fields: Mapping[str, bytes | None], previous: Sequence[tuple[bytes, int]]
) -> KeyRecord:
    def text(name: str, default: str = "") -> str:
        value = fields[name]
        return default if value is None else value.decode()

    def number(name: str) -> int | None:
        value = fields[name]
        return None if value is None else int(value)

    def lines(name: str) -> tuple[str, ...]:
        return tuple(text(name).split("\n")) if fields[name] else ()

    return KeyRecord(
        id=key_id,
        name=text("name"),
        role=_role(text("role")),
        tenant=text("tenant", DEFAULT_TENANT),
        team=text("team"),
        tags=lines("tags"),
        allow=None if fields["allow"] is None else lines("allow"),
        note=text("note"),
        created_ms=number("created_ms") or 0,
        rotated_ms=number("rotated_ms"),
        previous_until_ms=tuple(until for _, until in previous),
        expires_ms=number("expires_ms"),
        revoked_ms=number("revoked_ms"),
    )


def _role(text: str) -> Role:
    # A role this version does not know may do as little as possible.
    roles: tuple[Role, ...] = get_args(Role)
    return next((role for role in roles if role == text), "viewer")
