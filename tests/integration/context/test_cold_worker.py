"""A worker that sees a long conversation for the first time: all of it is proven once, and then what is new."""

from collections.abc import Sequence
from typing import Any

import pytest
from llmgw.context import history
from llmgw.context.integrity import proof
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


def test_a_thousand_turns_are_proven_once(store_url: str, proven: list[int]) -> None:
    """The first call there proves all, the second nothing, one behind another worker's call that call's turns."""

    async def scene(state: State) -> None:
        old, cold = Worker(state), Worker(state)
        opened = await old.lease(C, create=True)
        for number in range(TURNS // 2):
            opened.said.append(old.contexts.draft(opened, user(f"question {number}")))
            opened.said.append(old.contexts.draft(opened, assistant(f"answer {number}")))
        await old.contexts.commit(opened, opened.said)

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
