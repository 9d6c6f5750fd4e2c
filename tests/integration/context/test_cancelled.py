"""A call that continues a context is cancelled, at whatever step."""

import asyncio

import pytest
from llmgw.context.storage.names import checked
from llmgw.state.connection import State
from llmgw.types.context_errors import ContextNotFound
from tests.integration.context.stage import Worker, play

C = "c-1"
STEPS = 60
"""Turns of the loop; most calls are stored within them."""


async def said_in(state: State, context: str) -> list[str]:
    """What somebody else finds in a context; nothing where there is none."""
    try:
        return await Worker(state).texts(context)
    except ContextNotFound:
        return []


@pytest.mark.parametrize(
    "known", [True, False], ids=["of a context that its worker knows", "of a new context"]
)
def test_whenever_a_call_is_cancelled_it_leaves_all_of_itself_or_nothing(
    store_url: str, *, known: bool
) -> None:
    """Nothing keeps the next call out, which finds what was there; its worker remembers that, and no more."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        for steps in range(STEPS):
            context = C if known else f"{C}-{steps}"
            before = await said_in(state, context)
            call = asyncio.ensure_future(worker.say(context, "cut", key=f"k{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait({call})
            await worker.contexts.aftercare.aclose()
            stored = await said_in(state, context)
            assert stored in (before, [*before, "cut", "answer to cut"])
            await worker.say(context, "next")
            now = [*stored, "next", "answer to next"]
            assert await said_in(state, context) == now
            history = worker.contexts.histories.known(checked("default", context))
            assert history is not None
            assert [turn.message.text for turn in history.turns] == now
            assert (await worker.library.verify(worker.actor, context)).ok

    play(store_url, scene)
