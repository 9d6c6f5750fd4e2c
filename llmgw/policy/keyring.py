"""Who holds which key.

Only HMAC-SHA-256(pepper, key) is stored, looked up by the id inside the key. A key that was checked is
remembered by its whole digest: fresh for `FRESH_S` unless a change is heard of, and for `stale_auth_s` when the
store is away. The store being away never makes a key wrong.
"""

import asyncio
import hmac
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from llmgw.policy import keyformat
from llmgw.policy.key_store import PREVIOUS_MAX, KeyStore, Stored
from llmgw.policy.keys import OVERLAP_MAX_MS, KeyRecord, NewKey, Terms, check_entries, check_key
from llmgw.state.connection import State
from llmgw.types.allowance import Allowance
from llmgw.types.call import Caller, Role
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import InvalidApiKey, InvalidRequest, KeyConflict, NotFound, Unavailable
from llmgw.types.secret import Secret

FRESH_S = 5.0
"""Seconds a checked key needs no look-up where no change of it is heard of."""
CACHE_SIZE = 10_000
BOOTSTRAP_ID = "bootstrap"
BOOTSTRAP_MIN = 24
TOKEN_MAX = 512

_ID = re.compile(rf"[0-9A-Za-z]{{{keyformat.ID_LENGTH}}}", re.ASCII)
_NO_DIGEST = bytes(32)


class _Known(Struct, frozen=True, kw_only=True, gc=False):
    caller: Caller
    checked_ns: int
    round: int
    """How often all keys had been doubted when it was asked for."""
    expires_ms: int | None


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
        be_sure: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Take the parts; `be_sure` raises `Unavailable` where the store has lost its keys, so that none is wrong.

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
        self.store = KeyStore(state)
        self._pepper = pepper.reveal().encode()
        self._bootstrap = self._digest(bootstrap.reveal()) if bootstrap is not None else None
        self._clock = clock or SystemClock()
        self._be_sure = be_sure
        self._fresh_ns = round(FRESH_S * 1e9)
        self._stale_ns = round(stale_auth_s * 1e9)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[Caller]] = {}
        self._round = 0
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
        if age_ns > self._fresh_ns or known.round != self._round:
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
            StoreReset: it is not known here, and the store has lost its keys.
        """
        if len(token) > TOKEN_MAX:
            raise _wrong()
        digest = self._digest(token)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return Caller(key_id=BOOTSTRAP_ID, name="bootstrap", role="admin")
        key_id = keyformat.key_id(token)
        if key_id is None:
            raise _wrong()
        # Many calls that wait for one check share it, and none of them can cancel it for the others.
        return await asyncio.shield(self._check(digest, key_id))

    async def create(self, name: str, role: Role, terms: Terms | None = None) -> NewKey:
        """Make a key. What it makes belongs to its tenant.

        Raises:
            InvalidRequest: the name, role or terms cannot be meant.
            StoreUnavailable: the key could not be stored.
        """
        terms = terms or Terms()
        check_key(name, role, terms)
        if terms.expires_ms is not None and terms.expires_ms <= self._now_ms():
            raise InvalidRequest("the key would be expired already", param="expires_ms")
        fresh = keyformat.draw()
        # The record first: should the second step fail, what remains is a key that nobody was ever shown.
        await self.store.put(fresh.id, self._digest(fresh.token), name, role, terms, self._now_ms())
        await self.store.listed(fresh.id)
        return NewKey(id=fresh.id, token=Secret(fresh.token))

    async def create_first_admin(self) -> NewKey | None:
        """Make an admin's key if the store holds no key at all; of several gateways exactly one gets it.

        After a `StoreUnavailable` call it again on the same object: it goes on with the same key, so that an
        answer lost on the way loses no key.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if self._first is None and await self.store.any():
            return None
        fresh = self._first = self._first or keyformat.draw()
        digest = self._digest(fresh.token)
        await self.store.put(fresh.id, digest, "first admin", "admin", Terms(), self._now_ms())
        won = await self.store.claim_first(fresh.id)
        self._first = None
        return NewKey(id=fresh.id, token=Secret(fresh.token)) if won else None

    async def list(self, tenant: str | None = None) -> list[KeyRecord]:
        """List every key, or those of a tenant, oldest first.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        found = [await self.store.load(key_id) for key_id in await self.store.ids()]
        records = [self._current(stored.record) for stored in found if stored is not None]
        return sorted(
            (record for record in records if tenant in {None, record.tenant}),
            key=lambda record: (record.created_ms, record.id),
        )

    async def find(self, key_id: str, tenant: str | None = None) -> KeyRecord:
        """Return a key, or a key of a tenant.

        Raises:
            NotFound: there is none by that id, or it is another tenant's.
            StoreUnavailable: the store cannot be asked.
        """
        stored = await self.store.load(key_id) if _ID.fullmatch(key_id) else None
        if stored is None or tenant not in {None, stored.record.tenant}:
            raise _nobody()
        return self._current(stored.record)

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key for good; False says that there is none by that id.

        Here it ends at once, in other workers within a second, or `stale_auth_s` while the store is away.

        Raises:
            StoreUnavailable: the store cannot be asked, or the others could not be told: do it again.
        """
        if not _ID.fullmatch(key_id):
            return False
        try:
            return await self.store.revoke(key_id, self._now_ms())
        finally:
            self.forget(key_id)

    async def rotate(self, key_id: str, overlap_ms: int) -> NewKey:
        """Give a key a new secret; those before it are good until the overlap ends. Its id and rights stay.

        Without an overlap every older secret ends.

        Raises:
            NotFound: there is no such key.
            InvalidRequest: the overlap is too long.
            KeyConflict: it is revoked, has expired, or has too many secrets that are still good.
            StoreUnavailable: it is not known whether it was done; secrets in use are good until the overlap ends.
        """
        if not 0 <= overlap_ms <= OVERLAP_MAX_MS:
            raise InvalidRequest(
                f"an overlap is at most {OVERLAP_MAX_MS // 86_400_000} days", param="overlap_s"
            )
        if not _ID.fullmatch(key_id):
            raise _nobody()
        fresh = keyformat.draw(key_id=key_id)
        now_ms = self._now_ms()
        try:
            done = await self.store.rotate(key_id, self._digest(fresh.token), now_ms, now_ms + overlap_ms)
        finally:
            self.forget(key_id)
        match done:
            case "none":
                raise _nobody()
            case "revoked" | "expired":
                raise KeyConflict(f"the key is {done}: make another one")
            case "many":
                raise KeyConflict(
                    f"{PREVIOUS_MAX} older secrets of the key are still good; an overlap of 0 ends them all"
                )
            case "done":
                return NewKey(id=key_id, token=Secret(fresh.token))

    async def allow(self, key_id: str, entries: tuple[str, ...] | None) -> None:
        """Put another list of what a key may call in the place of its own; None is everything.

        Raises:
            NotFound: there is no such key.
            InvalidRequest: an entry cannot be meant.
            StoreUnavailable: the store cannot be asked, or the others could not be told: do it again.
        """
        check_entries(entries or ())
        try:
            found = bool(_ID.fullmatch(key_id)) and await self.store.replace(key_id, entries)
        finally:
            self.forget(key_id)
        if not found:
            raise _nobody()

    def forget(self, key_id: str) -> None:
        """Know nothing of a key any more: it has changed. Checks under way are not remembered."""
        for digest in [digest for digest, known in self._known.items() if known.caller.key_id == key_id]:
            del self._known[digest]
        # A check that began before the change may bring what was there before it; whoever calls next begins anew.
        self._checks.clear()

    def doubt(self) -> None:
        """Ask about every key again before its next call: a change may have been missed."""
        self._round += 1
        self._checks.clear()

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
        if self._checks.get(digest) is check:
            del self._checks[digest]
        if not check.cancelled():
            # Read here, because nobody may be waiting: whoever calls next asks again and is told.
            check.exception()

    async def _checked(self, digest: bytes, key_id: str) -> Caller:
        began_ns = self._clock.monotonic_ns()
        try:
            stored = await self.store.load(key_id)
            found = self._decide(digest, stored, began_ns)
            if found is None and self._be_sure is not None:
                # Of a wrong secret, too: how long it takes must not tell which keys there are.
                await self._be_sure()
        except Unavailable:
            known = self._known.get(digest)
            if known is None or not self._usable_while_away(known):
                raise
            return known.caller
        overtaken = self._checks.get(digest) is not asyncio.current_task()
        if found is None:
            self._known.pop(digest, None)
            raise _wrong()
        if not overtaken:
            self._remember(digest, found)
        return found.caller

    def _decide(self, digest: bytes, stored: Stored | None, began_ns: int) -> _Known | None:
        # A miss compares too, so that it takes as long as a wrong secret.
        newest = hmac.compare_digest(digest, stored.digest if stored else _NO_DIGEST)
        older = [
            until for each, until in (stored.previous if stored else ()) if hmac.compare_digest(digest, each)
        ]
        if stored is None or not (newest or older):
            return None
        record = stored.record
        ends = [each for each in (record.expires_ms, None if newest else max(older)) if each is not None]
        known = _Known(
            caller=Caller(
                key_id=record.id,
                name=record.name,
                role=record.role,
                tenant=record.tenant,
                team=record.team,
                tags=record.tags,
                allowed=None if record.allow is None else Allowance(record.allow),
            ),
            checked_ns=began_ns,
            round=self._round,
            expires_ms=min(ends, default=None),
        )
        return None if record.revoked_ms is not None or self._expired(known) else known

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)

    def _usable_while_away(self, known: _Known) -> bool:
        return self._clock.monotonic_ns() - known.checked_ns <= self._stale_ns and not self._expired(known)

    def _expired(self, known: _Known) -> bool:
        return known.expires_ms is not None and known.expires_ms <= self._now_ms()

    def _current(self, record: KeyRecord) -> KeyRecord:
        """A key without the secrets that have ended."""
        now_ms = self._now_ms()
        return replace(
            record, previous_until_ms=tuple(each for each in record.previous_until_ms if each > now_ms)
        )

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._pepper, token.encode("utf-8", "surrogatepass"), "sha256")

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _wrong() -> InvalidApiKey:
    return InvalidApiKey("this API key is not valid: it was never issued, or it has expired or been revoked")


def _nobody() -> NotFound:
    return NotFound("there is no such key")
