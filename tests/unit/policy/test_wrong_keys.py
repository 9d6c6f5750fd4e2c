"""Whoever tries keys: told to stop by its address, for one digest per try, and without learning which ids exist."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from llmgw.http.auth import Authenticator
from llmgw.policy import key_changes, keyformat, keyring
from llmgw.policy.issuers import Issuers
from llmgw.policy.key_store import PREVIOUS_MAX, Stored
from llmgw.policy.keyring import Keyring
from llmgw.policy.wrong_keys import ADDRESSES_MAX, WrongKeys, network_of
from llmgw.state.connection import State
from llmgw.types.auth_errors import TooManyWrongKeys
from llmgw.types.errors import InvalidApiKey
from llmgw.types.secret import Secret
from redis import Redis
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

HERE = ("127.0.0.1", 4711)


def with_door(
    url: str, use: Callable[[Authenticator, Keyring, ManualClock], Awaitable[None]], per_minute: int = 20
) -> None:
    """Run a test's steps with a key ring on the store at `url`, behind a count of wrong keys."""

    async def run() -> None:
        clock = ManualClock()
        async with aclosing(State(url, clock=clock, timeout_s=ROOMY_S)) as state:
            keys = Keyring(state, Secret("p" * 32), clock=clock)
            await use(Authenticator(keys, wrong=WrongKeys(per_minute, clock)), keys, clock)

    asyncio.run(run())


async def answered(door: Authenticator, key: str, client: tuple[str, int] | None = HERE) -> int:
    """The status that a key is answered with; 200 where it is good."""
    try:
        await door.caller({b"authorization": b"Bearer " + key.encode()}, client)
    except (InvalidApiKey, TooManyWrongKeys) as error:
        return error.status
    return 200


def test_after_twenty_wrong_keys_an_address_is_told_to_stop(store_url: str) -> None:
    """401 twenty times, then 429 with the rest of the minute; good keys of it, and other addresses, go on."""

    async def use(door: Authenticator, keys: Keyring, clock: ManualClock) -> None:
        good = (await keys.create("app", "caller")).token.reveal()
        statuses = [await answered(door, keyformat.draw().token) for _ in range(15)]
        clock.advance(20)
        statuses += [await answered(door, key) for key in ("", "wrong", "", "a", "b", "c", "")]
        statuses += [await answered(door, keyformat.draw().token)]
        # Three had no key at all, which is nobody's try.
        assert statuses == [401] * 23
        with pytest.raises(TooManyWrongKeys) as stopped:
            await door.caller({b"x-api-key": b"wrong"}, HERE)
        assert (stopped.value.status, stopped.value.retry_after_s) == (429, 40)
        assert await answered(door, good) == 200
        assert await answered(door, "wrong", ("127.0.0.2", 1)) == 401
        assert await answered(door, "wrong", None) == 401
        clock.advance(40)
        assert [await answered(door, "wrong") for _ in range(21)] == [401] * 20 + [429]

    with_door(store_url, use)


def test_without_a_limit_nobody_is_told_to_stop(store_url: str) -> None:
    """0 counts nothing."""

    async def use(door: Authenticator, _keys: Keyring, _clock: ManualClock) -> None:
        assert {await answered(door, "wrong") for _ in range(100)} == {401}

    with_door(store_url, use, per_minute=0)


def test_a_try_costs_one_digest_and_writes_nothing(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand wrong keys with ten thousand ids: as many digests, no key in the store, nothing remembered."""
    digests = 0

    def counted(*given: Any) -> bytes:
        nonlocal digests
        digests += 1
        return hmac.digest(*given)

    async def use(door: Authenticator, keys: Keyring, _clock: ManualClock) -> None:
        monkeypatch.setattr(key_changes, "hmac", Watched(digest=counted))
        wrong = [keyformat.draw().token for _ in range(5_000)]
        shapeless = [f"sk-{number}" for number in range(5_000)]
        with Redis.from_url(store_url) as client:
            client.config_resetstat()
            statuses = [await answered(door, key) for key in wrong + shapeless]
            used = {name for name in client.info("commandstats") if name.startswith("cmdstat_")}
            assert client.dbsize() == 0
        assert statuses == [401] * 20 + [429] * 9_980
        assert digests == 10_000
        assert used <= {
            f"cmdstat_{name}" for name in ("hmget", "hello", "client|setinfo", "config|resetstat")
        }
        assert len(keys._known) == 0
        assert len(keys._checks) == 0

    with_door(store_url, use)


class Watched:
    """The module `hmac`, with other functions in the place of some."""

    def __init__(self, **functions: Any) -> None:
        self.digest = hmac.digest
        self.compare_digest = hmac.compare_digest
        for name, function in functions.items():
            setattr(self, name, function)


def test_a_wrong_secret_takes_the_way_of_an_unknown_id(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same steps in the same order and equally many comparisons, rotated keys included; the same words."""
    steps: list[str] = []

    def digest(*given: Any) -> bytes:
        steps.append("digest")
        return hmac.digest(*given)

    def compare(one: bytes, other: bytes) -> bool:
        steps.append(f"compare {len(one)} with {len(other)}")
        return hmac.compare_digest(one, other)

    async def use(door: Authenticator, keys: Keyring, _clock: ManualClock) -> None:
        plain, rotated = await keys.create("app", "caller"), await keys.create("app", "caller")
        for _ in range(PREVIOUS_MAX):
            await keys.rotate(rotated.id, 60_000)
        revoked = await keys.create("app", "caller")
        await keys.revoke(revoked.id)
        load = keys.store.load

        async def loaded(key_id: str) -> Stored | None:
            steps.append("load")
            return await load(key_id)

        monkeypatch.setattr(keys.store, "load", loaded)
        for module in (keyring, key_changes):
            monkeypatch.setattr(module, "hmac", Watched(digest=digest, compare_digest=compare))
        ways = []
        for wrong in (
            keyformat.draw().token,
            keyformat.draw(key_id=plain.id).token,
            keyformat.draw(key_id=rotated.id).token,
            keyformat.draw(key_id=revoked.id).token,
            revoked.token.reveal(),
        ):
            steps.clear()
            with pytest.raises(InvalidApiKey) as refused:
                await door.caller({b"authorization": b"Bearer " + wrong.encode()}, HERE)
            ways.append((str(refused.value), *steps))
        assert len(set(ways)) == 1
        assert ways[0][1:] == ("digest", "load", *["compare 32 with 32"] * (1 + PREVIOUS_MAX))

    with_door(store_url, use)


def test_the_operators_own_key_may_look_like_a_token(tmp_path: Path) -> None:
    """It opens, without the store and without an issuer, though it begins as tokens do and has three parts."""

    async def run() -> None:
        own = "e30.looks-like-a-token.but-is-not"
        clock = ManualClock()
        async with aclosing(State(f"unix://{tmp_path}/nobody.sock", clock=clock)) as state:
            keys = Keyring(state, Secret("p" * 32), bootstrap=Secret(own), clock=clock)
            door = Authenticator(keys, Issuers([], _nothing, clock), WrongKeys(20, clock))
            assert await answered(door, own) == 200
            assert await answered(door, f"{own}x") == 401

    asyncio.run(run())


async def _nothing(_url: str) -> bytes:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_an_address_is_its_holders(host: str, network: str) -> None:
    """Of IPv6 a holder has a /64; what is no address is one with all others that are none."""
    assert network_of(host) == network


def test_the_count_is_bounded() -> None:
    """Beyond ten thousand addresses the one that was wrong longest ago is forgotten."""
    clock = ManualClock()
    wrong = WrongKeys(1, clock)
    wrong.count("10.0.0.0")
    for number in range(1, ADDRESSES_MAX):
        wrong.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    with pytest.raises(TooManyWrongKeys):
        wrong.count("10.0.0.0")
    wrong.count("192.0.2.1")
    assert len(wrong._counts) == ADDRESSES_MAX
    wrong.count("10.0.0.1")
    with pytest.raises(TooManyWrongKeys):
        wrong.count("10.0.0.0")
