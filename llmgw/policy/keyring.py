"""Who holds which key.

Only HMAC-SHA-256(pepper, key) is stored, looked up by the id inside the key. A key that was checked is
remembered by its whole digest: fresh for `FRESH_S`, and for `stale_auth_s` when the store is away. The store
being away never makes a key wrong.
"""

import asyncio
import hmac
import re
import unicodedata
from collections import OrderedDict
from functools import partial
from typing import get_args

from msgspec import Struct

from llmgw.policy import keyformat
from llmgw.state.connection import State
from llmgw.state.scripts import Script
from llmgw.types.call import DEFAULT_TENANT, TENANT, Caller, Role
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import InvalidApiKey, InvalidRequest, StoreUnavailable
from llmgw.types.secret import Secret

FRESH_S = 5.0
"""Seconds a checked key needs no look-up; so long may a revoked key live on in another worker."""
CACHE_SIZE = 10_000
BOOTSTRAP_MIN = 24
TOKEN_MAX = 512
NAME_MAX = 128

INDEX = "llmgw:keys"

_CLAIM_FIRST = Script(
    "claim_first_admin",
    """#!lua
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) > 0 then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
""",
)
_REVOKE = Script(
    "revoke_key",
    """#!lua
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], 'revoked_ms', ARGV[1])
return 1
""",
)
_ID = re.compile(rf"[0-9A-Za-z]{{{keyformat.ID_LENGTH}}}", re.ASCII)
_NO_DIGEST = bytes(32)
_FIELDS = ("name", "role", "tenant", "created_ms", "expires_ms", "revoked_ms", "digest")


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A key as its administrators see it; times are unix milliseconds."""

    id: str
    name: str
    role: Role
    tenant: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made; its `token` is known to nobody else and cannot be asked for again."""

    id: str
    token: Secret


class _Known(Struct, frozen=True, kw_only=True, gc=False):
    caller: Caller
    checked_ns: int
    expires_ms: int | None


class _Stored(Struct, frozen=True, kw_only=True):
    record: KeyRecord
    digest: bytes


class Keyring:
    """Finds the holder of a key, makes keys and revokes them.

    One per worker; the store is shared. `bootstrap` is a key of the operator's choice that is an admin's and
    needs no store.
    """

    def __init__(
        self,
        state: State,
        pepper: Secret,
        *,
        bootstrap: Secret | None = None,
        stale_auth_s: float = 300.0,
        clock: Clock | None = None,
    ) -> None:
        """Take the parts.

        Raises:
            ValueError: the pepper is empty or the bootstrap key too short or too long.
        """
        if not pepper:
            raise ValueError("the pepper is empty: set auth.pepper to at least 32 random characters")
        if bootstrap is not None and not BOOTSTRAP_MIN <= len(bootstrap.reveal()) <= TOKEN_MAX:
            raise ValueError(
                f"the bootstrap admin key must have {BOOTSTRAP_MIN} to {TOKEN_MAX} characters: draw one with "
                "'openssl rand -hex 32'"
            )
        self._state = state
        self._pepper = pepper.reveal().encode()
        self._bootstrap = self._digest(bootstrap.reveal()) if bootstrap is not None else None
        self._clock = clock or SystemClock()
        self._fresh_ns = round(FRESH_S * 1e9)
        self._stale_ns = round(stale_auth_s * 1e9)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[Caller]] = {}
        self._first: keyformat.FreshKey | None = None

    def cached(self, token: str) -> Caller | None:
        """Return the holder of a key checked within the last seconds; None says: ask `authenticate`.

        A key in use is checked again behind its calls before it goes stale, so that none of them has to wait.
        """
        if len(token) > TOKEN_MAX:
            return None
        digest = self._digest(token)
        known = self._known.get(digest)
        if known is None or self._expired(known):
            return None
        age_ns = self._clock.monotonic_ns() - known.checked_ns
        if age_ns > self._fresh_ns:
            return None
        if age_ns > self._fresh_ns // 2:
            self._check(digest, known.caller.key_id)
        self._known.move_to_end(digest)
        return known.caller

    async def authenticate(self, token: str) -> Caller:
        """Return the holder of a key.

        Raises:
            InvalidApiKey: nobody issued it, or it has expired or been revoked.
            StoreUnavailable: it is not known here and the store cannot be asked.
        """
        if len(token) > TOKEN_MAX:
            raise _wrong()
        digest = self._digest(token)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return Caller(key_id="bootstrap", name="bootstrap", role="admin")
        key_id = keyformat.key_id(token)
        if key_id is None:
            raise _wrong()
        # Many calls that wait for one check share it, and none of them can cancel it for the others.
        return await asyncio.shield(self._check(digest, key_id))

    async def create(
        self, name: str, role: Role, expires_at_ms: int | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> NewKey:
        """Make a key; `expires_at_ms` is in unix milliseconds. What it makes belongs to its tenant.

        Raises:
            InvalidRequest: the name, role, tenant or expiry cannot be meant.
            StoreUnavailable: the key could not be stored.
        """
        _check(name, role, tenant)
        if expires_at_ms is not None and expires_at_ms <= self._now_ms():
            raise InvalidRequest("the key would be expired already", param="expires_at")
        fresh = keyformat.draw()
        # The record first: should the second step fail, what remains is a key that nobody was ever shown.
        await self._store(fresh, name, role, tenant, expires_at_ms)
        await self._state.command("SADD", INDEX, fresh.id)
        return NewKey(id=fresh.id, token=Secret(fresh.token))

    async def create_first_admin(self) -> NewKey | None:
        """Make an admin's key if the store holds no key at all; of several gateways exactly one gets it.

        After a `StoreUnavailable` call it again on the same object: it goes on with the same key, so that an
        answer lost on the way loses no key.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if self._first is None and await self._state.command("SCARD", INDEX):
            return None
        fresh = self._first = self._first or keyformat.draw()
        await self._store(fresh, "first admin", "admin", DEFAULT_TENANT, None)
        won = await self._state.script(_CLAIM_FIRST, [INDEX], [fresh.id])
        if not won:
            await self._state.delete(_key(fresh.id))
        self._first = None
        return NewKey(id=fresh.id, token=Secret(fresh.token)) if won else None

    async def list(self) -> list[KeyRecord]:
        """List every key, oldest first.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        ids = await self._state.members(INDEX)
        found = [await self._load(key_id.decode("ascii")) for key_id in ids]
        return sorted(
            (stored.record for stored in found if stored), key=lambda record: (record.created_ms, record.id)
        )

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key for good; False says that there is none by that id.

        Here it ends at once, in other workers within `FRESH_S`, or `stale_auth_s` while the store is away.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if not _ID.fullmatch(key_id):
            return False
        found = bool(await self._state.script(_REVOKE, [_key(key_id)], [self._now_ms()]))
        for digest in [digest for digest, known in self._known.items() if known.caller.key_id == key_id]:
            del self._known[digest]
        return found

    def _check(self, digest: bytes, key_id: str) -> asyncio.Task[Caller]:
        """Ask the store about a key, unless that is being done."""
        check = self._checks.get(digest)
        if check is None:
            check = self._checks[digest] = asyncio.get_running_loop().create_task(
                self._checked(digest, key_id)
            )
            check.add_done_callback(partial(self._end_check, digest))
        return check

    def _end_check(self, digest: bytes, check: asyncio.Task[Caller]) -> None:
        del self._checks[digest]
        if not check.cancelled():
            # Read here, because nobody may be waiting: whoever calls next asks again and is told.
            check.exception()

    async def _checked(self, digest: bytes, key_id: str) -> Caller:
        try:
            stored = await self._load(key_id)
        except StoreUnavailable:
            known = self._known.get(digest)
            if known is None or not self._usable_while_away(known):
                raise
            return known.caller
        return self._decide(digest, stored)

    def _decide(self, digest: bytes, stored: _Stored | None) -> Caller:
        # A miss compares too, so that it takes as long as a wrong secret.
        right = hmac.compare_digest(digest, stored.digest if stored else _NO_DIGEST)
        if stored is None or not right:
            self._known.pop(digest, None)
            raise _wrong()
        record = stored.record
        known = _Known(
            caller=Caller(key_id=record.id, name=record.name, role=record.role, tenant=record.tenant),
            checked_ns=self._clock.monotonic_ns(),
            expires_ms=record.expires_ms,
        )
        if record.revoked_ms is not None or self._expired(known):
            self._known.pop(digest, None)
            raise _wrong()
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        return known.caller

    def _usable_while_away(self, known: _Known) -> bool:
        return self._clock.monotonic_ns() - known.checked_ns <= self._stale_ns and not self._expired(known)

    def _expired(self, known: _Known) -> bool:
        return known.expires_ms is not None and known.expires_ms <= self._now_ms()

    async def _store(
        self, fresh: keyformat.FreshKey, name: str, role: Role, tenant: str, expires_ms: int | None
    ) -> None:
        fields: dict[str, str | bytes | int] = {
            "name": name,
            "role": role,
            "tenant": tenant,
            "created_ms": self._now_ms(),
            "digest": self._digest(fresh.token),
        }
        if expires_ms is not None:
            fields["expires_ms"] = expires_ms
        await self._state.put_hash(_key(fresh.id), fields)

    async def _load(self, key_id: str) -> _Stored | None:
        name, role, tenant, created, expires, revoked, digest = await self._state.hash_fields(
            _key(key_id), *_FIELDS
        )
        if name is None or role is None or created is None or digest is None:
            return None
        record = KeyRecord(
            id=key_id,
            name=name.decode(),
            role=_role(role.decode()),
            tenant=DEFAULT_TENANT if tenant is None else tenant.decode(),
            created_ms=int(created),
            expires_ms=None if expires is None else int(expires),
            revoked_ms=None if revoked is None else int(revoked),
        )
        return _Stored(record=record, digest=digest)

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._pepper, token.encode("utf-8", "surrogatepass"), "sha256")

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _key(key_id: str) -> str:
    return f"llmgw:key:{{{key_id}}}"


def _wrong() -> InvalidApiKey:
    return InvalidApiKey("this API key is not valid: it was never issued, or it has expired or been revoked")


def _role(text: str) -> Role:
    # A role this version does not know may do as little as possible.
    roles: tuple[Role, ...] = get_args(Role)
    return next((role for role in roles if role == text), "viewer")


def _check(name: str, role: str, tenant: str) -> None:
    if not 1 <= len(name) <= NAME_MAX or any(unicodedata.category(char).startswith("C") for char in name):
        raise InvalidRequest(f"a key's name has 1 to {NAME_MAX} printable characters", param="name")
    if role not in get_args(Role):
        raise InvalidRequest(f"a key's role is one of {', '.join(get_args(Role))}", param="role")
    if not TENANT.fullmatch(tenant):
        raise InvalidRequest(
            "a tenant's name has 1 to 63 of a-z, 0-9, '_' and '-', and begins with a letter or digit",
            param="tenant",
        )
