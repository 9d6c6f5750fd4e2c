"""Keys are changed and what is done to them is kept, on a real store."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from llmgw.policy.key_watch import KeyWatch
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import KeyChange, Terms
from llmgw.state.connection import State
from llmgw.types.errors import InternalError, InvalidApiKey, InvalidRequest, KeyConflict, NotFound
from llmgw.types.secret import Secret
from redis import Redis
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

PEPPER = Secret("pepper" * 8)
DAY_MS = 86_400_000


def with_keyrings(url: str, use: Callable[[Keyring, Keyring, ManualClock], Awaitable[None]]) -> None:
    """Two workers' key rings with one clock."""

    async def run() -> None:
        clock = ManualClock()
        async with (
            aclosing(State(url, timeout_s=ROOMY_S)) as one,
            aclosing(State(url, timeout_s=ROOMY_S)) as two,
        ):
            await use(Keyring(one, PEPPER, clock=clock), Keyring(two, PEPPER, clock=clock), clock)

    asyncio.run(run())


def now_ms(clock: ManualClock) -> int:
    """Unix ms."""
    return clock.unix_ns() // 1_000_000


def test_a_key_is_changed_and_heard_of(store_url: str) -> None:
    """Only what is given changes; a worker that knows the key knows what it has become once it has looked."""

    async def use(keyring: Keyring, other: Keyring, clock: ManualClock) -> None:
        watch = KeyWatch(other.store._state, other)
        made = await keyring.create("app", "caller", Terms(team="red", tags=("a",), note="n"))
        token = made.token.reveal()
        await watch.look()
        assert (await other.authenticate(token)).team == "red"
        end = now_ms(clock) + DAY_MS
        await keyring.change(made.id, KeyChange(team="blue", expires_ms=end))
        await watch.look()
        assert other.cached(token) is None
        caller = await other.authenticate(token)
        assert (caller.team, caller.tags) == ("blue", ("a",))
        await keyring.change(made.id, KeyChange(team="", tags=("x", "y"), note="", expires_ms=None))
        record = await keyring.find(made.id)
        assert (record.team, record.tags, record.note, record.expires_ms) == ("", ("x", "y"), "", None)
        await keyring.change(made.id, KeyChange(tags=(), expires_ms=end))
        assert (await keyring.find(made.id)).tags == ()
        clock.advance(DAY_MS / 1000)
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(token)

    with_keyrings(store_url, use)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        (KeyChange(), None),
        (KeyChange(team="No Team"), "team"),
        (KeyChange(tags=("",)), "tags"),
        (KeyChange(tags=("a",) * 17), "tags"),
        (KeyChange(note="\n"), "note"),
        (KeyChange(expires_ms=1), "expires_ms"),
    ],
)
def test_changes_that_cannot_be_meant_leave_nothing(
    store_url: str, change: KeyChange, param: str | None
) -> None:
    """They are refused, the key stays as it is, and no event says otherwise."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("app", "caller")
        before = await keyring.find(made.id)
        with pytest.raises(InvalidRequest) as refused:
            await keyring.change(made.id, change)
        assert refused.value.param == param
        assert await keyring.find(made.id) == before
        assert len((await keyring.audit.history(None)).events) == 1

    with_keyrings(store_url, use)


def test_keys_that_are_over_are_not_changed(store_url: str) -> None:
    """A revoked or expired key stays so, one that is not there is not made, and nothing is noted."""

    async def use(keyring: Keyring, _: Keyring, clock: ManualClock) -> None:
        revoked = await keyring.create("a", "caller")
        expired = await keyring.create("b", "caller", Terms(expires_ms=now_ms(clock) + 1))
        await keyring.revoke(revoked.id)
        clock.advance(1)
        noted = await keyring.audit.history(None)
        for key_id in (revoked.id, expired.id):
            with pytest.raises(KeyConflict, match=r"revoked|expired"):
                await keyring.change(key_id, KeyChange(expires_ms=now_ms(clock) + DAY_MS))
        for key_id in ("A" * len(revoked.id), "?"):
            with pytest.raises(NotFound):
                await keyring.change(key_id, KeyChange(team="red"))
        assert await keyring.audit.history(None) == noted

    with_keyrings(store_url, use)


def test_each_step_is_an_event(store_url: str) -> None:
    """Who made, changed, rotated and revoked a key, the newest first, in an intact chain, and no secret in it."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        first = await keyring.create_first_admin()
        assert first is not None
        made = await keyring.create("app", "caller", Terms(tenant="acme", allow=(), tags=("a",)), by="K1")
        await keyring.change(made.id, KeyChange(team="red", expires_ms=None), by="K2")
        await keyring.allow(made.id, ("fast",), by="K3")
        rotated = await keyring.rotate(made.id, 0, by="K4")
        await keyring.revoke(made.id, by="K5")
        found = await keyring.audit.history(None)
        assert found.intact
        assert [(each.op, each.who, each.set) for each in found.events] == [
            ("revoke", "K5", {}),
            ("rotate", "K4", {"overlap_ms": 0}),
            ("allow", "K3", {"allow": ["fast"]}),
            ("change", "K2", {"team": "red", "expires_ms": None}),
            ("create", "K1", {"name": "app", "role": "caller", "tenant": "acme", "tags": ["a"], "allow": []}),
            ("create", "gateway", {"name": "first admin", "role": "admin", "tenant": "default"}),
        ]
        assert {each.key_id for each in (await keyring.audit.history("acme")).events} == {made.id}
        with Redis.from_url(store_url) as client:
            written = b"".join(client.lrange("llmgw:{keys}:audit", 0, -1))
        for key in (first, made, rotated):
            assert key.token.reveal().encode() not in written

    with_keyrings(store_url, use)


def test_a_chain_that_was_altered_says_so(store_url: str) -> None:
    """An event taken away, put in, or changed is told of."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        for name in "abc":
            await keyring.create(name, "caller")
        with Redis.from_url(store_url) as client:
            first, second, third = client.lrange("llmgw:{keys}:audit", 0, -1)
            for altered in (
                [first, third],
                [first, second],
                [first, second.replace(b'"b"', b'"x"'), third],
                [b"{"],
            ):
                client.delete("llmgw:{keys}:audit")
                client.rpush("llmgw:{keys}:audit", *altered)
                assert not (await keyring.audit.history(None)).intact
            client.delete("llmgw:{keys}:audit")
            client.rpush("llmgw:{keys}:audit", first, second, third)
            assert (await keyring.audit.history(None)).intact

    with_keyrings(store_url, use)


def test_steps_at_once_are_all_kept(store_url: str) -> None:
    """Two workers make eight keys at once: eight events in one chain."""

    async def use(keyring: Keyring, other: Keyring, _: ManualClock) -> None:
        await asyncio.gather(*((keyring, other)[i % 2].create(f"k{i}", "caller") for i in range(8)))
        found = await keyring.audit.history(None)
        assert found.intact
        assert sorted(each.set["name"] for each in found.events) == [f"k{i}" for i in range(8)]

    with_keyrings(store_url, use)


def test_no_key_without_an_event(store_url: str) -> None:
    """While events cannot be written no key is made or changed; one is revoked all the same, and that is told."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("app", "caller")
        before = await keyring.list()
        with Redis.from_url(store_url) as client:
            client.delete("llmgw:{keys}:tail")
        for step in (
            keyring.create("other", "caller"),
            keyring.change(made.id, KeyChange(team="red")),
            keyring.allow(made.id, ()),
            keyring.rotate(made.id, 0),
        ):
            with pytest.raises(InternalError, match="the audit of keys is damaged"):
                await step
        assert await keyring.list() == before
        with pytest.raises(InternalError):
            await keyring.revoke(made.id)
        with pytest.raises(InvalidApiKey):
            await keyring.authenticate(made.token.reveal())

    with_keyrings(store_url, use)


def test_a_revocation_is_noted_once_it_can_be(store_url: str) -> None:
    """A key that was revoked without its event gets it when it is revoked again."""

    async def use(keyring: Keyring, _: Keyring, __: ManualClock) -> None:
        made = await keyring.create("app", "caller")
        with Redis.from_url(store_url) as client:
            tail = client.getdel("llmgw:{keys}:tail")
            with pytest.raises(InternalError):
                await keyring.revoke(made.id)
            client.set("llmgw:{keys}:tail", tail)
        assert await keyring.revoke(made.id)
        found = await keyring.audit.history(None)
        assert ([each.op for each in found.events], found.intact) == (["revoke", "create"], True)

    with_keyrings(store_url, use)
