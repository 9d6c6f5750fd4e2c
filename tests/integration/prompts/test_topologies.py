"""Prompts on Sentinel and Cluster, with real servers: changed, followed, and served through a failover."""

from contextlib import AsyncExitStack, aclosing

from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from tests.integration.prompts.stage import (
    ANNA,
    NAME,
    TENANT,
    comes,
    insist,
    lead,
    play,
    ready,
    served,
    text_served,
    worker,
)
from tests.valkey_servers import Server
from tests.valkey_topologies import Trio, cluster_url
from tests.waiting import ROOMY_S


def test_moves_are_seen_through_a_cluster(cluster: list[Server]) -> None:
    """Whichever node a worker listens at, it is told; it polls too rarely to find out itself."""

    async def scene(state: State) -> None:
        for node in cluster:
            node.ask("FLUSHALL")
        registry = Registry(state, PromptSettings())
        for number in range(2):
            await ready(registry, f"text {number + 1}")
        async with AsyncExitStack() as stack:
            states = [
                await stack.enter_async_context(aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)))
                for _ in range(4)
            ]
            workers = [await stack.enter_async_context(worker(each)) for each in states]
            for number in (1, 2) * 5:
                await lead(registry, number)
                for each in workers:
                    seen = lambda each=each, number=number: served(each).number == number  # noqa: E731
                    await comes(seen, "the move to be seen")
                    assert text_served(each) == f"text {number}"
        history = await registry.history(TENANT, NAME)
        assert (history.intact, len(history.events)) == (True, 16)

    play(cluster_url(cluster), scene)


def test_a_failover_is_survived(trio: Trio) -> None:
    """The primary dies: calls are served all the while, and what changes afterwards is seen."""

    async def scene(state: State) -> None:
        async with worker(state, poll_s=0.2) as prompts:
            for number in range(2):
                await ready(prompts.registry, f"text {number + 1}")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
            assert await state.command("WAIT", 1, 5000) == 1
            trio.primary.kill()
            assert text_served(prompts) == "text 1"
            await insist(lambda: lead(prompts.registry, 2))
            await comes(lambda: served(prompts).number == 2, "the move to be seen")
            assert (await prompts.registry.history(TENANT, NAME)).intact
            await insist(lambda: prompts.registry.rollback(ANNA, NAME, "production"))
            await comes(lambda: text_served(prompts) == "text 1", "the rollback to be seen")

    play(trio.url, scene)
