"""Histories at random, and one history compared with another without a store."""

import itertools
from typing import Final

from hypothesis import strategies as st
from llmgw.context.verifying.branch import Branch, Tip
from llmgw.context.verifying.canonical import ADOPTED, ANSWER, Canon, History
from llmgw.context.verifying.findings import Known, compare
from llmgw.types.message import Message, TextPart, ToolCallPart, ToolResultPart
from llmgw.types.verification import Finding
from llmgw.types.violation import pointer_to

CANON: Final = Canon(b"a key of tests only, 32 bytes long")
WIRE: Final = "openai"


def user(text: str) -> Message:
    """What a user says."""
    return Message(role="user", parts=(TextPart(text=text),))


def assistant(text: str) -> Message:
    """What a model answers."""
    return Message(role="assistant", parts=(TextPart(text=text),))


def system(text: str) -> Message:
    """Instructions."""
    return Message(role="system", parts=(TextPart(text=text),))


def exchange(number: int, *, tool: bool) -> list[Message]:
    """A question and its answer, with a tool called between where one is wanted; no two are alike."""
    asked, answered = user(f"question {number}"), assistant(f"answer {number}")
    if not tool:
        return [asked, answered]
    call = ToolCallPart(id=f"call_{number}", name="look", arguments=f'{{"at": {number}}}')
    result = ToolResultPart(call_id=call.id, content=(TextPart(text=f"seen {number}"),))
    return [
        asked,
        Message(role="assistant", parts=(call,)),
        Message(role="tool", parts=(result,)),
        answered,
    ]


@st.composite
def conversations(draw: st.DrawFn, least: int = 2, most: int = 12) -> list[Message]:
    """Some exchanges, without instructions; each message is one turn."""
    tools = draw(st.lists(st.booleans(), min_size=least, max_size=most))
    return list(itertools.chain.from_iterable(exchange(n, tool=tool) for n, tool in enumerate(tools)))


def history(messages: list[Message]) -> History:
    """Read messages."""
    return CANON.history(messages, WIRE)


def known(messages: list[Message]) -> Known:
    """Know messages as a branch all of whose answers were given here."""
    read = history(messages)
    kinds = bytes(ANSWER if kind == ADOPTED else kind for kind in read.kinds)
    tip = Tip(
        slot=0,
        turns=len(read),
        digest=CANON.tip(read.digests),
        instructions=read.instructions,
        used_ms=0,
    )
    branch = Branch(tip=tip, kinds=kinds, digests=read.digests)
    return Known(branch=branch, answered=branch.answered())


def found(before: list[Message], now: list[Message]) -> list[Finding]:
    """Compare two histories; pointers lead to the messages."""
    read = history(now)
    return compare(read, known(before), lambda place: pointer_to("messages", place[0]))


def brief(findings: list[Finding]) -> list[tuple[str, int | None, int | None]]:
    """Code and first and last turn of each finding."""
    return [(each.code, each.index, each.through) for each in findings]
