"""A worker that sees a long conversation for the first time: all of it is proven once, and then what is new."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from llmgw.context import history
from llmgw.context.integrity import proof
from llmgw.context.storage.answers import Stored
from llmgw.context.storage.names import Keys
from llmgw.state.connection import State
from tests.integration.context.stage import Worker, assistant, play, user

C = "c-long"
TURNS = 1000


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many turns were proven each time that any were."""
    counts: list[int] = []
    real = proof.proven

    def counting(keys: Any, tenant: str, frames: Sequence[bytes], first: int, link: bytes) -> Any:
        counts.append(len(frames))
        return real(keys, tenant, frames, first, link)

    monkeypatch.setattr(history, "proven", counting)
    return counts


async def long(worker: Worker, turns: int) -> None:
    """Add so many turns to the context, which is made with the first."""
    opened = await worker.lease(C, create=True)
    for number in range(turns // 2):
        opened.said.append(worker.contexts.draft(opened, user(f"question {number}")))
        opened.said.append(worker.contexts.draft(opened, assistant(f"answer {number}")))
    await worker.contexts.commit(opened, opened.said)


def test_a_thousand_turns_are_proven_once(store_url: str, proven: list[int]) -> None:
    """The first call there proves all, the second nothing, one behind another worker's call that call's turns."""

    async def scene(state: State) -> None:
        old, cold = Worker(state), Worker(state)
        await long(old, TURNS)
        proven.clear()
        await cold.say(C, "the first here")
        assert sum(proven) == TURNS
        proven.clear()
        await cold.say(C, "the second here")
        assert sum(proven) == 0
        await old.say(C, "elsewhere")
        proven.clear()
        await cold.say(C, "behind it")
        assert sum(proven) == 2
        assert len(await Worker(state).texts(C)) == TURNS + 8

    play(store_url, scene)


def test_others_have_their_turn_while_all_is_proven(store_url: str, proven: list[int]) -> None:
    """Whatever else wants to run does so after each two hundred turns, whoever reads them and why."""

    async def scene(state: State) -> None:
        old, cold = Worker(state), Worker(state)
        await long(old, TURNS)
        for work in (cold.say(C, "the first here"), Worker(state).texts(C)):
            proven.clear()
            seen: list[int] = []
            reading = asyncio.ensure_future(work)
            while not reading.done():
                seen.append(len(proven))
                await asyncio.sleep(0)
            await reading
            assert max(proven) <= history.SLICE
            assert sum(proven) >= TURNS
            assert all(after - before <= 1 for before, after in pairwise(seen))

    play(store_url, scene)


def test_who_reads_while_others_read_on_is_given_what_it_asked_for(store_url: str) -> None:
    """Two read one context at once, at two revisions: each has the proven turns of its own, whoever is first."""

    async def scene(state: State) -> None:
        old, keys = Worker(state), Keys("default", C)
        await old.say(C, "the first")
        first = await old.contexts.store.read(keys)
        # The other's slice goes over the end of these.
        await long(old, 9 * history.SLICE // 2)
        earlier = await old.contexts.store.read(keys, first=2)
        await long(old, TURNS)
        later = await old.contexts.store.read(keys, first=2)

        async def found(cold: Worker, stored: Stored) -> tuple[int, str]:
            # What is handed out may grow as soon as somebody else goes on.
            read = await cold.contexts.histories.at(keys, stored)
            return len(read.turns), read.link.hex()

        for order in ((earlier, later), (later, earlier)):
            cold = Worker(state)
            await cold.contexts.histories.at(keys, first)
            both = await asyncio.gather(*(found(cold, stored) for stored in order))
            assert both == [(stored.turns, stored.head) for stored in order]

    play(store_url, scene)


def test_long_conversations_are_read_a_few_at_a_time(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many calls at once that may make their contexts, all long and none at hand, few read turns at one time."""
    count, at_once = 12, [0, 0]
    real = State.command

    async def counted(state: State, name: str, *arguments: Any) -> Any:
        if name != "LRANGE":
            return await real(state, name, *arguments)
        at_once[0] += 1
        at_once[1] = max(at_once)
        try:
            return await real(state, name, *arguments)
        finally:
            at_once[0] -= 1

    async def scene(state: State) -> None:
        old, cold = Worker(state), Worker(state)
        for number in range(count):
            opened = await old.lease(f"c{number}", create=True)
            for _ in range(200):
                opened.said.append(old.contexts.draft(opened, user("again")))
            await old.contexts.commit(opened, opened.said)
        monkeypatch.setattr(State, "command", counted)
        receipts = await asyncio.gather(*(cold.say(f"c{number}", "more") for number in range(count)))
        assert [each.rev for each in receipts] == [2] * count
        assert at_once == [0, 4]

    play(store_url, scene)


def test_a_call_that_has_ended_holds_nothing(store_url: str) -> None:
    """No timer is left that would keep the conversation in memory, whether its turns were stored or not."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "the first")
        stored = await worker.lease(C)
        await worker.answer(stored, assistant("said"))
        refused = await worker.lease(C)
        await worker.contexts.release(refused, "refused")
        for opened in (stored, refused):
            assert opened.due is not None
            assert opened.due.cancelled()

    play(store_url, scene)
