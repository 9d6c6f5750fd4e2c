"""Requests for access, on a real store: asked, decided, granted and kept in a chain."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from llmgw.policy.access import KEPT_MAX, PENDING_MAX, AccessDesk, Decider, Wish
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import Terms
from llmgw.state.connection import State
from llmgw.types.allowance import ENTRIES_MAX
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidRequest, KeyConflict, NotFound, PermissionDenied
from llmgw.types.secret import Secret
from redis import Redis
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

BOSS = Decider(key_id="boss")


class Office:
    """A desk, and keys with lists."""

    def __init__(self, state: State, clock: ManualClock) -> None:
        self.clock = clock
        self.keyring = Keyring(state, Secret("pepper" * 8), clock=clock)
        self.desk = AccessDesk(state, self.keyring, clock)

    async def caller(self, *allow: str, tenant: str = "default") -> Caller:
        """Make a key and return its holder."""
        made = await self.keyring.create("app", "caller", Terms(allow=allow, tenant=tenant))
        return await self.keyring.authenticate(made.token.reveal())

    async def allowed(self, caller: Caller) -> tuple[str, ...]:
        """What its key may call now."""
        return (await self.keyring.find(caller.key_id)).allow or ()

    async def asked(self, caller: Caller, name: str) -> str:
        """Ask for an alias; returns the request's id."""
        self.clock.advance(0.001)
        request, _ = await self.desk.ask(caller, Wish(alias=name))
        return request.id


def with_office(url: str, use: Callable[[Office], Awaitable[None]]) -> None:
    """Run a test's steps."""

    async def run() -> None:
        clock = ManualClock()
        async with aclosing(State(url, clock=clock, timeout_s=ROOMY_S)) as state:
            await use(Office(state, clock))

    asyncio.run(run())


def test_an_approved_request_widens_the_list(store_url: str) -> None:
    """Once, however often it is approved; the chain tells of each step."""

    async def use(office: Office) -> None:
        caller = await office.caller("fast")
        for wish, entry in (
            (Wish(alias="openai/gpt", reason="tests"), "openai/gpt"),
            (Wish(api="triage"), "api:triage"),
            (Wish(prompt="team/x"), "prompt:team/x"),
        ):
            request, new = await office.desk.ask(caller, wish)
            assert (new, request.state, request.wants) == (True, "pending", entry)
            assert await office.desk.ask(caller, wish) == (request, False)
            for _ in range(2):
                done = await office.desk.approve(request.id, BOSS, "fine")
                assert (done.state, done.decided_by, done.answer) == ("approved", "boss", "fine")
        assert await office.allowed(caller) == ("fast", "openai/gpt", "api:triage", "prompt:team/x")
        history = await office.desk.history(None)
        assert history.intact
        assert [each.op for each in history.events] == ["approve", "ask"] * 3
        assert {each.who for each in history.events} == {"boss", caller.key_id}

    with_office(store_url, use)


def test_a_denied_request_changes_nothing(store_url: str) -> None:
    """It stays denied; its caller may ask anew."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        first = await office.asked(caller, "fast")
        await office.desk.deny(first, BOSS, "no")
        await office.desk.deny(first, BOSS)
        with pytest.raises(KeyConflict):
            await office.desk.approve(first, BOSS)
        assert await office.allowed(caller) == ()
        second = await office.asked(caller, "fast")
        assert second != first
        await office.desk.approve(second, BOSS)
        with pytest.raises(KeyConflict):
            await office.desk.deny(second, BOSS)
        assert [each.state for each in await office.desk.of(caller.key_id)] == ["approved", "denied"]

    with_office(store_url, use)


def test_an_approval_that_broke_off_is_finished_by_another(store_url: str) -> None:
    """Approved but not granted, as when the process died between: approving again grants it."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        request = await office.asked(caller, "fast")
        await office.desk.approve(request, BOSS)
        await office.keyring.allow(caller.key_id, ())
        await office.desk.approve(request, BOSS)
        assert await office.allowed(caller) == ("fast",)
        assert len((await office.desk.history(None)).events) == 2

    with_office(store_url, use)


def test_requests_of_one_key_are_bounded(store_url: str) -> None:
    """Neither those that wait nor those that are kept grow without end; those that wait are never dropped."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        waiting = [await office.asked(caller, f"w{number}") for number in range(PENDING_MAX - 1)]
        for number in range(KEPT_MAX + 5):
            await office.desk.deny(await office.asked(caller, f"d{number}"), BOSS)
        kept = await office.desk.of(caller.key_id)
        assert len(kept) == KEPT_MAX
        assert set(waiting) <= {each.id for each in kept}
        assert kept == await office.desk.requests(None)
        await office.asked(caller, "last")
        with pytest.raises(KeyConflict):
            await office.asked(caller, "one-too-many")
        assert (await office.desk.history(None)).intact

    with_office(store_url, use)


def test_many_at_once_make_one_chain(store_url: str) -> None:
    """Writers who meet try again; no event is lost and none is there twice."""

    async def use(office: Office) -> None:
        callers = [await office.caller() for _ in range(6)]
        await asyncio.gather(*(office.asked(each, "fast") for each in callers))
        history = await office.desk.history(None)
        assert history.intact
        assert {each.key_id for each in history.events} == {each.key_id for each in callers}
        assert [each.seq for each in history.events] == [6, 5, 4, 3, 2, 1]

    with_office(store_url, use)


def test_one_request_decided_twice_at_once_is_decided_once(store_url: str) -> None:
    """Of an approval and a denial that meet, one is told that the other was there."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        request = await office.asked(caller, "fast")
        found = await asyncio.gather(
            office.desk.approve(request, BOSS), office.desk.deny(request, BOSS), return_exceptions=True
        )
        assert sum(isinstance(each, KeyConflict) for each in found) == 1
        (kept,) = await office.desk.of(caller.key_id)
        assert (await office.allowed(caller) == ("fast",)) == (kept.state == "approved")
        assert len((await office.desk.history(None)).events) == 2

    with_office(store_url, use)


@pytest.mark.parametrize("damage", ["changed", "dropped", "added"])
def test_a_changed_history_is_found(store_url: str, damage: str) -> None:
    """Whoever can write to the store cannot do it unseen."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        for name in ("a", "b", "c"):
            await office.asked(caller, name)
        with Redis.from_url(store_url) as client:
            audit = "llmgw:{access}:audit"
            match damage:
                case "changed":
                    event: bytes = client.lindex(audit, 1)
                    client.lset(audit, 1, event.replace(b'"b"', b'"x"'))
                case "dropped":
                    client.rpop(audit)
                case "added":
                    client.lpush(audit, b"{}")
        assert not (await office.desk.history(None)).intact

    with_office(store_url, use)


def test_who_decides_reaches_its_own_tenant_and_not_itself(store_url: str) -> None:
    """Another tenant's request is not there; one's own is for somebody else to decide."""

    async def use(office: Office) -> None:
        caller = await office.caller(tenant="acme")
        request = await office.asked(caller, "fast")
        for decide in (office.desk.approve, office.desk.deny):
            for missing in (request, "acr_0"):
                with pytest.raises(NotFound) as refused:
                    await decide(missing, Decider(key_id="op", tenant="other"))
                assert refused.value.message == "there is no such access request"
            with pytest.raises(PermissionDenied):
                await decide(request, Decider(key_id=caller.key_id, tenant="acme", own=False))
        assert await office.desk.requests("other") == []
        assert [each.id for each in await office.desk.requests("acme", "pending")] == [request]
        assert (await office.desk.history("other")).events == []

    with_office(store_url, use)


def test_what_needs_no_grant_or_can_have_none_is_refused(store_url: str) -> None:
    """Keys without lists, what is allowed already, revoked keys and full lists."""

    async def use(office: Office) -> None:
        caller = await office.caller("fast-*")
        with pytest.raises(KeyConflict, match="already"):
            await office.asked(caller, "fast-large")
        free = await office.keyring.create("free", "caller")
        with pytest.raises(KeyConflict, match="everything"):
            await office.asked(await office.keyring.authenticate(free.token.reveal()), "fast")
        full = await office.caller(*(f"a{number}" for number in range(ENTRIES_MAX)))
        request = await office.asked(full, "fast")
        with pytest.raises(KeyConflict, match="full"):
            await office.desk.approve(request, BOSS)
        request = await office.asked(caller, "slow")
        await office.keyring.revoke(caller.key_id)
        with pytest.raises(KeyConflict, match="revoked"):
            await office.desk.approve(request, BOSS)

    with_office(store_url, use)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(alias="a", api="b"),
        Wish(alias=""),
        Wish(alias="a b"),
        Wish(alias="*"),
        Wish(api="x*"),
        Wish(alias="api:x"),
        Wish(alias="a\u202eb"),
        Wish(alias="a", reason="\x00"),
        Wish(alias="a", reason="x" * 1025),
    ],
)
def test_what_cannot_be_meant_is_refused(store_url: str, wish: Wish) -> None:
    """Patterns, several things, and text that could forge a line; nothing is kept."""

    async def use(office: Office) -> None:
        caller = await office.caller()
        with pytest.raises(InvalidRequest):
            await office.desk.ask(caller, wish)
        assert await office.desk.of(caller.key_id) == []

    with_office(store_url, use)
