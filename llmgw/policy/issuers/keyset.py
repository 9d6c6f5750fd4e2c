"""An issuer's keys: fetched, kept, and asked for again when that can help."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from llmgw.policy.issuers.jwks import BadKeySet, Key, read_key_set
from llmgw.policy.issuers.rules import Issuer
from llmgw.policy.issuers.tokens import BadToken
from llmgw.types.auth_errors import IssuerUnavailable
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError, InvalidJson
from llmgw.types.json import decode

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Get a document of at most 64 KiB within 10 seconds, and follow no redirect.

Raises:
    GatewayError: it cannot be had.
"""

QUIET_S: Final = 30.0
"""Unknown key ids have keys fetched at most once in so many seconds, and so has an issuer that is away."""
_RETRY_S: Final = 5.0
"""How long callers of an issuer whose keys were never had are not made to wait for another try."""
_DISCOVERY: Final = "/.well-known/openid-configuration"

_log = logging.getLogger(__name__)


class KeySet:
    """The keys of one issuer in this process; one fetch at a time, whoever waits for it."""

    def __init__(self, issuer: Issuer, fetch: Fetch, clock: Clock) -> None:
        self.issuer = issuer
        self.keys: dict[str, Key] = {}
        self.problems: tuple[str, ...] = ()
        """Why some keys, or a whole fetch, were of no use; of the last try."""
        self.fetched_unix_ns: int | None = None
        """When the keys in use were asked for."""
        self.fetches = 0
        self._fetch = fetch
        self._clock = clock
        self._fetched_ns: int | None = None
        self._tried_ns: int | None = None
        self._searched_ns: int | None = None
        self._running: asyncio.Task[bool] | None = None

    def usable(self) -> bool:
        """Whether there are keys that are not too old; what is getting old is asked for again behind the calls."""
        if self._fetched_ns is None:
            return False
        age_s = _seconds(self._clock.monotonic_ns() - self._fetched_ns)
        if age_s <= self.issuer.keys_s:
            return True
        if self._since(self._tried_ns) >= min(QUIET_S, self.issuer.keys_s):
            self._start()
        return age_s <= self.issuer.keys_s + self.issuer.stale_keys_s

    async def find(self, kid: str, issued_s: float) -> Key:
        """Return the key of this id; `issued_s` is when the token says it was signed, in unix seconds.

        Raises:
            BadToken: the issuer has no such key.
            IssuerUnavailable: its keys are not here, or it may have a new one that cannot be asked for yet.
        """
        if not self.usable():
            if self._running is None and self._since(self._tried_ns) < _RETRY_S:
                raise self._away(_RETRY_S)
            if not await self._wait() and not self.usable():
                raise self._away(_RETRY_S)
        if kid in self.keys:
            return self.keys[kid]
        if self._since(self._searched_ns) >= QUIET_S:
            self._searched_ns = self._clock.monotonic_ns()
            return await self._search(kid)
        while self._running is not None:
            await self._wait()
        if kid in self.keys:
            return self.keys[kid]
        asked_s = (self.fetched_unix_ns or 0) / 1e9
        if issued_s >= asked_s - self.issuer.leeway_s:
            # It may be signed with a key that is newer than what is here, and then it is good.
            raise self._away(max(1.0, QUIET_S - self._since(self._searched_ns)))
        raise BadToken("signed with a key that its issuer does not have")

    async def _search(self, kid: str) -> Key:
        if self._running is not None:
            # What is being fetched may have been written before the key was made.
            await self._wait()
        if kid not in self.keys and not await self._wait():
            raise self._away(QUIET_S)
        if kid not in self.keys:
            raise BadToken("signed with a key that its issuer does not have")
        return self.keys[kid]

    async def refresh(self) -> None:
        """Fetch the keys as they are now.

        Raises:
            IssuerUnavailable: they cannot be had; those that were here stay.
        """
        if self._running is not None:
            await self._wait()
        if not await self._wait():
            raise self._away(_RETRY_S)

    def start(self) -> None:
        """Begin to fetch the keys, and wait for nothing."""
        self._start()

    async def aclose(self) -> None:
        """Give up what is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _wait(self) -> bool:
        return await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[bool]:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._renew())
            self._running.add_done_callback(self._end)
        return self._running

    def _end(self, _task: asyncio.Task[bool]) -> None:
        self._running = None

    async def _renew(self) -> bool:
        """Fetch the keys; False says that those from before stay."""
        began_ns, began_unix_ns = self._clock.monotonic_ns(), self._clock.unix_ns()
        self._tried_ns = began_ns
        self.fetches += 1
        try:
            read = read_key_set(await self._document(), self.issuer.algorithm)
        except (GatewayError, BadKeySet) as error:
            self.problems = (str(error),)
            _log.warning("the keys of issuer %s cannot be had: %s", self.issuer.name, error)
            return False
        # What has not changed stays the same object: tokens that were checked with it need no other check.
        self.keys = {
            kid: before if (before := self.keys.get(kid)) and before.digest == key.digest else key
            for kid, key in read.keys.items()
        }
        self.problems = read.problems
        self._fetched_ns, self.fetched_unix_ns = began_ns, began_unix_ns
        return True

    async def _document(self) -> bytes:
        issuer = self.issuer
        if issuer.jwks_file is not None:
            return await asyncio.to_thread(read_file, issuer)
        if issuer.jwks_url is not None:
            return await self._fetch(issuer.jwks_url)
        try:
            told = decode(await self._fetch(issuer.issuer.rstrip("/") + _DISCOVERY))
        except InvalidJson:
            told = None
        if not isinstance(told, dict) or told.get("issuer") != issuer.issuer:
            raise BadKeySet("its discovery document is none, or another issuer's")
        where = told.get("jwks_uri")
        if not isinstance(where, str) or not re.fullmatch(r"[!-~]{1,2048}", where):
            raise BadKeySet("its discovery document does not say where its keys are")
        return await self._fetch(where)

    def _away(self, retry_after_s: float) -> IssuerUnavailable:
        return IssuerUnavailable(
            f"the keys of issuer {self.issuer.name} cannot be had now", retry_after_s=round(retry_after_s)
        )

    def _since(self, then_ns: int | None) -> float:
        return float("inf") if then_ns is None else _seconds(self._clock.monotonic_ns() - then_ns)


def read_file(issuer: Issuer) -> bytes:
    """Read the file with the keys of an issuer that has one.

    Raises:
        BadKeySet: it cannot be read.
    """
    assert issuer.jwks_file is not None  # noqa: S101  # for whoever reads types
    try:
        with issuer.jwks_file.open("rb") as file:
            return file.read(64 * 1024 + 1)
    except OSError as error:
        raise BadKeySet(f"the file cannot be read: {error.strerror or 'error'}") from None


def _seconds(ns: int) -> float:
    return ns / 1e9
