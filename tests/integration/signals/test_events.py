"""Events are told once, kept in one order, and read page by page without a gap."""

import asyncio
from contextlib import aclosing

import pytest
from llmgw.policy.signals.events import KEPT, Place
from llmgw.policy.spending import keys
from llmgw.state.connection import State
from redis import Redis
from tests.integration.signals.watch import DAY_MS, Watch, on_watch
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url
from tests.waiting import ROOMY_S


def test_a_fact_is_told_once_whoever_tells_it(store_url: str) -> None:
    """Of 50 workers that tell the same at once one does; another tenant's fact of that id is another fact."""

    async def scene(watch: Watch) -> None:
        event = watch.event("a")
        told = await asyncio.gather(*(watch.log.tell(event, DAY_MS) for _ in range(50)))
        assert sum(told) == 1
        assert await watch.log.tell(watch.event("a", tenant="zeta"), DAY_MS)
        await watch.tell("b")
        assert sorted(await watch.ids()) == ["a", "a", "b"]

    on_watch(store_url, scene)


def test_pages_have_every_event_once_in_order(store_url: str) -> None:
    """Whatever the size of a page, pages one after the other are the whole, over tenants told in turn."""

    async def scene(watch: Watch) -> None:
        names = [f"e{number:02}" for number in range(23)]
        for number, name in enumerate(names):
            tenant = ("acme", "acme", "beta", "zeta")[number % 4]
            assert await watch.log.tell(watch.event(name, tenant=tenant), DAY_MS)
        await watch.tell("last")
        tenants = await watch.log.tenants()
        assert tenants == ["acme", "beta", "zeta"]
        whole = [place for place, _ in (await watch.log.page(tenants, Place.at(0), 1000)).items]
        assert whole == sorted(whole)
        assert len(set(whole)) == 24
        for size in (1, 2, 5, 23, 24, 25):
            found, after, more = list[str](), Place.at(0), True
            while more:
                page = await watch.log.page(tenants, after, size)
                assert len(page.items) <= size
                found += [event.id for _, event in page.items]
                after, more = page.last, page.more
            assert sorted(found) == [*names, "last"]
            assert (await watch.log.page(tenants, after, size)).items == []

    on_watch(store_url, scene)


def test_events_of_one_millisecond_are_in_one_order(store_url: str) -> None:
    """Between events of the same instant a place leads on to exactly those that follow."""

    async def scene(watch: Watch) -> None:
        with Redis.from_url(store_url) as client:
            for tenant in ("acme", "beta", "zeta"):
                client.sadd(keys.TENANTS, tenant)
                for number in range(3):
                    entry = {"id": f"{tenant}{number}", "kind": "x", "at": 7, "subject": "s"}
                    client.xadd(keys.events(tenant), entry, id=f"1000-{number}")
        tenants = await watch.log.tenants()
        whole = await watch.log.page(tenants, Place.at(0), 100)
        assert [event.id for _, event in whole.items] == [
            f"{tenant}{number}" for number in range(3) for tenant in ("acme", "beta", "zeta")
        ]
        for number, (place, _) in enumerate(whole.items):
            rest = await watch.log.page(tenants, place, 100)
            assert rest.items == whole.items[number + 1 :]

    on_watch(store_url, scene)


def test_events_of_a_kind_are_found_among_many_others(store_url: str) -> None:
    """A page goes on looking until it is full or there are no more."""

    async def scene(watch: Watch) -> None:
        for number in range(30):
            await watch.log.tell(watch.event(f"e{number}"), DAY_MS)
        await watch.tell("rare", kind="spend.spike")
        page = await watch.log.page(["acme"], Place.at(0), 2, ["spend.spike"])
        assert ([event.id for _, event in page.items], page.more) == (["rare"], False)

    on_watch(store_url, scene)


def test_the_oldest_events_make_room(store_url: str) -> None:
    """A tenant's stream stays bounded; the newest are there."""

    async def scene(watch: Watch) -> None:
        for first in range(0, KEPT + 600, 200):
            await asyncio.gather(*(watch.log.tell(watch.event(f"e{first + n}"), DAY_MS) for n in range(200)))
        length = await watch.state.command("XLEN", keys.events("acme"))
        assert KEPT <= length < KEPT + 200

    on_watch(store_url, scene)


@pytest.mark.parametrize(
    "written", ["", "1", "1-2", "x-1:a", "1-2:A", "1-2:a b", "-1-2:a", "1-2:a\n", "9" * 99 + "-1:a"]
)
def test_what_is_no_place_is_refused(written: str) -> None:
    """Only what was given out is read back."""
    with pytest.raises(ValueError, match="no place"):
        Place.read(written)
    assert Place.read(str(Place(1, 2, "a-b_c"))) == Place(1, 2, "a-b_c")


def test_events_live_on_a_cluster(cluster: list[Server]) -> None:
    """Marker, stream and books of a tenant share a slot; several tenants are read together."""

    async def play() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            watch = Watch(state, None)  # type: ignore[arg-type]  # nothing is posted
            for number, tenant in enumerate(("acme", "beta", "zeta", "omega")):
                await watch.tell(f"e{number}", tenant=tenant)
            assert sorted(await watch.ids()) == ["e0", "e1", "e2", "e3"]
            delivery = watch.delivery("http://127.0.0.1:9/")
            await delivery.step()
            assert (await watch.record(delivery)).place

    asyncio.run(play())
