"""What workers know of stored rules, as they change, go away, are emptied and come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from llmgw.policy.rules.rule_store import RULES_MAX, Change, RuleStore, etag_of
from llmgw.policy.rules.rules import Rules
from llmgw.policy.rules.terms import Configured, Subject, SubjectLimits
from llmgw.policy.rules.watch import RuleWatch
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.state.identity import StoreIdentity
from llmgw.types.call import Caller
from llmgw.types.clock import SystemClock
from llmgw.types.errors import InternalError, KeyConflict, NotFound, StoreUnavailable
from llmgw.types.limit_errors import LimitsChanged
from redis import Redis
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url
from tests.waiting import ROOMY_S, until_async

TEAM = Subject("acme", "team", "search")
CALLER = Caller(key_id="k1", name="app", role="caller", tenant="acme", team="search")
SETTINGS = Configured(tenants={"acme": {("team", "search"): SubjectLimits(concurrent=1)}})


class Worker:
    """One worker's rules, by a connection of its own."""

    def __init__(self, url: str, configured: Configured = SETTINGS) -> None:
        self.home = TemporaryDirectory()
        self.state = State(url, timeout_s=ROOMY_S)
        self.rules = Rules(configured, RuleStore(self.state, SystemClock()))
        self.watch = RuleWatch(self.state, self.rules, StoreIdentity(self.state, Path(self.home.name)))

    def concurrent(self) -> int | None:
        """How many calls at once the team may make, as far as this worker knows."""
        limits = self.rules.in_force(CALLER).limits
        return limits[0].concurrent if limits else None

    async def comes(self, concurrent: int | None) -> None:
        """Wait until it knows of this limit."""
        await seen(lambda: self.concurrent() == concurrent, f"{concurrent} calls at once")

    async def put(self, concurrent: int, **members: Any) -> None:
        """Set the team's limit."""
        await self.rules.change(put(concurrent, **members))


def put(concurrent: int, **members: Any) -> Change:
    """The change that sets the team's limit."""
    return Change(subject=TEAM, limits=SubjectLimits(concurrent=concurrent), who="boss", **members)


async def seen(look: Callable[[], bool], what: str) -> None:
    """Wait for a fact of memory."""

    async def asked() -> bool:
        return look()

    await until_async(asked, what, unless=StoreUnavailable)


@asynccontextmanager
async def working(url: str, configured: Configured = SETTINGS) -> AsyncIterator[Worker]:
    """A worker that follows the store."""
    worker = Worker(url, configured)
    with worker.home:
        async with aclosing(worker.state):
            await worker.watch.start()
            async with aclosing(worker.watch):
                yield worker


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's steps."""
    asyncio.run(scene())


async def insist(act: Callable[[], Awaitable[Any]]) -> None:
    """Do something as soon as the store is back."""

    async def done() -> bool:
        await act()
        return True

    await until_async(done, "the store to be back", unless=StoreUnavailable)


def test_every_worker_follows(store_url: str) -> None:
    """A rule put by one is felt there at once, by the other when it is told; without it, the settings are back."""

    async def scene() -> None:
        async with working(store_url) as one, working(store_url) as other:
            assert one.rules.known
            assert (one.concurrent(), other.concurrent()) == (1, 1)
            for number in range(2, 30):
                await one.put(number)
                assert one.concurrent() == number
                await other.comes(number)
            await other.rules.change(Change(subject=TEAM, limits=None, who="boss"))
            await one.comes(1)
            await one.put(7)
            async with working(store_url) as late:
                assert late.concurrent() == 7

    play(scene)


def test_a_worker_that_is_told_nothing_finds_out(store_url: str) -> None:
    """With its ears shut, it sees a change by looking every so often."""

    async def scene() -> None:
        async with working(store_url) as one:
            await one.state.command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "-subscribe")
            async with working(store_url.replace("unix://", "unix://deaf:pw@")) as deaf:
                await one.put(5)
                await deaf.comes(5)

    play(scene)


def test_a_cluster_tells_every_worker(cluster: list[Server]) -> None:
    """One slot holds all rules, and a notice reaches whoever listens at another node."""

    async def scene() -> None:
        async with working(cluster_url(cluster)) as one, working(cluster_url(cluster)) as other:
            for number in range(2, 8):
                await one.put(number)
                await other.comes(number)

    play(scene)


def test_what_was_known_stays_while_the_store_is_away(state_dir: Path) -> None:
    """Whoever knew goes on knowing, and says nothing can be changed; whoever starts then does not know."""

    async def scene() -> None:
        server = EmbeddedValkey(state_dir)
        server.start()
        try:
            async with working(server.url) as worker:
                await worker.put(5)
                server.stop()
                with pytest.raises(StoreUnavailable):
                    await worker.put(6)
                await worker.watch.look()
                assert (worker.rules.known, worker.concurrent()) == (True, 5)
                async with working(server.url) as late:
                    assert (late.rules.known, late.concurrent()) == (False, 1)
                    server.start()
                    await late.comes(5)
                    assert (late.rules.known, late.concurrent()) == (True, 5)
                    await insist(lambda: worker.put(8))
                    await late.comes(8)
        finally:
            server.stop()

    play(scene)


def test_an_emptied_store_lifts_no_limit(store_url: str) -> None:
    """What was known stays until somebody puts a rule again; then what is stored counts."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(5)
            other = Subject("acme", "key", "k1")
            await worker.rules.change(Change(subject=other, limits=SubjectLimits(concurrent=9), who="boss"))
            with Redis.from_url(store_url) as client:
                client.delete(*(set(client.keys()) - {b"llmgw:store"}))
            before = worker.rules.lost
            await worker.watch.look()
            assert (before, worker.rules.lost) == (False, True)
            assert [each.concurrent for each in worker.rules.in_force(CALLER).limits] == [5, 9]
            await worker.rules.change(Change(subject=other, limits=SubjectLimits(concurrent=3), who="boss"))
            assert [each.concurrent for each in worker.rules.in_force(CALLER).limits] == [1, 3]
            after = worker.rules.lost
            assert after is False

    play(scene)


def test_a_store_that_is_another_lifts_no_limit(store_url: str) -> None:
    """One that lost everything is not asked for rules: what was known stays in force."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(5)
            with Redis.from_url(store_url) as client:
                client.flushall()
            await worker.watch.look()
            assert [each.concurrent for each in worker.rules.in_force(CALLER).limits] == [5]

    play(scene)


def test_other_settings_are_taken_over_beside_what_is_stored(store_url: str) -> None:
    """A stored rule stays in the place of what the settings say of its subject, now and later."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(5)
            limits = SubjectLimits(concurrent=2)
            fresh = Configured(tenants={"acme": {("team", "search"): limits, ("tenant", "acme"): limits}})
            worker.rules.configure(fresh)
            assert [each.title for each in worker.rules.in_force(CALLER).limits] == [
                "tenant:acme",
                "team:search",
            ]
            assert worker.rules.in_force(CALLER).limits[1].concurrent == 5
            await worker.rules.change(Change(subject=TEAM, limits=None, who="boss"))
            assert worker.rules.in_force(CALLER).limits[1].concurrent == 2

    play(scene)


def test_a_change_on_an_old_view_is_refused(store_url: str) -> None:
    """The entity tag is that of what is in force for the subject, in the settings or in the store."""

    async def scene() -> None:
        async with working(store_url) as worker:
            before = SETTINGS.tenants["acme"]["team", "search"]
            expected = {"expected": etag_of(before), "configured": before}
            await worker.put(2, **expected)
            with pytest.raises(LimitsChanged) as refused:
                await worker.put(3, **expected)
            assert refused.value.etag == etag_of(SubjectLimits(concurrent=2))
            await worker.put(3, expected=refused.value.etag)
            with pytest.raises(LimitsChanged):
                await worker.put(4, expected="")
            assert worker.concurrent() == 3

    play(scene)


def test_of_many_changes_at_once_one_wins_each_time(store_url: str) -> None:
    """Each that expects what is there is made on what it saw; the chain has as many events as were made."""

    async def scene() -> None:
        async with working(store_url) as one, working(store_url) as other:
            await one.put(1000)
            tag = etag_of(SubjectLimits(concurrent=1000))
            tries = [
                worker.put(number, expected=tag) for number, worker in enumerate([one, other] * 4, start=1)
            ]
            done = await asyncio.gather(*tries, return_exceptions=True)
            lost = [each for each in done if each is not None]
            assert len(lost) == 7
            assert all(isinstance(each, LimitsChanged) for each in lost)
            told = await one.rules.history(None)
            assert (len(told.events), told.intact) == (2, True)

    play(scene)


def test_every_change_is_told_in_a_chain(store_url: str) -> None:
    """Who set and unset what; what changes nothing is no change; a tenant sees its own; tampering shows."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(2)
            await worker.put(2)
            solo = Subject("solo", "tag", "a b")
            await worker.rules.change(Change(subject=solo, limits=SubjectLimits(), who="ann"))
            await worker.rules.change(Change(subject=TEAM, limits=None, who="ann"))
            with pytest.raises(NotFound):
                await worker.rules.change(Change(subject=TEAM, limits=None, who="ann"))
            told = await worker.rules.history(None)
            assert told.intact
            assert [(each.seq, each.who, each.op, each.name) for each in told.events] == [
                (3, "ann", "unset", "search"),
                (2, "ann", "set", "a b"),
                (1, "boss", "set", "search"),
            ]
            assert told.events[2].limits == SubjectLimits(concurrent=2)
            assert [each.seq for each in (await worker.rules.history("solo")).events] == [2]
            with Redis.from_url(store_url) as client:
                stored = client.lindex("llmgw:{limits}:audit", 0)
                client.lset("llmgw:{limits}:audit", 0, stored.replace(b"boss", b"ann "))
            told = await worker.rules.history(None)
            assert (told.intact, told.problem) == (False, "event 2 does not follow from the one before it")

    play(scene)


def test_what_cannot_be_read_changes_nothing(store_url: str) -> None:
    """What was known stays, and a new worker is not sure, until somebody puts the damaged rule again."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(5)
            with Redis.from_url(store_url) as client:
                (field,) = client.hkeys("llmgw:{limits}:rules")
                client.hset("llmgw:{limits}:rules", field, b'{"tenant": "acme"}')
                client.set("llmgw:{limits}:tail", "1 another")
            with pytest.raises(InternalError):
                await worker.rules.look()
            with pytest.raises(InternalError):
                await worker.rules.find(TEAM)
            assert worker.concurrent() == 5
            async with working(store_url) as late:
                assert (late.rules.known, late.concurrent()) == (False, 1)
                await worker.put(6)
                assert worker.concurrent() == 6
                await late.comes(6)
                assert (late.rules.known, late.concurrent()) == (True, 6)

    play(scene)


def test_rules_are_bounded(store_url: str) -> None:
    """One more than the most is refused; what is there can be changed."""

    async def scene() -> None:
        async with working(store_url) as worker:
            await worker.put(5)
            (stored,) = await worker.state.command("HVALS", "llmgw:{limits}:rules")
            filled = [
                part
                for number in range(RULES_MAX - 1)
                for part in (f"acme team t{number}", stored.replace(b"search", f"t{number}".encode()))
            ]
            await worker.state.command("HSET", "llmgw:{limits}:rules", *filled)
            with pytest.raises(KeyConflict, match="rules already"):
                await worker.rules.change(
                    Change(subject=Subject("acme", "tag", "x"), limits=SubjectLimits(), who="boss")
                )
            await worker.put(6)
            assert worker.concurrent() == 6
            assert len(await worker.rules.entries()) == RULES_MAX

    play(scene)
