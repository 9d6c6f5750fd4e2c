"""All issuers of a gateway: from a token to its caller."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from llmgw.policy.issuers.callers import caller_of
from llmgw.policy.issuers.jwks import Key
from llmgw.policy.issuers.keyset import Fetch, KeySet
from llmgw.policy.issuers.rules import Algorithm, Issuer
from llmgw.policy.issuers.tokens import TOKEN_MAX, BadToken, Token, check_claims, looks_like_one, read
from llmgw.types.call import Caller
from llmgw.types.clock import Clock
from llmgw.types.errors import InvalidApiKey, NotFound

CACHE_SIZE: Final = 10_000
"""Tokens that were found good and are not checked again."""


class IssuerStatus(Struct, frozen=True, kw_only=True):
    """An issuer as one worker sees it; `fetched_ms`, in unix ms, is when its keys were asked for."""

    name: str
    issuer: str
    algorithm: Algorithm
    audience: str
    calls: bool
    tenant: str | None
    keys: list[str]
    usable: bool
    fetched_ms: int | None
    problems: tuple[str, ...]


class _Good(Struct, frozen=True, kw_only=True, gc=False):
    caller: Caller
    keys: KeySet
    key: Key
    ends_ns: int


class Issuers:
    """Finds the caller of a token; one per worker, which fetches keys through `fetch`."""

    def __init__(self, issuers: Iterable[Issuer], fetch: Fetch, clock: Clock) -> None:
        self._clock = clock
        self._sets = {issuer.name: KeySet(issuer, fetch, clock) for issuer in issuers}
        self._by_issuer = {each.issuer.issuer: each for each in self._sets.values()}
        self._good: OrderedDict[bytes, _Good] = OrderedDict()

    def start(self) -> None:
        """Begin to fetch everybody's keys; tokens that come first wait for them."""
        for keys in self._sets.values():
            keys.start()

    async def aclose(self) -> None:
        """Give up what is under way."""
        for keys in self._sets.values():
            await keys.aclose()

    @staticmethod
    def takes(text: str) -> bool:
        """Whether a text in the place of a key is meant as a token."""
        return looks_like_one(text)

    def cached(self, text: str) -> Caller | None:
        """Return the caller of a token that was found good before; None says: ask `authenticate`."""
        digest = _digest(text)
        good = self._good.get(digest)
        if good is None:
            return None
        usable = good.keys.usable() and good.keys.keys.get(good.key.kid) is good.key
        if not usable or self._clock.unix_ns() >= good.ends_ns:
            # Ended, or its key was taken back by the issuer: it has to be looked at again.
            del self._good[digest]
            return None
        self._good.move_to_end(digest)
        return good.caller

    async def authenticate(self, text: str) -> Caller:
        """Return the caller of a token.

        Raises:
            InvalidApiKey: it is not to be believed; the cause says why, for the log alone.
            PermissionDenied: it is good, but opens nothing here.
            IssuerUnavailable: it cannot be checked now.
        """
        try:
            token = read(text)
            keys = self._set_of(token)
            ends_s = check_claims(token.claims, keys.issuer, self._clock.unix_ns() / 1e9)
            key = await keys.find(token.kid, token.claims["iat"])
            if not key.signed(token):
                raise BadToken("the signature is not its issuer's")
        except BadToken as error:
            raise InvalidApiKey(
                "this token is not valid: it is not one of a known issuer for this gateway, or has expired"
            ) from error
        caller = caller_of(token.claims, keys.issuer, ends_s)
        ends_ns = round((ends_s + keys.issuer.leeway_s) * 1e9)
        self._remember(text, _Good(caller=caller, keys=keys, key=key, ends_ns=ends_ns))
        return caller

    async def refresh(self, name: str, tenant: str | None = None) -> IssuerStatus:
        """Fetch an issuer's keys now.

        Raises:
            NotFound: there is none by that name in reach.
            IssuerUnavailable: they cannot be had; those that were here stay.
        """
        keys = self._sets.get(name)
        if keys is None or tenant not in {None, keys.issuer.tenant}:
            raise NotFound("there is no such issuer")
        await keys.refresh()
        return _status(keys)

    def hear(self, name: str) -> None:
        """Begin to fetch an issuer's keys: another worker was asked to. Names of nobody are passed over."""
        if name in self._sets:
            self._sets[name].start()

    def list(self, tenant: str | None = None) -> list[IssuerStatus]:
        """List all issuers, or those of one tenant alone."""
        return [_status(each) for each in self._sets.values() if tenant in {None, each.issuer.tenant}]

    def _set_of(self, token: Token) -> KeySet:
        said = token.claims.get("iss")
        keys = self._by_issuer.get(said) if isinstance(said, str) else None
        if keys is None:
            raise BadToken("of no known issuer")
        if token.algorithm != keys.issuer.algorithm:
            raise BadToken(f"not signed as issuer {keys.issuer.name} signs")
        return keys

    def _remember(self, text: str, good: _Good) -> None:
        self._good[_digest(text)] = good
        if len(self._good) > CACHE_SIZE:
            self._good.popitem(last=False)


def _digest(text: str) -> bytes:
    # Longer ones are never remembered: no more of them is looked at than tells them apart from those.
    return hashlib.sha256(text[: TOKEN_MAX + 1].encode("utf-8", "surrogatepass")).digest()


def _status(keys: KeySet) -> IssuerStatus:
    issuer, fetched_ns = keys.issuer, keys.fetched_unix_ns
    return IssuerStatus(
        name=issuer.name,
        issuer=issuer.issuer,
        algorithm=issuer.algorithm,
        audience=issuer.audience,
        calls=issuer.calls,
        tenant=issuer.tenant,
        keys=sorted(keys.keys),
        usable=keys.usable(),
        fetched_ms=None if fetched_ns is None else fetched_ns // 1_000_000,
        problems=keys.problems,
    )
