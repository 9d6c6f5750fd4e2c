"""What a key comes with, how its secret is replaced, and how other workers hear of it, on a real store."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from llmgw.policy.key_store import GENERATION
from llmgw.policy.key_watch import KeyWatch
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import OVERLAP_MAX_MS, Terms
from llmgw.state.connection import State
from llmgw.types.allowance import ENTRIES_MAX, Allowance
from llmgw.types.errors import InvalidApiKey, InvalidRequest, KeyConflict, NotFound
from llmgw.types.secret import Secret
from redis import Redis
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

PEPPER = Secret("pepper" * 8)
HOUR_MS = 3_600_000

FOLLOW = """
import asyncio, sys
from contextlib import aclosing
from llmgw.policy.key_watch import KeyWatch
from llmgw.policy.keyring import Keyring
from llmgw.state.connection import State
from llmgw.types.errors import InvalidApiKey
from llmgw.types.secret import Secret

class Still:
    def monotonic_ns(self): return 1_000_000_000
    def unix_ns(self): return 1_767_225_600_000_000_000

async def follow():
    async with aclosing(State(sys.argv[1], timeout_s=5)) as state:
        keyring = Keyring(state, Secret("pepper" * 8), clock=Still())
        watch = KeyWatch(state, keyring)
        watch.start()
        token = sys.argv[2]
        while keyring.cached(token) is None:
            await keyring.authenticate(token)
            await asyncio.sleep(0.01)
        print("knows it", flush=True)
        while keyring.cached(token) is not None:
            await asyncio.sleep(0.01)
        try:
            await keyring.authenticate(token)
        except InvalidApiKey:
            print("refuses it", flush=True)
        await watch.aclose()

asyncio.run(follow())
"""


def with_keyrings(url: str, use: Callable[[Keyring, Keyring, ManualClock], Awaitable[None]]) -> None:
    """Run a test's steps with two workers' key rings."""

    async def run() -> None:
        clock = ManualClock()
        async with (
            aclosing(State(url, clock=clock, timeout_s=ROOMY_S)) as one,
            aclosing(State(url, clock=clock, timeout_s=ROOMY_S)) as two,
        ):
            await use(Keyring(one, PEPPER, clock=clock), Keyring(two, PEPPER, clock=clock), clock)

    asyncio.run(run())


async def refuses(keyring: Keyring, token: str) -> bool:
    """Whether a secret opens nothing."""
    try:
        await keyring.authenticate(token)
    except InvalidApiKey:
        return True
    return False


def test_what_a_key_comes_with_is_kept(store_url: str) -> None:
    """All terms come back in the list, and those that matter to calls with the caller."""

    async def use(keyring: Keyring, other: Keyring, clock: ManualClock) -> None:
        terms = Terms(
            tenant="acme",
            team="search",
            tags=("cost:a", "b c"),
            allow=("fast", "openai/*", "fast"),
            note="for Ann",
            expires_ms=clock.unix_ns() // 1_000_000 + HOUR_MS,
        )
        made = await keyring.create("app", "caller", terms)
        record = await other.find(made.id)
        assert (record.tenant, record.team, record.tags, record.note, record.expires_ms) == (
            "acme", "search", ("cost:a", "b c"), "for Ann", terms.expires_ms,
        )  # fmt: skip
        assert record.allow == ("fast", "openai/*")
        caller = await other.authenticate(made.token.reveal())
        assert (caller.team, caller.tags) == ("search", ("cost:a", "b c"))
        assert caller.allowed == Allowance(("fast", "openai/*"))
        plain = await keyring.create("plain", "caller")
        none = await keyring.create("none", "caller", Terms(allow=()))
        assert (await other.authenticate(plain.token.reveal())).allowed is None
        assert (await other.authenticate(none.token.reveal())).allowed == Allowance(())

    with_keyrings(store_url, use)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        (Terms(team="A"), "team"),
        (Terms(tags=("",)), "tags"),
        (Terms(tags=("a\nb",)), "tags"),
        (Terms(tags=("x",) * 17), "tags"),
        (Terms(note="x" * 1025), "note"),
        (Terms(note="\x1b[31m"), "note"),
        (Terms(allow=("",)), "allow"),
        (Terms(allow=("a b",)), "allow"),
        (Terms(allow=("a\nb",)), "allow"),
        (Terms(allow=("\u202e",)), "allow"),
        (Terms(allow=("x" * 257,)), "allow"),
        (Terms(allow=tuple(map(str, range(ENTRIES_MAX + 1)))), "allow"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(store_url: str, terms: Terms, param: str) -> None:
    """The member is named, and no key is made."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await keyring.create("a", "caller", terms)
        assert refused.value.param == param
        assert await keyring.list() == []

    with_keyrings(store_url, use)


def test_an_old_secret_lives_until_its_overlap_ends(store_url: str) -> None:
    """Both secrets are the same key's; then the old one alone is refused, remembered or not."""

    async def use(keyring: Keyring, other: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "operator", Terms(allow=("fast",)))
        old = made.token.reveal()
        rotated = await keyring.rotate(made.id, HOUR_MS)
        new = rotated.token.reveal()
        assert rotated.id == made.id
        assert new != old
        assert await other.authenticate(old) == await other.authenticate(new)
        assert len((await keyring.find(made.id)).previous_until_ms) == 1
        clock.advance(3599)
        await other.authenticate(old)
        assert other.cached(old) is not None
        clock.advance(1)
        assert other.cached(old) is None
        assert await refuses(other, old)
        assert not await refuses(other, new)
        assert (await keyring.find(made.id)).previous_until_ms == ()

    with_keyrings(store_url, use)


def test_a_lost_answer_costs_no_secret_in_use(store_url: str) -> None:
    """Rotated again and again, each secret keeps its end; a fifth is refused, no overlap ends all."""

    async def use(keyring: Keyring, _: Keyring, clock: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        rotated = [await keyring.rotate(made.id, hours * HOUR_MS) for hours in (4, 3, 2, 1)]
        tokens = [each.token.reveal() for each in (made, *rotated)]
        with pytest.raises(KeyConflict):
            await keyring.rotate(made.id, HOUR_MS)
        assert [await refuses(keyring, each) for each in tokens] == [False] * 5
        clock.advance(3600)
        assert [await refuses(keyring, each) for each in tokens] == [False, False, False, True, False]
        last = (await keyring.rotate(made.id, 0)).token.reveal()
        assert [await refuses(keyring, each) for each in (*tokens, last)] == [True] * 5 + [False]

    with_keyrings(store_url, use)


def test_what_cannot_be_rotated_is_not(store_url: str) -> None:
    """Keys that are not there, revoked or over, and overlaps without bounds."""

    async def use(keyring: Keyring, _: Keyring, clock: ManualClock) -> None:
        for key_id in ("", "bootstrap", "A" * 12, "{x}"):
            with pytest.raises(NotFound):
                await keyring.rotate(key_id, 0)
        over = await keyring.create("a", "caller", Terms(expires_ms=clock.unix_ns() // 1_000_000 + 1000))
        for overlap_ms in (-1, OVERLAP_MAX_MS + 1):
            with pytest.raises(InvalidRequest):
                await keyring.rotate(over.id, overlap_ms)
        clock.advance(2)
        with pytest.raises(KeyConflict, match="expired"):
            await keyring.rotate(over.id, 0)
        revoked = await keyring.create("a", "caller")
        await keyring.rotate(revoked.id, HOUR_MS)
        await keyring.revoke(revoked.id)
        assert await refuses(keyring, revoked.token.reveal())
        with pytest.raises(KeyConflict, match="revoked"):
            await keyring.rotate(revoked.id, 0)

    with_keyrings(store_url, use)


def test_no_secret_of_a_rotation_is_stored(store_url: str) -> None:
    """The store holds no part of the new one either."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        secret = (await keyring.rotate(made.id, HOUR_MS)).token.reveal().rpartition("_")[2].encode()
        with Redis.from_url(store_url) as client:
            for key in client.scan_iter():
                assert secret[:8] not in (client.dump(key) or b"") + key

    with_keyrings(store_url, use)


def test_two_worker_processes_hear_of_a_revocation(store_url: str) -> None:
    """Their clocks stand still, so it is not age that makes them ask."""

    async def made() -> tuple[str, str]:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            key = await Keyring(state, PEPPER).create("a", "caller")
            return key.id, key.token.reveal()

    async def revoke(key_id: str) -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            assert await Keyring(state, PEPPER).revoke(key_id)

    key_id, token = asyncio.run(made())
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", FOLLOW, store_url, token], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"knows it\n"
        asyncio.run(revoke(key_id))
        for worker in workers:
            out, err = worker.communicate(timeout=60)
            assert (out, err) == (b"refuses it\n", b"")
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_a_notice_or_the_count_alone_is_enough(store_url: str) -> None:
    """What is heard ends the key at once; what was missed shows at the next look, and other keys stay good."""

    async def use(keyring: Keyring, other: Keyring, _: ManualClock) -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            watch = KeyWatch(state, other)
            await watch.look()
            for hear in (True, False):
                made, kept = await keyring.create("a", "caller"), await keyring.create("b", "caller")
                for each in (made, kept):
                    await other.authenticate(each.token.reveal())
                await keyring.revoke(made.id)
                if hear:
                    generation = await keyring.store.generation()
                    watch.hear(f"{generation} {made.id}".encode())
                    assert other.cached(kept.token.reveal()) is not None
                else:
                    assert other.cached(made.token.reveal()) is not None
                    await watch.look()
                assert other.cached(made.token.reveal()) is None
                assert await refuses(other, made.token.reveal())
                assert not await refuses(other, kept.token.reveal())

    with_keyrings(store_url, use)


def test_a_check_that_was_overtaken_is_not_remembered(store_url: str) -> None:
    """A check that began before a change answers who waits for it, and the next call asks again."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        token = made.token.reveal()
        checking = asyncio.ensure_future(keyring.authenticate(token))
        await asyncio.sleep(0)
        keyring.forget(made.id)
        assert (await checking).key_id == made.id
        assert keyring.cached(token) is None
        assert (await keyring.authenticate(token)).key_id == made.id
        assert keyring.cached(token) is not None

    with_keyrings(store_url, use)


def test_garbled_notices_change_nothing_for_the_worse(store_url: str) -> None:
    """Whatever is published on the channel, good keys stay good."""

    async def use(keyring: Keyring, other: Keyring, _: ManualClock) -> None:
        token = (await keyring.create("a", "caller")).token.reveal()
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            watch = KeyWatch(state, other)
            for notice in (b"", b"\xff\xfe", b"x y", b"1", b"1 " + b"z" * 10_000):
                watch.hear(notice)
                assert not await refuses(other, token)
            with Redis.from_url(store_url) as client:
                client.set(GENERATION, 41)
            await watch.look()
            assert not await refuses(other, token)

    with_keyrings(store_url, use)


def test_a_list_is_replaced_and_heard(store_url: str) -> None:
    """Wider, narrower, nothing and everything."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("a", "caller")
        for entries in (("fast",), ("fast", "api:x"), (), None):
            await keyring.allow(made.id, entries)
            assert (await keyring.find(made.id)).allow == entries
            allowed = (await keyring.authenticate(made.token.reveal())).allowed
            assert (None if allowed is None else allowed.entries) == entries
        with pytest.raises(NotFound):
            await keyring.allow("A" * 12, ())
        with pytest.raises(InvalidRequest):
            await keyring.allow(made.id, ("a b",))

    with_keyrings(store_url, use)
