"""Keys made, listed, changed and revoked: each step stored, told to other workers, and noted in the audit."""

import hmac
import re
from abc import ABC, abstractmethod
from typing import Any, Final

from msgspec.structs import replace

from llmgw.policy import keyformat
from llmgw.policy.key_audit import BESIDE, FIRST_START, KeyAudit, KeyStep, given_of
from llmgw.policy.key_errors import key_over, no_key
from llmgw.policy.key_store import PREVIOUS_MAX, KeyStore
from llmgw.policy.keys import OVERLAP_MAX_MS, KeyChange, KeyRecord, NewKey, Terms, check_entries, check_key
from llmgw.state.connection import State
from llmgw.types.call import Role
from llmgw.types.clock import Clock
from llmgw.types.errors import InvalidRequest, KeyConflict
from llmgw.types.secret import Secret

_ID: Final = re.compile(rf"[0-9A-Za-z]{{{keyformat.ID_LENGTH}}}", re.ASCII)


class KeyChanges(ABC):
    """What can be done to keys; whoever remembers keys forgets those that change."""

    def __init__(self, state: State, pepper: Secret, clock: Clock) -> None:
        self.store = KeyStore(state)
        self.audit = KeyAudit(state, clock)
        self._clock = clock
        self._pepper = pepper.reveal().encode()
        self._first: keyformat.FreshKey | None = None

    @abstractmethod
    def forget(self, key_id: str) -> None:
        """Know nothing of a key any more: it has changed."""

    async def create(self, name: str, role: Role, terms: Terms | None = None, *, by: str = BESIDE) -> NewKey:
        """Make a key. What it makes belongs to its tenant; `by` is the id of the maker's key.

        Raises:
            InvalidRequest: the name, role or terms cannot be meant.
            StoreUnavailable: the key could not be stored.
        """
        terms = terms or Terms()
        check_key(name, role, terms)
        self._check_end(terms.expires_ms)
        fresh = keyformat.draw()
        # The record first: should the second step fail, what remains is a key that nobody was ever shown.
        await self.store.put(fresh.id, self._digest(fresh.token), name, role, terms, self._now_ms())
        await self.audit.note("create", fresh.id, terms.tenant, by, given_of(name, role, terms))
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
        if won:
            given = given_of("first admin", "admin", Terms())
            await self.audit.note("create", fresh.id, Terms().tenant, FIRST_START, given)
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
            raise no_key()
        return self._current(stored.record)

    async def revoke(self, key_id: str, *, by: str = BESIDE) -> bool:
        """Revoke a key for good; False says that there is none by that id.

        Here it ends at once, in other workers within a second, or `stale_auth_s` while the store is away.

        Raises:
            StoreUnavailable: the store cannot be asked, or the others could not be told: do it again.
            InternalError: it is revoked, and could not be noted, for the audit is damaged.
        """
        stored = await self.store.load(key_id) if _ID.fullmatch(key_id) else None
        if stored is None:
            return False
        try:
            found = await self.store.revoke(key_id, self._now_ms())
        finally:
            self.forget(key_id)
        if found:
            await self.audit.note("revoke", key_id, stored.record.tenant, by, {})
        return found

    async def rotate(self, key_id: str, overlap_ms: int, *, by: str = BESIDE) -> NewKey:
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
        await self._living("rotate", key_id, by, {"overlap_ms": overlap_ms})
        fresh = keyformat.draw(key_id=key_id)
        now_ms = self._now_ms()
        try:
            done = await self.store.rotate(key_id, self._digest(fresh.token), now_ms, now_ms + overlap_ms)
        finally:
            self.forget(key_id)
        match done:
            case "none":
                raise no_key()
            case "revoked" | "expired":
                raise key_over(done)
            case "many":
                raise KeyConflict(
                    f"{PREVIOUS_MAX} older secrets of the key are still good; an overlap of 0 ends them all"
                )
            case "done":
                return NewKey(id=key_id, token=Secret(fresh.token))

    async def allow(self, key_id: str, entries: tuple[str, ...] | None, *, by: str = BESIDE) -> None:
        """Put another list of what a key may call in the place of its own; None is everything.

        Raises:
            NotFound: there is no such key.
            InvalidRequest: an entry cannot be meant.
            StoreUnavailable: the store cannot be asked, or the others could not be told: do it again.
        """
        check_entries(entries or ())
        record = await self.find(key_id)
        await self.audit.note("allow", key_id, record.tenant, by, {"allow": entries})
        try:
            found = await self.store.replace(key_id, entries)
        finally:
            self.forget(key_id)
        if not found:
            raise no_key()

    async def change(self, key_id: str, change: KeyChange, *, by: str = BESIDE) -> None:
        """Put another team, tags, note or end in the place of a key's; other workers hear of it within a second.

        Raises:
            NotFound: there is no such key.
            InvalidRequest: a member cannot be meant, or there is none.
            KeyConflict: the key is revoked or has expired.
            StoreUnavailable: the store cannot be asked, or the others could not be told: do it again.
        """
        given = change.given
        if not given:
            raise InvalidRequest("there is nothing to change: give team, tags, note or expires_ms")
        record = await self.find(key_id)
        check_key(record.name, record.role, Terms(tenant=record.tenant, **given))
        self._check_end(given.get("expires_ms"))
        await self._living("change", key_id, by, given)
        try:
            done = await self.store.change(key_id, change, self._now_ms())
        finally:
            self.forget(key_id)
        match done:
            case "none":
                raise no_key()
            case "revoked" | "expired":
                raise key_over(done)
            case "done":
                return

    async def _living(self, op: KeyStep, key_id: str, by: str, given: dict[str, Any]) -> None:
        """Note a step that only a key takes which is good; what it does not take leaves no event."""
        record = await self.find(key_id)
        if record.revoked_ms is not None:
            raise key_over("revoked")
        if record.expires_ms is not None and record.expires_ms <= self._now_ms():
            raise key_over("expired")
        await self.audit.note(op, key_id, record.tenant, by, given)

    def _check_end(self, expires_ms: int | None) -> None:
        if expires_ms is not None and expires_ms <= self._now_ms():
            raise InvalidRequest("the key would be expired already", param="expires_ms")

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
