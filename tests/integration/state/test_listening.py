"""Being told of changes, by real servers that go away and come back."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.state.listening import Listener
from llmgw.types.errors import StoreUnavailable
from tests.valkey_servers import Server
from tests.valkey_topologies import Trio, cluster_url
from tests.waiting import ROOMY_S, WITHIN_S, until_async

CHANNEL = "llmgw:{test}:news"


async def heard(listener: Listener, state: State, news: bytes) -> bool:
    """Publish until it is heard: what is sent while the connection is away is lost."""

    async def told() -> bool:
        await state.command("PUBLISH", CHANNEL, news)
        return await listener.wait(0.2) == news

    return await until_async(told, "the news to be heard", unless=StoreUnavailable)


def test_what_is_published_is_heard(store_url: str) -> None:
    """The first answer tells of a new connection, the next ones are what was sent, in order."""

    async def run() -> list[bytes | None]:
        async with (
            aclosing(State(store_url, timeout_s=ROOMY_S)) as state,
            aclosing(state.listen(CHANNEL)) as listener,
        ):
            found = [await listener.wait(WITHIN_S)]
            for news in (b"1", b"2", b"3"):
                await state.command("PUBLISH", CHANNEL, news)
            found.extend([await listener.wait(WITHIN_S) for _ in range(3)])
            assert listener.hearing
            return found

    assert asyncio.run(run()) == [b"", b"1", b"2", b"3"]


def test_silence_is_no_failure(store_url: str) -> None:
    """Without news the connection stays, is asked whether it lives, and goes on to hear."""

    async def run() -> bool:
        async with (
            aclosing(State(store_url, timeout_s=ROOMY_S)) as state,
            aclosing(state.listen(CHANNEL)) as listener,
        ):
            assert await listener.wait(WITHIN_S) == b""
            for _ in range(5):
                assert await listener.wait(0.01) is None
            assert listener.hearing
            await state.command("PUBLISH", CHANNEL, b"at last")
            return await listener.wait(WITHIN_S) == b"at last"

    assert asyncio.run(run())


def test_a_store_that_dies_and_comes_back_is_heard_again(state_dir: Path) -> None:
    """While it is away `wait` says nothing; afterwards it first tells that something may have been missed."""

    async def run() -> None:
        with EmbeddedValkey(state_dir) as first:
            state = State(first.url, timeout_s=ROOMY_S)
            listener = state.listen(CHANNEL)
            assert await listener.wait(WITHIN_S) == b""
        assert await listener.wait(0.3) is None
        assert await listener.wait(0.3) is None
        assert not listener.hearing
        with EmbeddedValkey(state_dir):

            async def back() -> bool:
                return await listener.wait(0.5) == b""

            assert await until_async(back, "the connection to come back", unless=StoreUnavailable)
            assert await heard(listener, state, b"again")
            await listener.aclose()
            await state.aclose()

    asyncio.run(run())


def test_outages_leave_no_task_and_no_connection(store_url: str) -> None:
    """However often the server ends the connection, one is there at a time, and no task beside the caller's."""

    async def run() -> tuple[int, int]:
        async with (
            aclosing(State(store_url, timeout_s=ROOMY_S)) as state,
            aclosing(state.listen(CHANNEL)) as listener,
        ):
            for _ in range(10):

                async def connected() -> bool:
                    return await listener.wait(0.2) == b""

                assert await until_async(connected, "a connection", unless=StoreUnavailable)
                await state.command("CLIENT", "KILL", "TYPE", "pubsub")
            await until_async(connected, "a connection", unless=StoreUnavailable)
            told = await state.command("PUBSUB", "NUMSUB", CHANNEL)
            return int(told[1]), len(asyncio.all_tasks())

    assert asyncio.run(run()) == (1, 1)


def test_a_cancelled_wait_leaves_a_listener_that_hears(store_url: str) -> None:
    """Giving up on a wait loses nothing that is sent later."""

    async def run() -> bytes | None:
        async with (
            aclosing(State(store_url, timeout_s=ROOMY_S)) as state,
            aclosing(state.listen(CHANNEL)) as listener,
        ):
            assert await listener.wait(WITHIN_S) == b""
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await listener.wait(WITHIN_S)
            await state.command("PUBLISH", CHANNEL, b"later")
            return await listener.wait(WITHIN_S)

    assert asyncio.run(run()) == b"later"


def test_a_failover_is_followed(trio: Trio) -> None:
    """When the primary dies, the listener finds the new one through Sentinel."""

    async def run() -> bool:
        async with (
            aclosing(State(trio.url, timeout_s=ROOMY_S)) as state,
            aclosing(state.listen(CHANNEL)) as listener,
        ):
            assert await heard(listener, state, b"before")
            trio.primary.kill()
            return await heard(listener, state, b"after")

    assert asyncio.run(run())


def test_a_cluster_tells_every_node(cluster: list[Server]) -> None:
    """Whichever node the listener is at, it hears what any other node was sent."""

    async def run() -> bool:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            listeners = [state.listen(CHANNEL) for _ in range(6)]
            all_heard = [await heard(each, state, b"news") for each in listeners]
            for each in listeners:
                await each.aclose()
            return all(all_heard)

    assert asyncio.run(run())
