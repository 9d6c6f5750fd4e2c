"""Who holds which key.

Only HMAC-SHA-256(pepper, key) is stored, looked up by the id inside the key. A key that was checked is
remembered by its whole digest: fresh for `FRESH_S` unless a change is heard of, and for `stale_auth_s` when the
store is away. The store being away never makes a key wrong.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct

from llmgw.policy import keyformat
from llmgw.policy.key_changes import KeyChanges
from llmgw.policy.key_errors import wrong_key
from llmgw.policy.key_store import PREVIOUS_MAX, Stored
from llmgw.policy.keys import holder_of
from llmgw.state.connection import State
from llmgw.types.call import Caller
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import Unavailable
from llmgw.types.secret import Secret

FRESH_S = 5.0
"""Seconds a checked key needs no look-up where no change of it is heard of."""
CACHE_SIZE = 10_000
BOOTSTRAP_ID = "bootstrap"
BOOTSTRAP_MIN = 24
TOKEN_MAX = 512

_NO_DIGEST = bytes(32)


class _Known(Struct, frozen=True, kw_only=True, gc=False):
    caller: Caller
    checked_ns: int
    round: int
    """How often all keys had been doubted when it was asked for."""
    expires_ms: int | None


class Keyring(KeyChanges):
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
        super().__init__(state, pepper, clock or SystemClock())
        self._bootstrap = self._digest(bootstrap.reveal()) if bootstrap is not None else None
        self._be_sure = be_sure
        self._fresh_ns = round(FRESH_S * 1e9)
        self._stale_ns = round(stale_auth_s * 1e9)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[Caller]] = {}
        self._round = 0

    async def holder(self, token: str) -> Caller:
        """Return the holder of a key as `authenticate` does, of a remembered one at once; makes one digest."""
        digest = self._digest(token) if len(token) <= TOKEN_MAX else b""
        return self.cached(token, digest) or await self.authenticate(token, digest)

    def cached(self, token: str, digest: bytes | None = None) -> Caller | None:
        """Return the holder of a key checked within the last seconds; None says: ask `authenticate`.

        A key in use is checked again behind its calls before it goes stale, so that none of them has to wait.
        """
        if len(token) > TOKEN_MAX:
            return None
        digest = digest or self._digest(token)
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

    def is_bootstrap(self, token: str) -> bool:
        """Whether it is the operator's own key, which may look like anything."""
        own = self._bootstrap
        return own is not None and len(token) <= TOKEN_MAX and hmac.compare_digest(self._digest(token), own)

    async def authenticate(self, token: str, digest: bytes | None = None) -> Caller:
        """Return the holder of a key.

        Raises:
            InvalidApiKey: nobody issued it, or it has expired or been revoked.
            StoreUnavailable: it is not known here and the store cannot be asked.
            StoreReset: it is not known here, and the store has lost its keys.
        """
        if len(token) > TOKEN_MAX:
            raise wrong_key()
        digest = digest or self._digest(token)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return Caller(key_id=BOOTSTRAP_ID, name="bootstrap", role="admin")
        key_id = keyformat.key_id(token)
        if key_id is None:
            raise wrong_key()
        # Many calls that wait for one check share it, and none of them can cancel it for the others.
        return await asyncio.shield(self._check(digest, key_id))

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
            raise wrong_key()
        if not overtaken:
            self._remember(digest, found)
        return found.caller

    def _decide(self, digest: bytes, stored: Stored | None, began_ns: int) -> _Known | None:
        # A miss compares as often as a wrong secret does, however many secrets the key has.
        newest = hmac.compare_digest(digest, stored.digest if stored else _NO_DIGEST)
        previous = stored.previous if stored else ()
        padded = [*previous, *[(_NO_DIGEST, 0)] * (PREVIOUS_MAX - len(previous))]
        older = [until for each, until in padded if hmac.compare_digest(digest, each)]
        if stored is None or not (newest or older):
            return None
        record = stored.record
        ends = [each for each in (record.expires_ms, None if newest else max(older)) if each is not None]
        known = _Known(
            caller=holder_of(record),
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
