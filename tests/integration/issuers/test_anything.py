"""Whatever is sent as a token, or published as a key set: it is taken or refused, and never a fault."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.policy.issuers import Issuers
from llmgw.policy.issuers.jwks import BadKeySet, read_key_set
from llmgw.policy.issuers.tokens import BadToken, read
from llmgw.policy.keys import is_plain
from llmgw.policy.spending.values import NAME
from llmgw.types.call import TENANT
from llmgw.types.errors import InvalidApiKey, PermissionDenied
from tests.integration.issuers.stage import rules
from tests.local_issuer import LocalIssuer, SigningKey, b64, signed
from tests.manual_clock import ManualClock

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "name", "groups", "org", "x"])
MEMBERS = st.sampled_from(["alg", "kid", "typ", "crit", "jku", "b64", "cty", "x5c", "zip", "enc"])
JWK = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y", "d", "k", "x5c"])
KEYS = {algorithm: SigningKey("first", algorithm) for algorithm in ("RS256", "ES256", "ES512", "EdDSA")}


@given(
    st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,4}", fullmatch=True)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """As a bad token and in no other way."""
    with pytest.raises(BadToken):
        read(text)


@given(VALUES, VALUES, st.binary(max_size=80))
def test_any_json_is_read_or_refused(header: Any, claims: Any, signature: bytes) -> None:
    """In its three parts as well."""
    text = ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)])
    with pytest.raises(BadToken):
        read(text)


@given(st.dictionaries(CLAIMS, VALUES), st.dictionaries(MEMBERS, VALUES))
def test_any_claims_of_an_issuer_make_a_caller_or_a_refusal(
    changed: dict[str, Any], members: dict[str, Any]
) -> None:
    """401 or 403; whoever comes through has an id, a name and a tenant that are fit for keys and logs."""
    clock = ManualClock()
    now_s = clock.unix_ns() // 1_000_000_000
    claims = {
        "iss": LOCAL.url,
        "aud": "llmgw",
        "sub": "user",
        "groups": ["llm-devs"],
        "org": "acme",
        "iat": now_s,
        "exp": now_s + 60,
        **changed,
    }
    token = signed({"alg": "ES256", "kid": "first", **members}, claims, KEYS["ES256"])

    async def fetch(_url: str) -> bytes:
        return json.dumps({"keys": [KEYS["ES256"].jwk]}).encode()

    async def run() -> None:
        trusted = rules(LOCAL, tenant=None, tenant_claim="org", jwks_url=LOCAL.url)
        issuers = Issuers([trusted], fetch, clock)
        try:
            caller = await issuers.authenticate(token)
        except (InvalidApiKey, PermissionDenied):
            return
        assert NAME.fullmatch(caller.key_id)
        assert is_plain(caller.name)
        assert TENANT.fullmatch(caller.tenant)

    asyncio.run(run())


@given(st.sampled_from(sorted(KEYS)), st.dictionaries(JWK, VALUES), st.booleans())
def test_any_key_is_read_or_passed_over(algorithm: str, changed: dict[str, Any], beside: bool) -> None:
    """A broken one changes nothing of the good one beside it."""
    broken = {**KEYS[algorithm].jwk, "kid": "other", **changed}
    good = [KEYS[algorithm].jwk] if beside else []
    body = json.dumps({"keys": [broken, *good]}).encode()
    try:
        read_set = read_key_set(body, algorithm)  # type: ignore[arg-type]
    except BadKeySet:
        # JSON's own grammar has no NaN, which spoils the whole; else a good key is always found.
        assert not beside or b"NaN" in body or b"Infinity" in body or broken["kid"] == "first"
        return
    assert all(kid in ("first", broken["kid"]) for kid in read_set.keys)


class _Quiet(LocalIssuer):
    """An issuer's names alone: it is never listened to."""

    def appear(self) -> None:
        self.algorithm = "ES256"


LOCAL = _Quiet()
