"""An issuer's keys: fetched when that can help, kept while it is away, and never asked for in a flood."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.issuers.jwks import KEYS_MAX, BadKeySet, read_key_set
from llmgw.types.auth_errors import IssuerUnavailable
from llmgw.types.errors import GatewayError, InvalidApiKey, NotFound
from llmgw.upstream import documents
from tests.integration.issuers.stage import Stage, play, rules
from tests.local_issuer import LocalIssuer, Mood, SigningKey
from tests.waiting import until_async

MOODS: tuple[Mood, ...] = ("garbage", "huge", "redirect", "failing", "empty")


async def refetched(stage: Stage, local: LocalIssuer, fetches: int) -> None:
    """Return once the keys were asked for so often, and are at work."""

    async def seen() -> bool:
        (status,) = stage.issuers.list()
        return local.fetches >= fetches and status.fetched_ms == round(stage.now_s * 1000)

    await until_async(seen, f"{fetches} fetches", unless=GatewayError)


async def outcome(stage: Stage, token: str) -> int:
    """The status that a token is answered with; 200 where it is good."""
    try:
        await stage.issuers.authenticate(token)
    except GatewayError as error:
        return error.status
    return 200


def test_keys_are_fetched_once_for_all_who_wait() -> None:
    """A hundred tokens that come first cause one discovery and one fetch."""

    async def scene(stage: Stage) -> None:
        tokens = [local.token(stage.now_s, sub=f"user-{number}") for number in range(100)]
        assert await asyncio.gather(*(outcome(stage, token) for token in tokens)) == [200] * 100

    with LocalIssuer() as local:
        play(scene, rules(local))
        assert local.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_given_address_is_asked_and_no_other() -> None:
    """With `jwks_url` there is no discovery."""

    async def scene(stage: Stage) -> None:
        assert await outcome(stage, local.token(stage.now_s)) == 200

    with LocalIssuer() as local:
        play(scene, rules(local, jwks_url=f"{local.url}/keys"))
        assert local.asked == ["/keys"]


@pytest.mark.parametrize(
    ("mood", "direct"),
    [
        ("foreign", False),
        *((mood, direct) for mood in MOODS for direct in (False, True)),
    ],
)
def test_an_issuer_that_cannot_be_understood_makes_no_token_wrong(mood: Mood, direct: bool) -> None:
    """503 with a pause to wait; nothing else is asked for, and what is wrong is told to administrators."""

    async def scene(stage: Stage) -> None:
        local.mood = mood
        token = local.token(stage.now_s)
        with pytest.raises(IssuerUnavailable) as away:
            await stage.issuers.authenticate(token)
        assert (away.value.status, away.value.retry_after_s) == (503, 5)
        asked = list(local.asked)
        # Nobody else has to wait for another try so soon.
        assert [await outcome(stage, token) for _ in range(50)] == [503] * 50
        assert local.asked == asked
        assert "/elsewhere" not in asked
        (status,) = stage.issuers.list()
        assert (status.usable, status.keys, len(status.problems)) == (False, [], 1)
        local.mood = "good"
        stage.clock.advance(5)
        assert await outcome(stage, token) == 200
        assert stage.issuers.list()[0].problems == ()

    with LocalIssuer() as local:
        play(scene, rules(local, jwks_url=f"{local.url}/keys" if direct else None))


def test_an_issuer_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of a fetch has one clock."""
    monkeypatch.setattr(documents, "WITHIN_S", 0.2)

    async def scene(stage: Stage) -> None:
        local.mood = "silent"
        assert await outcome(stage, local.token(stage.now_s)) == 503

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_what_is_wrong_without_keys_is_wrong_all_the_same() -> None:
    """401 and no fetch for a token that no key could make good."""

    async def scene(stage: Stage) -> None:
        assert await stage.reason(local.token(stage.now_s, aud="other")) == "another audience"
        assert await stage.reason(local.token(stage.now_s - 400)) == "expired"
        assert await stage.reason(local.token(stage.now_s, header={"alg": "HS256"}))

    with LocalIssuer() as local:
        play(scene, rules(local))
        assert local.asked == []


def test_the_last_good_keys_stay_while_the_issuer_is_away() -> None:
    """For as long as the settings say, then it is 503; back again, all is well without a restart."""

    async def scene(stage: Stage) -> None:
        assert await outcome(stage, local.token(stage.now_s)) == 200
        local.vanish()
        stage.clock.advance(3_900)
        token = local.token(stage.now_s)
        assert await outcome(stage, token) == 200
        assert stage.issuers.cached(token) is not None
        stage.clock.advance(1)
        assert stage.issuers.cached(token) is None
        assert await outcome(stage, token) == 503
        local.appear()
        stage.clock.advance(31)
        assert await outcome(stage, token) == 200

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_old_keys_are_asked_for_behind_the_calls() -> None:
    """Whoever calls then has its answer of the keys that are here."""

    async def scene(stage: Stage) -> None:
        token = local.token(stage.now_s, exp=int(stage.now_s) + 1000)
        await stage.issuers.authenticate(token)
        local.rotate("second")
        stage.clock.advance(300)
        assert stage.issuers.cached(token) is not None
        assert local.fetches == 1
        stage.clock.advance(1)
        assert stage.issuers.cached(token) is not None
        await refetched(stage, local, 2)
        # Its key was taken back: what was remembered with it is forgotten.
        assert stage.issuers.cached(token) is None
        assert await stage.reason(token)

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_a_flood_of_unknown_keys_is_no_flood_of_fetches() -> None:
    """One fetch in thirty seconds, whatever ids are made up."""

    async def scene(stage: Stage) -> None:
        old = stage.now_s - 120
        await stage.issuers.authenticate(local.token(stage.now_s))
        for round_number in range(3):
            forged = [
                local.token(old, exp=int(stage.now_s) + 200, header={"kid": f"{round_number}-{number}"})
                for number in range(200)
            ]
            assert set(await asyncio.gather(*(outcome(stage, each) for each in forged))) == {401}
            assert local.fetches == 2 + round_number
            stage.clock.advance(29)
            assert await outcome(stage, forged[0]) == 401
            assert local.fetches == 2 + round_number
            stage.clock.advance(1)

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_a_new_key_is_found_with_the_first_token_it_signed() -> None:
    """Fifty calls at once with the new key and fifty with remembered tokens: one fetch, and no refusal."""

    async def scene(stage: Stage) -> None:
        before = [local.token(stage.now_s, sub=f"user-{number}") for number in range(50)]
        assert await asyncio.gather(*(outcome(stage, token) for token in before)) == [200] * 50
        kept = local.keys[0]
        local.rotate("second")
        local.keys.append(kept)
        after = [local.token(stage.now_s, sub=f"user-{number}") for number in range(50)]
        answers = await asyncio.gather(*(outcome(stage, token) for token in before + after))
        assert answers == [200] * 100
        assert local.fetches == 2
        assert all(stage.issuers.cached(token) for token in before + after)

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_a_new_key_that_may_not_be_asked_for_yet_makes_no_token_wrong() -> None:
    """503 with the rest of the pause, then it is good: never a 401 for who was signed a good token."""

    async def scene(stage: Stage) -> None:
        await stage.issuers.authenticate(local.token(stage.now_s))
        made_up = local.token(stage.now_s - 120, exp=int(stage.now_s) + 200, header={"kid": "made up"})
        assert await outcome(stage, made_up) == 401
        local.rotate("second")
        stage.clock.advance(10)
        token = local.token(stage.now_s)
        with pytest.raises(IssuerUnavailable) as away:
            await stage.issuers.authenticate(token)
        assert away.value.retry_after_s == 20
        stage.clock.advance(20)
        assert await outcome(stage, token) == 200

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_an_unknown_key_of_an_issuer_that_is_away_makes_no_token_wrong() -> None:
    """It may be the issuer's newest; known keys go on."""

    async def scene(stage: Stage) -> None:
        await stage.issuers.authenticate(local.token(stage.now_s))
        known = local.token(stage.now_s, sub="user-2")
        local.rotate("second")
        token = local.token(stage.now_s)
        local.vanish()
        assert await outcome(stage, token) == 503
        assert await outcome(stage, known) == 200

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_keys_are_fetched_when_an_administrator_says_so() -> None:
    """Refreshing finds new keys at once, forgets those taken back, and says when it cannot."""

    async def scene(stage: Stage) -> None:
        token = local.token(stage.now_s)
        await stage.issuers.authenticate(token)
        local.rotate("second")
        status = await stage.issuers.refresh("corp")
        assert (status.keys, status.usable, status.problems) == (["second"], True, ())
        assert stage.issuers.cached(token) is None
        local.vanish()
        with pytest.raises(IssuerUnavailable):
            await stage.issuers.refresh("corp")
        (status,) = stage.issuers.list()
        assert (status.keys, len(status.problems)) == (["second"], 1)
        with pytest.raises(NotFound):
            await stage.issuers.refresh("other")

    with LocalIssuer() as local:
        play(scene, rules(local))


def test_a_tenant_sees_its_own_issuers_alone() -> None:
    """The others, and those whose tokens name tenants themselves, are not there."""

    async def scene(stage: Stage) -> None:
        assert [each.name for each in stage.issuers.list()] == ["mine", "any"]
        assert [each.name for each in stage.issuers.list("acme")] == ["mine"]
        assert stage.issuers.list("other") == []
        for tenant, name in (("other", "mine"), ("acme", "any")):
            with pytest.raises(NotFound):
                await stage.issuers.refresh(name, tenant)

    with LocalIssuer() as local:
        mine = rules(local, name="mine", tenant="acme")
        play(scene, mine, rules(local, name="any", issuer="https://b", tenant=None, tenant_claim="t"))


def test_keys_of_a_file_need_no_issuer(tmp_path: Path) -> None:
    """Nothing is asked for; a changed file is read when it is refreshed."""
    file = tmp_path / "keys.json"

    async def scene(stage: Stage) -> None:
        file.write_text(json.dumps({"keys": [local.keys[0].jwk]}), encoding="utf-8")
        assert await outcome(stage, local.token(stage.now_s)) == 200
        file.write_text(json.dumps({"keys": [local.rotate("second").jwk]}), encoding="utf-8")
        assert (await stage.issuers.refresh("corp")).keys == ["second"]
        file.unlink()
        with pytest.raises(IssuerUnavailable):
            await stage.issuers.refresh("corp")
        assert await outcome(stage, local.token(stage.now_s)) == 200

    with LocalIssuer() as local:
        play(scene, rules(local, jwks_file=file))
        assert local.asked == []


GOOD = SigningKey("good", "RS256")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"use": "enc"}, None),
        ({"alg": "RS512"}, None),
        ({"alg": 7}, None),
        ({"key_ops": ["sign"]}, None),
        ({"key_ops": "verify"}, None),
        ({"kty": "oct", "k": "c2VjcmV0"}, None),
        ({"kty": "EC"}, None),
        ({"kid": None}, "has no id"),
        ({"kid": ""}, "has no id"),
        ({"kid": "good"}, "has the id of another key"),
        ({"d": "AQAB"}, "is a private one: its issuer has given it away"),
        ({"n": "!"}, "cannot be read"),
        ({"n": 7}, "cannot be read"),
        ({"e": None}, "cannot be read"),
        ({"e": "AA"}, "cannot be read"),
        ({**SigningKey("x", "RS256", bits=1024).jwk, "kid": "small"}, "has 1024 bits, not 2048 to 8192"),
    ],
)
def test_keys_that_are_not_meant_for_this_are_not_taken(changed: dict[str, Any], problem: str | None) -> None:
    """They are passed over, with a word where something is wrong; good ones beside them work."""
    other = {**SigningKey("bad", "RS256").jwk, **changed}
    third = SigningKey("third", "RS256").jwk
    read = read_key_set(json.dumps({"keys": [other, GOOD.jwk, third]}).encode(), "RS256")
    named_twice = other["kid"] == "good"
    assert set(read.keys) == ({"third"} if named_twice else {"good", "third"})
    expected = [f"key 0 {problem}"] if problem else []
    assert list(read.problems) == [*expected, *(["key 1 has the id of another key"] if named_twice else [])]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b'{"keys": []}',
        b"\xff",
        b"[" * 5000,
        json.dumps({"keys": [{"kid": str(n)} for n in range(KEYS_MAX + 1)]}).encode(),
        json.dumps({"keys": [GOOD.jwk]}).encode() + b" " * 65_536,
        json.dumps({"keys": [SigningKey("a", "ES256").jwk]}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    """As a whole: keys that are here stay."""
    with pytest.raises(BadKeySet):
        read_key_set(body, "RS256")


@pytest.mark.parametrize(
    "url", ["http://example.com/keys", "ftp://127.0.0.1/keys", "file:///etc/passwd", "x"]
)
def test_documents_are_fetched_over_tls_alone(url: str) -> None:
    """What an issuer says of where its keys are is not followed anywhere else."""

    async def scene(stage: Stage) -> None:
        with pytest.raises(GatewayError, match="over https"):
            await documents.fetch_document(stage.upstream, url)

    play(scene)


def test_wrong_tokens_take_no_memory() -> None:
    """Whoever makes them up fills nothing."""

    async def scene(stage: Stage) -> None:
        for _ in range(3):
            with pytest.raises(InvalidApiKey):
                await stage.issuers.authenticate(local.token(stage.now_s)[:-2] + "AA")
        assert len(stage.issuers._good) == 0

    with LocalIssuer() as local:
        play(scene, rules(local))
