"""Which tokens are believed, and that all others are refused alike."""

import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives import serialization
from llmgw.policy.issuers import Algorithm
from llmgw.policy.issuers.tokens import TOKEN_MAX
from llmgw.policy.spending.values import NAME
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidApiKey, PermissionDenied
from tests.integration.issuers.stage import Stage, play, rules
from tests.local_issuer import LocalIssuer, SigningKey, b64, signed

Forge = Callable[[LocalIssuer, float], str]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module", name="local")
def local_issuer() -> Iterator[LocalIssuer]:
    """An issuer that signs with RS256."""
    with LocalIssuer("RS256") as issuer:
        yield issuer


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_each_algorithm_is_understood(algorithm: str) -> None:
    """A token signed with it is its caller's, found again without another look; a changed one is refused."""

    async def scene(stage: Stage) -> None:
        token = local.token(stage.now_s)
        caller = await stage.issuers.authenticate(token)
        assert caller == Caller(
            key_id=f"jwt:corp:{local.subject('user-1')}",
            name="Ann",
            role="admin",
            tenant="default",
            may_call=False,
            expires_ms=round(stage.now_s + 300) * 1000,
        )
        assert NAME.fullmatch(caller.key_id)
        assert stage.issuers.cached(token) is caller
        other = local.token(stage.now_s, sub="user-2")
        await stage.reason(f"{other.rpartition('.')[0]}.{token.rpartition('.')[2]}")

    with LocalIssuer(algorithm) as local:
        play(scene, rules(local))


def _secret(local: LocalIssuer, now_s: float, secret: bytes, alg: str = "HS256") -> str:
    """A token signed with a secret that everybody knows."""
    head = local.token(now_s, header={"alg": alg}).rpartition(".")[0]
    return f"{head}.{b64(hmac.digest(secret, head.encode(), 'sha256'))}"


def _pem(local: LocalIssuer) -> bytes:
    return bytes(
        local.keys[0]
        .private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _none(local: LocalIssuer, now_s: float, alg: str) -> str:
    return local.token(now_s, header={"alg": alg}).rpartition(".")[0] + "."


def _with_header(**members: Any) -> Forge:
    return lambda local, now_s: local.token(now_s, header=members)


def _with_claims(**members: Any) -> Forge:
    return lambda local, now_s: local.token(now_s, **members)


def _timed(**offsets: float) -> Forge:
    def made(local: LocalIssuer, now_s: float) -> str:
        moments: dict[str, Any] = {name: now_s + by for name, by in offsets.items()}
        return local.token(now_s, **moments)

    return made


def _by_stranger(local: LocalIssuer, now_s: float, **header: Any) -> str:
    stranger = SigningKey(local.keys[0].kid, "RS256")
    return local.token(now_s, key=stranger, header={**header, "jwk": stranger.jwk})


def _twice(local: LocalIssuer, now_s: float, part: str, member: str, first: Any) -> str:
    key = local.keys[0]
    texts = {
        "header": json.dumps({"alg": "RS256", "kid": key.kid}),
        "claims": json.dumps(
            {"iss": local.url, "aud": "llmgw", "sub": "x", "iat": int(now_s), "exp": int(now_s) + 9}
        ),
    }
    texts[part] = "{" + json.dumps({member: first})[1:-1] + ", " + texts[part][1:]
    return signed(texts["header"], texts["claims"], key)


def _nested(local: LocalIssuer, _now_s: float, depth: int) -> str:
    return signed({"alg": "RS256", "kid": "first"}, "[" * depth + "]" * depth, local.keys[0])


FORGED: dict[str, Forge] = {
    "none": lambda local, now: _none(local, now, "none"),
    "None": lambda local, now: _none(local, now, "None"),
    "none, signed": _with_header(alg="none"),
    "no signature": lambda local, now: local.token(now).rpartition(".")[0] + ".",
    "signed with the public key as a secret": lambda local, now: _secret(local, now, _pem(local)),
    "the same, said to be RS256": lambda local, now: _secret(local, now, _pem(local), "RS256"),
    "signed with nothing": lambda local, now: _secret(local, now, b""),
    "another algorithm of the same key": lambda local, now: local.token(
        now, key=_as(local.keys[0], "RS512"), header={"kid": "first"}
    ),
    "padding of another algorithm": lambda local, now: local.token(
        now, key=_as(local.keys[0], "PS256"), header={"alg": "RS256"}
    ),
    "algorithm in lower case": _with_header(alg="rs256"),
    "no algorithm": _with_header(alg=None),
    "algorithm is a list": _with_header(alg=["RS256"]),
    "kid is a path": _with_header(kid="../../../../dev/null"),
    "kid is a URL": _with_header(kid="http://127.0.0.1:9/keys"),
    "kid is a query": _with_header(kid="' or 1=1 --"),
    "kid is empty": _with_header(kid=""),
    "kid is long": _with_header(kid="k" * 257),
    "kid is a number": _with_header(kid=1),
    "kid is a list": _with_header(kid=["first"]),
    "no kid": _with_header(kid=None),
    "brings its own key": _by_stranger,
    "says where its keys are": lambda local, now: _by_stranger(local, now, jku=f"{local.url}/mine"),
    "says where its certificate is": lambda local, now: _by_stranger(local, now, x5u=f"{local.url}/mine"),
    "brings its certificate": lambda local, now: _by_stranger(local, now, x5c=["MIIB"]),
    "wants the unknown": _with_header(crit=["exp"], exp=1),
    "wants nothing": _with_header(crit=[]),
    "unencoded payload": _with_header(b64=False),
    "type of another": _with_header(typ="secevent+jwt"),
    "type is a number": _with_header(typ=7),
    "no issuer": _with_claims(iss=None),
    "issuer is a list": lambda local, now: local.token(now, iss=[local.url]),
    "issuer with a slash": lambda local, now: local.token(now, iss=f"{local.url}/"),
    "issuer in capitals": lambda local, now: local.token(now, iss=local.url.upper()),
    "another issuer": _with_claims(iss="https://accounts.example"),
    "another audience": _with_claims(aud="other"),
    "audience begins like ours": _with_claims(aud="llmgw2"),
    "other audiences": _with_claims(aud=["other", "another"]),
    "no audience": _with_claims(aud=None),
    "audience is an object": _with_claims(aud={"llmgw": 1}),
    "an audience is a number": _with_claims(aud=["llmgw", 1]),
    "no audiences": _with_claims(aud=[]),
    "expired": _timed(iat=-400, exp=-30),
    "not yet": _timed(nbf=91),
    "issued in the future": _timed(iat=91),
    "valid for too long": _timed(exp=86_401),
    "ends before it begins": _timed(iat=10, exp=5),
    "no end": _with_claims(exp=None),
    "no beginning": _with_claims(iat=None),
    "end is text": _with_claims(exp="9999999999"),
    "end is true": _with_claims(exp=True),
    "end is never": lambda local, now: _raw_claim(local, now, "exp", "1e308"),
    "end is no number": lambda local, now: _raw_claim(local, now, "exp", "NaN"),
    "end is null": lambda local, now: _raw_claim(local, now, "exp", "null"),
    "nbf is a list": _with_claims(nbf=[0]),
    "no subject": _with_claims(sub=None),
    "subject is empty": _with_claims(sub=""),
    "subject is a number": _with_claims(sub=7),
    "subject is long": _with_claims(sub="s" * 256),
    "header twice alg": lambda local, now: _twice(local, now, "header", "alg", "none"),
    "header twice kid": lambda local, now: _twice(local, now, "header", "kid", "other"),
    "claims twice exp": lambda local, now: _twice(local, now, "claims", "exp", 9_999_999_999),
    "claims twice iss": lambda local, now: _twice(local, now, "claims", "iss", "x"),
    "claims are a list": lambda local, now: _nested(local, now, 1),
    "claims are deep": lambda local, now: _nested(local, now, 2000),
    "claims are text": lambda local, _now: signed({"alg": "RS256", "kid": "first"}, '"x"', local.keys[0]),
    "header is a list": lambda local, _now: signed("[]", "{}", local.keys[0]),
    "header is null": lambda local, _now: signed("null", "{}", local.keys[0]),
    "huge": lambda local, now: local.token(now, padding="p" * TOKEN_MAX),
    "padded": lambda local, now: _padded(local.token(now)),
    "two parts": lambda local, now: local.token(now).rpartition(".")[0],
    "five parts": lambda local, now: local.token(now) + ".a.b",
    "a space": lambda local, now: local.token(now).replace(".", " .", 1),
    "a line break at its end": lambda local, now: local.token(now) + "\n",
    "empty parts": lambda _local, _now: "..",
    "not ASCII": lambda local, now: "é" + local.token(now)[1:],
    "broken UTF-8": lambda local, _now: _unreadable(local),
    "a lone surrogate": lambda local, _now: signed(
        {"alg": "RS256", "kid": "first"}, '{"iss": "\\ud800"}', local.keys[0]
    ),
}


def _as(key: SigningKey, algorithm: str) -> SigningKey:
    other = SigningKey(key.kid, "EdDSA")
    other.algorithm, other.private = algorithm, key.private
    return other


def _raw_claim(local: LocalIssuer, now_s: float, name: str, text: str) -> str:
    claims = json.dumps(
        {"iss": local.url, "aud": "llmgw", "sub": "x", "iat": int(now_s), "exp": int(now_s) + 9, name: "HERE"}
    )
    return signed({"alg": "RS256", "kid": "first"}, claims.replace('"HERE"', text), local.keys[0])


def _padded(token: str) -> str:
    return ".".join(part + "=" * (-len(part) % 4) for part in token.split("."))


def _unreadable(local: LocalIssuer) -> str:
    head = f"{b64(json.dumps({'alg': 'RS256', 'kid': 'first'}).encode())}.{b64(bytes([0x7B, 0xFF, 0x7D]))}"
    return f"{head}.{b64(local.keys[0].sign(head.encode()))}"


@pytest.mark.parametrize("name", FORGED)
def test_what_is_wrong_is_refused_and_leads_nowhere(local: LocalIssuer, name: str) -> None:
    """401 in one and the same words, a reason for the log without the token, and no request but for the keys."""
    before = len(local.asked)

    async def scene(stage: Stage) -> None:
        await stage.issuers.authenticate(local.token(stage.now_s))
        stage.clock.advance(60)
        assert await stage.reason(FORGED[name](local, stage.now_s - 60))

    play(scene, rules(local))
    assert set(local.asked[before:]) <= {"/keys", "/.well-known/openid-configuration"}


def test_the_forged_tokens_are_good_but_for_what_is_forged(local: LocalIssuer) -> None:
    """The makers of forged tokens make good ones where nothing is forged, up to the bounds."""

    async def scene(stage: Stage) -> None:
        now_s = stage.now_s
        good: list[Forge] = [
            _with_header(typ="at+jwt"),
            _with_header(typ=None),
            _with_header(jku="http://127.0.0.1:9/", x5c=["x"], x5u="x", jwk={}),
            _with_claims(aud=["other", "llmgw"]),
            _timed(iat=-300, exp=-29),
            _timed(nbf=30, iat=30, exp=60),
            _timed(exp=86_400),
            _with_claims(sub="s" * 255),
            _with_claims(nested=[[[]]]),
            _with_claims(exp=now_s + 10.5),
        ]
        for made in good:
            await stage.issuers.authenticate(made(local, now_s))

    play(scene, rules(local))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_no_character_may_be_changed(algorithm: str) -> None:
    """At every position, the next and a far character of the alphabet, and none at all, make it a wrong token."""

    async def scene(stage: Stage) -> None:
        # Signed before the keys were fetched: an id that is not among them is then nobody's.
        token = local.token(stage.now_s - 120, exp=int(stage.now_s) + 100)
        await stage.issuers.authenticate(token)
        for place, there in enumerate(token):
            at = ALPHABET.find(there)
            others = [ALPHABET[(at + 1) % 64], ALPHABET[(at + 33) % 64], ""]
            for other in others:
                await stage.reason(token[:place] + other + token[place + 1 :])

    with LocalIssuer(algorithm) as local:
        play(scene, rules(local))


def test_issuers_are_not_taken_for_each_other() -> None:
    """A key of one says nothing for another, be its id the same; each has its algorithm alone."""

    async def scene(stage: Stage) -> None:
        now_s = stage.now_s
        assert (await stage.issuers.authenticate(first.token(now_s))).tenant == "acme"
        assert (await stage.issuers.authenticate(second.token(now_s))).tenant == "other"
        await stage.reason(first.token(now_s, iss=second.url))
        await stage.reason(second.token(now_s, iss=first.url))
        await stage.reason(first.token(now_s, iss=second.url, header={"alg": "ES256"}))
        await stage.reason(second.token(now_s, iss=first.url, header={"alg": "RS256"}))

    with LocalIssuer("RS256") as first, LocalIssuer("ES256") as second:
        play(scene, rules(first, tenant="acme"), rules(second, name="other", tenant="other"))


def test_the_same_subject_of_two_issuers_is_two_callers() -> None:
    """Ids say which issuer it was, and an issuer that takes over a name does not take over its callers."""

    async def scene(stage: Stage) -> None:
        ids = {(await stage.issuers.authenticate(each.token(stage.now_s))).key_id for each in (first, second)}
        assert len({each.rpartition(":")[2] for each in ids}) == 2

    with LocalIssuer() as first, LocalIssuer() as second:
        play(scene, rules(first), rules(second, name="other"))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["llm-devs"]}, "publisher"),
        ({"groups": "llm-devs"}, "publisher"),
        ({"groups": ["llm-viewers", "llm-devs", "x"]}, "publisher"),
        ({"groups": ["llm-devs", "llm-admins"]}, "admin"),
        ({"groups": [["llm-admins"], {"llm-admins": 1}, None, 1, "llm-viewers"]}, "viewer"),
        ({"groups": ["LLM-ADMINS"]}, None),
        ({"groups": {"llm-admins": True}}, None),
        ({"groups": []}, None),
        ({"groups": None}, None),
        ({"groups": "llm-admins llm-devs"}, None),
    ],
)
def test_roles_are_given_by_the_map_alone(
    local: LocalIssuer, claims: dict[str, Any], role: str | None
) -> None:
    """Of several the strongest; without one it is 403, or the default where there is one."""

    async def scene(stage: Stage) -> None:
        token = local.token(stage.now_s, **claims)
        if role is None:
            with pytest.raises(PermissionDenied, match="no role"):
                await stage.issuers.authenticate(token)
        else:
            assert (await stage.issuers.authenticate(token)).role == role

    async def by_default(stage: Stage) -> None:
        caller = await stage.issuers.authenticate(local.token(stage.now_s, **claims))
        assert caller.role == (role or "viewer")

    play(scene, rules(local))
    play(by_default, rules(local, default="viewer"))


def test_claims_are_found_by_name_or_by_path(local: LocalIssuer) -> None:
    """A name with dots or slashes within is a name; a path begins with a slash."""

    async def scene(stage: Stage) -> None:
        def said(org: Any) -> dict[str, Any]:
            return {"https://x.example/org": org, "realm_access": {"roles": ["llm-devs"]}, "groups": None}

        caller = await stage.issuers.authenticate(local.token(stage.now_s, **said("acme")))
        assert (caller.role, caller.tenant) == ("publisher", "acme")
        for org in ("../acme", "", "ACME", 7, ["acme"], None, "a" * 64, "acme\n"):
            token = local.token(stage.now_s, **said(org))
            with pytest.raises(PermissionDenied, match="no tenant"):
                await stage.issuers.authenticate(token)
        flat: dict[str, Any] = {"/realm_access/roles": ["llm-devs"], "https://x.example/org": "acme"}
        with pytest.raises(PermissionDenied, match="no role"):
            await stage.issuers.authenticate(local.token(stage.now_s, **flat))

    where = {"role_claim": "/realm_access/roles", "tenant": None, "tenant_claim": "https://x.example/org"}
    play(scene, rules(local, **where))


@pytest.mark.parametrize("name", ["", "n" * 129, "a\nb", "a\x1b[2J", "\u202eAnn", 7, None, ["Ann"]])
def test_names_that_could_forge_a_line_are_not_told(local: LocalIssuer, name: Any) -> None:
    """The id stands in their place."""

    async def scene(stage: Stage) -> None:
        caller = await stage.issuers.authenticate(local.token(stage.now_s, name=name))
        assert caller.name == caller.key_id

    play(scene, rules(local))


def test_a_remembered_token_ends_when_it_ends(local: LocalIssuer) -> None:
    """By the worker's clock and the leeway, whether it was remembered or not."""

    async def scene(stage: Stage) -> None:
        token = local.token(stage.now_s)
        caller = await stage.issuers.authenticate(token)
        stage.clock.advance(329)
        assert stage.issuers.cached(token) is caller
        stage.clock.advance(1)
        assert stage.issuers.cached(token) is None
        assert await stage.reason(token) == "expired"

    play(scene, rules(local, keys_s=1000))


def test_what_is_remembered_is_bounded(local: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token that was not used for the longest is forgotten, and only costs another check."""
    monkeypatch.setattr("llmgw.policy.issuers.issuers.CACHE_SIZE", 2)

    async def scene(stage: Stage) -> None:
        tokens = [local.token(stage.now_s, sub=f"user-{number}") for number in range(3)]
        for token in tokens:
            await stage.issuers.authenticate(token)
        assert stage.issuers.cached(tokens[0]) is None
        assert stage.issuers.cached(tokens[1]) is not None
        await stage.issuers.authenticate(tokens[0])
        assert stage.issuers.cached(tokens[2]) is None

    play(scene, rules(local))


def test_keys_are_not_taken_for_tokens(local: LocalIssuer) -> None:
    """A token begins as JSON in base64 does and has three parts; a key of the gateway never does."""

    async def scene(stage: Stage) -> None:
        assert stage.issuers.takes(local.token(stage.now_s))
        for text in ("llmgw_live_x_y", "a.b.c", "e.b", "..", ""):
            assert not stage.issuers.takes(text)

    play(scene, rules(local))


def test_the_digest_of_a_long_text_is_not_that_of_another() -> None:
    """What is too long is refused, whatever it begins with."""

    async def scene(stage: Stage) -> None:
        with pytest.raises(InvalidApiKey):
            await stage.issuers.authenticate("e." + "x" * 60_000 + ".y")
        assert stage.issuers.cached("e." + "x" * 60_000 + ".y") is None

    with LocalIssuer() as local:
        play(scene, rules(local))
        assert local.asked == []
