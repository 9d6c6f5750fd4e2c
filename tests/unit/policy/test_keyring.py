"""The key ring, on a real store: who gets in, who does not, and what the store's absence changes."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.policy import keyformat
from llmgw.policy.key_store import INDEX
from llmgw.policy.keyring import CACHE_SIZE, FRESH_S, Keyring
from llmgw.policy.keys import Terms
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidApiKey, InvalidRequest, StoreUnavailable
from llmgw.types.secret import Secret
from redis import Redis
from tests.manual_clock import ManualClock
from tests.valkey_servers import Server, running
from tests.waiting import ROOMY_S

PEPPER = Secret("pepper" * 8)
BOOTSTRAP = Secret("an operator's own admin key")

MINT = """
import asyncio, sys
from contextlib import aclosing
from llmgw.policy.keyring import Keyring
from llmgw.state.connection import State
from llmgw.types.secret import Secret

async def mint():
    async with aclosing(State(sys.argv[1], timeout_s=5)) as state:
        await state.connect()
        print("ready", flush=True)
        sys.stdin.readline()
        keys = await asyncio.gather(*(Keyring(state, Secret("pepper" * 8)).create_first_admin() for _ in range(4)))
        print(*(key.id for key in keys if key is not None))

asyncio.run(mint())
"""


def with_keyring(
    url: str, use: Callable[[Keyring, ManualClock], Awaitable[None]], *, stale_auth_s: float = 300.0
) -> None:
    """Run a test's steps with a key ring on the store at `url`."""

    async def run() -> None:
        clock = ManualClock()
        async with aclosing(State(url, clock=clock, timeout_s=ROOMY_S)) as state:
            await use(
                Keyring(state, PEPPER, bootstrap=BOOTSTRAP, stale_auth_s=stale_auth_s, clock=clock), clock
            )

    asyncio.run(run())


def test_a_made_key_opens_the_door(store_url: str) -> None:
    """The holder's id, name and role come back, and the second time without asking the store."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create("billing job", "viewer")
        token = made.token.reveal()
        expected = Caller(key_id=made.id, name="billing job", role="viewer")
        assert keyring.cached(token) is None
        assert await keyring.authenticate(token) == expected
        assert keyring.cached(token) == expected

    with_keyring(store_url, use)


def test_a_key_is_its_tenants(store_url: str) -> None:
    """The holder belongs to the tenant its key was made for; a key made before tenants, to the default one."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        theirs = await keyring.create("app", "caller", Terms(tenant="acme"))
        nobodys = await keyring.create("app", "caller")
        with Redis.from_url(store_url) as client:
            client.hdel(f"llmgw:key:{{{nobodys.id}}}", "tenant")
        assert (await keyring.authenticate(theirs.token.reveal())).tenant == "acme"
        assert (await keyring.authenticate(nobodys.token.reveal())).tenant == "default"
        assert {record.tenant for record in await keyring.list()} == {"acme", "default"}
        for name in ("", "Acme", "a/b", "-a", "a" * 64, "ä", "a{b}"):
            with pytest.raises(InvalidRequest, match="tenant"):
                await keyring.create("app", "caller", Terms(tenant=name))

    with_keyring(store_url, use)


def test_the_store_never_sees_a_secret(store_url: str) -> None:
    """No value and no key name in the store holds any part of the token's secret."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        secret = made.token.reveal().rpartition("_")[2].encode()
        with Redis.from_url(store_url) as client:
            for key in client.scan_iter():
                assert secret[:8] not in (client.dump(key) or b"") + key

    with_keyring(store_url, use)


@pytest.mark.parametrize("token", ["", "sk-123", "llmgw_live_x", "\ud800", "\x00", "x" * 100_000, "Ключ"])
def test_what_is_no_key_is_refused_without_asking(tmp_path: Path, token: str) -> None:
    """Text of another form is a 401 even while the store is away."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        assert keyring.cached(token) is None
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(token)

    with_keyring(f"unix://{tmp_path}/nobody.sock", use)


def test_a_key_nobody_issued_is_refused(store_url: str) -> None:
    """A well-formed key with an unknown id is a 401."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(keyformat.draw().token)

    with_keyring(store_url, use)


def test_a_known_id_with_another_secret_is_refused(store_url: str) -> None:
    """The id alone opens nothing, not even right after the real key was used."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create("a", "admin")
        await keyring.authenticate(made.token.reveal())
        body = f"llmgw_live_{made.id}_{'A' * 43}"
        forged = body + keyformat.checksum(body)
        assert keyring.cached(forged) is None
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(forged)

    with_keyring(store_url, use)


def test_another_pepper_makes_a_key_unknown(store_url: str) -> None:
    """A digest made with one pepper is of no use with another."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            with pytest.raises(InvalidApiKey):
                await Keyring(state, Secret("salt" * 12)).authenticate(made.token.reveal())

    with_keyring(store_url, use)


def test_a_revoked_key_ends_here_at_once_and_elsewhere_within_seconds(store_url: str) -> None:
    """The revoking worker forgets the key; another one asks again when its memory is no longer fresh."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        token = made.token.reveal()
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            elsewhere = Keyring(state, PEPPER, clock=clock)
            await keyring.authenticate(token)
            await elsewhere.authenticate(token)
            assert await keyring.revoke(made.id) is True
            assert keyring.cached(token) is None
            with pytest.raises(InvalidApiKey):
                await keyring.authenticate(token)
            clock.advance(FRESH_S + 0.1)
            assert elsewhere.cached(token) is None
            with pytest.raises(InvalidApiKey):
                await elsewhere.authenticate(token)

    with_keyring(store_url, use)


def _lookups(store_url: str) -> int:
    with Redis.from_url(store_url) as redis:
        return int(redis.info("commandstats").get("cmdstat_hmget", {}).get("calls", 0))


def test_calls_that_wait_for_one_key_share_its_check(store_url: str) -> None:
    """Sixty calls at once with a key not seen before ask the store once."""

    async def use(keyring: Keyring, _clock: ManualClock) -> None:
        token = (await keyring.create("a", "caller")).token.reveal()
        before = _lookups(store_url)
        callers = await asyncio.gather(*(keyring.authenticate(token) for _ in range(60)))
        assert {caller.name for caller in callers} == {"a"}
        assert _lookups(store_url) - before == 1

    with_keyring(store_url, use)


def test_a_caller_that_leaves_does_not_end_the_check_for_others(store_url: str) -> None:
    """Cancelling one of two waiting calls leaves the other its answer."""

    async def use(keyring: Keyring, _clock: ManualClock) -> None:
        token = (await keyring.create("a", "caller")).token.reveal()
        leaving, staying = (asyncio.ensure_future(keyring.authenticate(token)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).name == "a"
        assert leaving.cancelled()

    with_keyring(store_url, use)


def test_a_key_in_use_is_checked_again_behind_its_calls(store_url: str) -> None:
    """Past half its freshness a key still answers at once, and is fresh again a moment later."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        token = (await keyring.create("a", "caller")).token.reveal()
        await keyring.authenticate(token)
        clock.advance(FRESH_S * 0.75)
        before = _lookups(store_url)
        assert keyring.cached(token) is not None
        assert keyring.cached(token) is not None
        assert (await keyring.authenticate(token)).name == "a"
        assert _lookups(store_url) - before == 1
        clock.advance(FRESH_S * 0.75)
        assert keyring.cached(token) is not None

    with_keyring(store_url, use)


def test_revoking_twice_keeps_the_first_time(store_url: str) -> None:
    """A revoked key stays revoked since when it was."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        assert await keyring.revoke(made.id) is True
        (first,) = await keyring.list()
        clock.advance(60)
        assert await keyring.revoke(made.id) is True
        assert await keyring.list() == [first]

    with_keyring(store_url, use)


@pytest.mark.parametrize("key_id", ["", "A" * 12, "../../x", "{a}", "A" * 11 + "\n"])
def test_revoking_what_is_not_there_is_false(store_url: str, key_id: str) -> None:
    """An unknown or malformed id revokes nothing and makes nothing."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        assert await keyring.revoke(key_id) is False
        with Redis.from_url(store_url) as client:
            assert client.dbsize() == 0

    with_keyring(store_url, use)


def test_a_key_ends_when_it_expires(store_url: str) -> None:
    """From its last millisecond on, neither memory nor store lets it in."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "caller", Terms(expires_ms=clock.unix_ns() // 1_000_000 + 2000))
        token = made.token.reveal()
        clock.advance(1.9)
        await keyring.authenticate(token)
        clock.advance(0.1)
        assert keyring.cached(token) is None
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(token)

    with_keyring(store_url, use)


@pytest.mark.parametrize(
    ("name", "role", "expires_at_ms", "param"),
    [
        ("", "caller", None, "name"),
        ("x" * 129, "caller", None, "name"),
        ("a\nb", "caller", None, "name"),
        ("a\x1b[31m", "caller", None, "name"),
        ("\u202ea", "caller", None, "name"),
        ("a", "root", None, "role"),
        ("a", "caller", 1, "expires_ms"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    store_url: str, name: str, role: str, expires_at_ms: int | None, param: str
) -> None:
    """Names that could forge a log line, unknown roles and past expiries make no key."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await keyring.create(name, role, Terms(expires_ms=expires_at_ms))  # type: ignore[arg-type]
        assert refused.value.param == param
        assert await keyring.list() == []

    with_keyring(store_url, use)


def test_keys_are_listed_oldest_first_and_without_secrets(store_url: str) -> None:
    """The list shows what was asked for, when, and no digest."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        now_ms = clock.unix_ns() // 1_000_000
        one = await keyring.create("one", "admin")
        clock.advance(1)
        two = await keyring.create("two", "caller", Terms(expires_ms=now_ms + 10_000))
        await keyring.revoke(one.id)
        first, second = await keyring.list()
        assert (first.id, first.name, first.created_ms, first.revoked_ms) == (
            one.id,
            "one",
            now_ms,
            now_ms + 1000,
        )
        assert (second.id, second.role, second.expires_ms) == (two.id, "caller", now_ms + 10_000)

    with_keyring(store_url, use)


def test_a_known_key_outlives_the_stores_absence_for_a_while(state_dir: Path) -> None:
    """The store away: a key seen before is let in for `stale_auth_s`, then it is a 503 and never a 401."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        token = made.token.reveal()
        caller = await keyring.authenticate(token)
        server.stop()
        clock.advance(FRESH_S + 0.1)
        assert keyring.cached(token) is None
        assert await keyring.authenticate(token) == caller
        clock.advance(300 - FRESH_S - 0.1)
        assert await keyring.authenticate(token) == caller
        clock.advance(0.1)
        with pytest.raises(StoreUnavailable):
            await keyring.authenticate(token)

    with EmbeddedValkey(state_dir) as server:
        with_keyring(server.url, use)


def test_stale_keys_can_be_switched_off(state_dir: Path) -> None:
    """With `stale_auth_s` 0 a key no longer fresh is a 503 as soon as the store is away."""

    async def use(keyring: Keyring, clock: ManualClock) -> None:
        token = (await keyring.create("a", "caller")).token.reveal()
        await keyring.authenticate(token)
        server.stop()
        clock.advance(FRESH_S + 0.1)
        with pytest.raises(StoreUnavailable):
            await keyring.authenticate(token)

    with EmbeddedValkey(state_dir) as server:
        with_keyring(server.url, use, stale_auth_s=0.0)


def test_an_unknown_key_without_a_store_is_unavailable(tmp_path: Path) -> None:
    """A key that cannot be checked is the gateway's trouble, not the caller's: 503, never 401."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        with pytest.raises(StoreUnavailable):
            await keyring.authenticate(keyformat.draw().token)

    with_keyring(f"unix://{tmp_path}/nobody.sock", use)


def test_the_bootstrap_key_needs_no_store(tmp_path: Path) -> None:
    """The operator's own key is an admin's at all times; one like it is not."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        caller = await keyring.authenticate(BOOTSTRAP.reveal())
        assert (caller.key_id, caller.role) == ("bootstrap", "admin")
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(BOOTSTRAP.reveal() + "x")

    with_keyring(f"unix://{tmp_path}/nobody.sock", use)


@pytest.mark.parametrize(("pepper", "bootstrap"), [("", None), ("p" * 32, "short"), ("p" * 32, "x" * 513)])
def test_weak_secrets_refuse_to_work(pepper: str, bootstrap: str | None) -> None:
    """An empty pepper or a guessable admin key is an error before the first request."""
    with pytest.raises(ValueError, match=r"pepper is empty|bootstrap admin key"):
        Keyring(
            State("unix:///nowhere", timeout_s=ROOMY_S),
            Secret(pepper),
            bootstrap=None if bootstrap is None else Secret(bootstrap),
        )


def test_the_memory_is_bounded(store_url: str) -> None:
    """However many keys are used, the oldest make room."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = [await keyring.create("a", "caller") for _ in range(3)]
        first = made[0].token.reveal()
        await keyring.authenticate(first)
        with Redis.from_url(store_url) as client:
            record = client.hgetall(f"llmgw:key:{{{made[0].id}}}")
            pipeline = client.pipeline()
            tokens = [keyformat.draw() for _ in range(CACHE_SIZE)]
            for token in tokens:
                digest = keyring._digest(token.token)
                pipeline.hset(f"llmgw:key:{{{token.id}}}", mapping={**record, b"digest": digest})
            pipeline.execute()
        # As many at once as there are connections: more would wait for one with the clock already running.
        for start in range(0, CACHE_SIZE, 50):
            await asyncio.gather(*(keyring.authenticate(token.token) for token in tokens[start : start + 50]))
        assert keyring.cached(first) is None
        assert keyring.cached(tokens[-1].token) is not None

    with_keyring(store_url, use)


def test_the_first_admin_key_is_made_once(store_url: str) -> None:
    """An empty store gives one admin's key; after that, or after any other key, none."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create_first_admin()
        assert made is not None
        assert (await keyring.authenticate(made.token.reveal())).role == "admin"
        assert await keyring.create_first_admin() is None

    with_keyring(store_url, use)


def test_no_first_admin_where_there_are_keys(store_url: str) -> None:
    """A store with any key is not empty, even when that key is revoked."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        await keyring.revoke(made.id)
        assert await keyring.create_first_admin() is None

    with_keyring(store_url, use)


def test_workers_that_start_together_make_one_first_admin(store_url: str) -> None:
    """Of four processes with four tries each exactly one mints, and the losers leave nothing behind."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MINT, store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    minted = [key_id for process in processes for key_id in process.communicate()[0].split()]
    assert len(minted) == 1
    with Redis.from_url(store_url) as client:
        assert client.smembers(INDEX) == {minted[0].encode()}
        assert client.keys("llmgw:key:*") == [f"llmgw:key:{{{minted[0]}}}".encode()]


def test_a_first_admin_whose_answer_was_lost_is_not(tmp_path: Path) -> None:
    """The claim was applied but its answer lost: asking again gives the same key instead of none."""

    async def use(keyring: Keyring, _: ManualClock) -> None:
        server.ask("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(StoreUnavailable):
            await keyring.create_first_admin()
        server.ask("CONFIG", "SET", "maxmemory", 0)
        drawn = keyring._first
        assert drawn is not None
        server.ask("SADD", INDEX, drawn.id)
        made = await keyring.create_first_admin()
        assert made is not None
        assert (made.id, made.token.reveal()) == (drawn.id, drawn.token)
        assert (await keyring.authenticate(drawn.token)).role == "admin"
        assert await keyring.create_first_admin() is None

    with running(server := Server(tmp_path / "full")):
        with_keyring(f"redis://127.0.0.1:{server.port}", use)
