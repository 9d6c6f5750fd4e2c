"""Arguments of tool calls, from an answer through the store to the next vendor, in the very characters."""

import pytest
from llmgw.state.connection import State
from llmgw.types.context import ContextOptions
from llmgw.types.message import Message, TextPart, ToolCallPart, ToolResultPart
from msgspec.structs import replace
from tests.cross.received import pieces
from tests.cross.test_arguments import ANSWERS, WRITTEN, answered, events
from tests.cross.test_homecoming import HOMES
from tests.integration.context.stage import Worker, play
from tests.integration.portability.telling import told
from tests.integration.portability.test_matrix import ASKED

NEXT = (Message(role="tool", parts=(ToolResultPart(call_id="call_1", content=(TextPart(text="done"),)),)),)


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("writer", HOMES)
def test_arguments_outlive_the_store(store_url: str, writer: str, written: str, *, stream: bool) -> None:
    """Great integers, `1E2`, empty lists, names said twice and escapes are stored and told as they were written."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        body = answered(ANSWERS[writer, stream], written)
        answer = events(writer, body, stream=stream)
        first = ContextOptions(id="exact", create=True)
        await told(worker, HOMES[writer].target, ASKED, first, answer)
        stored = (await worker.turns("exact"))[-1].parts[-1]
        assert isinstance(stored, ToolCallPart)
        assert stored.arguments == written
        for reader, home in HOMES.items():
            fork = await worker.archive.branches.fork(worker.actor, "exact", at=None)
            invocation = replace(ASKED, messages=NEXT)
            _, received = await told(Worker(state), home.target, invocation, ContextOptions(id=fork.id))
            assert [p.value for p in pieces(reader, received) if p.kind == "call"] == [("f", written)]

    play(store_url, scene)
