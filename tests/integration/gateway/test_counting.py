"""Tokens of stored turns: counted once, and answered for the turns that are asked about."""

import pytest
from llmgw.accounting.tokens import TokenCounter
from llmgw.gateway.counting import Counting
from llmgw.state.connection import State
from msgspec.structs import replace
from tests.contract.exchange import target
from tests.integration.context.stage import Worker, play, user


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_counts_are_of_the_turns_that_are_asked_about(store_url: str, protocol: str) -> None:
    """Of some turns as of all of them, whether they were counted before or not: a cut view is as long as it is."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        for number in range(4):
            await worker.say("c-1", f"question {number}")
        opened = await worker.lease("c-1", user("and now?"))
        counting = Counting(TokenCounter(), worker.contexts)
        asked = replace(target(), protocol=protocol)
        turns = opened.turns
        afresh = await counting.counted(opened, turns[2:5], asked)
        whole = await counting.counted(opened, turns, asked)
        some = await counting.counted(opened, turns[3:], asked)
        assert set(whole) == {each.seq for each in turns}
        assert afresh == {seq: whole[seq] for seq in (2, 3, 4)}
        assert some == {each.seq: whole[each.seq] for each in turns[3:]}

    play(store_url, scene)
