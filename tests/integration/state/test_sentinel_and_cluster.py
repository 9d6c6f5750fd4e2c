"""Sentinel and Cluster, with real servers: found, used, and survived when a primary dies."""

import asyncio
from contextlib import aclosing

from llmgw.policy.access import AccessDesk, Decider, Wish
from llmgw.policy.key_store import CHANNEL
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import Terms
from llmgw.state.connection import State
from llmgw.state.scripts import Script
from llmgw.types.clock import SystemClock
from llmgw.types.errors import StoreUnavailable
from llmgw.types.secret import Secret
from tests.valkey_servers import Server
from tests.valkey_topologies import Trio, cluster_url
from tests.waiting import ROOMY_S, until_async

COUNT = Script("count", "#!lua\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])\n")


def test_sentinel_finds_the_primary(trio: Trio) -> None:
    """Commands and scripts reach the primary Sentinel names, though the first Sentinel of the URL is away."""

    async def use() -> None:
        async with aclosing(State(trio.url, timeout_s=ROOMY_S)) as state:
            assert await state.script(COUNT, ["n"], [2]) == 2
            assert await state.command("GET", "n") == b"2"
            assert [problem.code for problem in await state.health()] == ["store_not_durable"]

    asyncio.run(use())


def test_writes_go_on_after_a_failover(trio: Trio) -> None:
    """The primary dies: calls fail as unavailable and nothing else, until Sentinel has promoted the replica."""

    async def use() -> None:
        async with aclosing(State(trio.url, timeout_s=ROOMY_S)) as state:
            await state.command("SET", "n", 1)
            assert await state.command("WAIT", 1, 5000) == 1
            trio.primary.kill()
            await until_async(
                lambda: state.command("INCR", "n"),
                "a write after failover",
                unless=StoreUnavailable,
                within_s=40,
            )
            assert await state.health() != []
            assert trio.replica.ask("GET", "n") == await state.command("GET", "n")

    asyncio.run(use())


def test_a_demoted_primary_is_left_for_the_new_one(trio: Trio) -> None:
    """READONLY from the old primary never reaches the caller: the write goes to the new primary, once."""

    async def use() -> None:
        async with aclosing(State(trio.url, timeout_s=ROOMY_S)) as state:
            await state.command("SET", "n", 1)
            assert await state.command("WAIT", 1, 5000) == 1
            trio.swap()
            assert await state.command("INCR", "n") == 2

    asyncio.run(use())


def test_all_who_wrote_to_a_demoted_primary_reach_the_new_one(trio: Trio) -> None:
    """A hundred scripts at once that the old primary refuses are each run by the new one, once."""

    async def use() -> None:
        async with aclosing(State(trio.url, timeout_s=ROOMY_S)) as state:
            await state.script(COUNT, ["n"], [1])
            assert await state.command("WAIT", 1, 5000) == 1
            trio.swap()
            counted = await asyncio.gather(*(state.script(COUNT, ["n"], [1]) for _ in range(100)))
            assert sorted(counted) == list(range(2, 102))

    asyncio.run(use())


def test_an_unknown_service_is_unreachable(trio: Trio) -> None:
    """A service Sentinel does not know is the store's absence."""

    async def use() -> None:
        async with aclosing(State(trio.url.replace("/gateway/", "/other/"), timeout_s=ROOMY_S)) as state:
            assert [problem.code for problem in await state.health()] == ["store_unreachable"]

    asyncio.run(use())


def test_cluster_serves_every_slot(cluster: list[Server]) -> None:
    """Keys on all nodes are written by commands and scripts, and every node's health counts."""

    async def use() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            for number in range(30):
                assert await state.script(COUNT, [f"n:{{{number}}}"], [number]) == number
                assert int(await state.command("GET", f"n:{{{number}}}")) == number
            assert [problem.code for problem in await state.health()] == ["store_not_durable"]

    asyncio.run(use())


def test_a_script_flush_on_every_node_fails_no_call(cluster: list[Server]) -> None:
    """Scripts fall back to their text on whichever node forgot them."""

    async def use() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            for number in range(10):
                await state.script(COUNT, [f"f:{{{number}}}"], [1])
            for node in cluster:
                node.ask("SCRIPT", "FLUSH")
            for number in range(10):
                assert await state.script(COUNT, [f"f:{{{number}}}"], [1]) == 2

    asyncio.run(use())


def test_a_moved_slot_is_followed(cluster: list[Server]) -> None:
    """A slot that moved to another node costs the caller nothing."""

    async def use() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            ids, slot, owner, taker = await _moving(state, cluster, "{moving}n")
            _migrate(ids, slot, owner, taker, "{moving}n")
            assert await state.command("INCR", "{moving}n") == 2
            assert ids[taker].ask("GET", "{moving}n") == b"2"

    asyncio.run(use())


def test_a_slot_that_moves_under_many_calls_is_followed(cluster: list[Server]) -> None:
    """Callers of a slot lose nothing and count nothing twice while it moves from one node to another."""

    async def use() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            ids, slot, owner, taker = await _moving(state, cluster, "{busy}n")
            moved = asyncio.Event()

            async def count() -> list[int]:
                counted = []
                while not moved.is_set():
                    counted.append(await state.script(COUNT, ["{busy}n"], [1]))
                return [*counted, *[await state.script(COUNT, ["{busy}n"], [1]) for _ in range(3)]]

            counting = [asyncio.create_task(count()) for _ in range(20)]
            await asyncio.to_thread(_migrate, ids, slot, owner, taker, "{busy}n")
            moved.set()
            counted = sorted(n for each in await asyncio.gather(*counting) for n in each)
            assert counted == list(range(2, len(counted) + 2))
            assert int(ids[taker].ask("GET", "{busy}n")) == counted[-1]

    asyncio.run(use())


def test_the_key_ring_works_on_a_cluster(cluster: list[Server]) -> None:
    """Making, checking, listing and revoking keys cross no slot."""

    async def use() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            keyring = Keyring(state, Secret("p" * 32))
            first = await keyring.create_first_admin()
            assert first is not None
            made = [await keyring.create(f"key {number}", "caller") for number in range(5)]
            for key in made:
                assert (await keyring.authenticate(key.token.reveal())).key_id == key.id
            assert {record.id for record in await keyring.list()} == {first.id, *(key.id for key in made)}
            assert await keyring.revoke(made[0].id) is True

    asyncio.run(use())


def test_rotation_notices_and_access_requests_work_on_a_cluster(cluster: list[Server]) -> None:
    """None of them crosses a slot, and a change is heard on whichever node the other worker listens to."""

    async def use() -> None:
        url = cluster_url(cluster)
        async with (
            aclosing(State(url, timeout_s=ROOMY_S)) as state,
            aclosing(State(url, timeout_s=ROOMY_S)) as other,
            aclosing(other.listen(CHANNEL)) as listener,
        ):
            assert await listener.wait(ROOMY_S) == b""
            keyring = Keyring(state, Secret("p" * 32))
            made = await keyring.create("app", "caller", Terms(allow=()))
            await keyring.rotate(made.id, 60_000)
            assert (await listener.wait(ROOMY_S) or b"").endswith(made.id.encode())
            desk = AccessDesk(state, keyring, SystemClock())
            caller = await keyring.authenticate(made.token.reveal())
            request, _ = await desk.ask(caller, Wish(alias="fast"))
            await desk.approve(request.id, Decider(key_id="boss"))
            assert (await keyring.find(made.id)).allow == ("fast",)
            assert (await desk.history(None)).intact

    asyncio.run(use())


async def _moving(state: State, cluster: list[Server], key: str) -> tuple[dict[str, Server], int, str, str]:
    """Set a key to 1; says the nodes by id, the key's slot, who has it, and who might."""
    await state.command("SET", key, 1)
    slot = int(cluster[0].ask("CLUSTER KEYSLOT", key))
    ids = {node.ask("CLUSTER MYID").decode(): node for node in cluster}
    owner = next(name for name, node in ids.items() if node.ask("GET", key) is not None)
    return ids, slot, owner, next(name for name in ids if name != owner)


def _migrate(ids: dict[str, Server], slot: int, owner: str, taker: str, key: str) -> None:
    ids[taker].ask("CLUSTER SETSLOT", slot, "IMPORTING", owner)
    ids[owner].ask("CLUSTER SETSLOT", slot, "MIGRATING", taker)
    assert ids[owner].ask("MIGRATE", "127.0.0.1", ids[taker].port, key, 0, 5000) == b"OK"
    for node in (ids[taker], ids[owner]):
        node.ask("CLUSTER SETSLOT", slot, "NODE", taker)
