"""Stored calls and their results, which OpenAI-like hosts take only side by side."""

from typing import Any

from llmgw.providers.openai.protocol import PROVIDER
from llmgw.providers.openai.quirks import OpenAiQuirks
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation
from llmgw.types.loss import LossCode
from llmgw.types.message import Message, Role, TextPart, ToolCallPart, ToolResultPart
from tests.contract.exchange import target

MISSING = "There is no result of this call."
ALTERNATING = OpenAiQuirks(user_after_tool=False)


def says(role: Role, text: str) -> Message:
    """A message of words."""
    return Message(role=role, parts=(TextPart(text=text),))


def calls(*ids: str) -> Message:
    """An answer that calls tools."""
    return Message(
        role="assistant", parts=tuple(ToolCallPart(id=each, name="f", arguments="{}") for each in ids)
    )


def result(call_id: str, text: str = "done") -> Message:
    """A tool's result."""
    return Message(role="tool", parts=(ToolResultPart(call_id=call_id, content=(TextPart(text=text),)),))


def written(
    *messages: Message, stored: bool = True, quirks: OpenAiQuirks | None = None
) -> tuple[list[tuple[str, Any]], list[tuple[LossCode, str]]]:
    """Role and content, or ids of the calls, of what messages become; and what is lost."""
    invocation = ChatInvocation(model="m", wire="openai", messages=messages, stored=stored)
    request = PROVIDER.build_request(invocation, target(quirks))
    said = []
    for message in json.decode(request.body)["messages"]:
        told = [call["id"] for call in message.get("tool_calls", ())] or message["content"]
        said.append((message["role"], (message["tool_call_id"], told) if "tool_call_id" in message else told))
    return said, [(loss.code, loss.pointer) for loss in request.losses]


def test_a_missing_result_is_made_up() -> None:
    """Before the next words of anybody, and at the end; each is noted at its call."""
    said, losses = written(says("user", "go"), calls("a", "b"), result("b"), says("user", "never mind"))
    assert said == [
        ("user", "go"),
        ("assistant", ["a", "b"]),
        ("tool", ("b", "done")),
        ("tool", ("a", MISSING)),
        ("user", "never mind"),
    ]
    assert losses == [(LossCode.TURN_SYNTHESISED, "/messages/1/parts/0")]
    said, losses = written(says("user", "go"), calls("a"))
    assert said[-1] == ("tool", ("a", MISSING))
    assert losses == [(LossCode.TURN_SYNTHESISED, "/messages/1/parts/0")]


def test_one_that_answers_nothing_is_told_in_words() -> None:
    """A second one too; while others are awaited it waits as well."""
    said, losses = written(
        calls("a", "b"), result("a"), result("a", "again"), result("b"), result("b", "late")
    )
    assert said == [
        ("assistant", ["a", "b"]),
        ("tool", ("a", "done")),
        ("tool", ("b", "done")),
        ("user", "Result of the tool call a:\nagain"),
        ("user", "Result of the tool call b:\nlate"),
    ]
    assert losses == [
        (LossCode.TURN_SYNTHESISED, "/messages/2/parts/0"),
        (LossCode.TURN_SYNTHESISED, "/messages/4/parts/0"),
    ]


def test_instructions_wait_for_results() -> None:
    """Hosts refuse whatever stands between a call and its result."""
    said, losses = written(calls("a"), says("system", "be brief"), result("a"), says("user", "go on"))
    assert said == [
        ("assistant", ["a"]),
        ("tool", ("a", "done")),
        ("system", "be brief"),
        ("user", "go on"),
    ]
    assert losses == []


def test_an_answer_is_put_behind_made_up_results_too() -> None:
    """Where a user may not speak right after a tool."""
    said, losses = written(calls("a"), says("user", "never mind"), quirks=ALTERNATING)
    assert said == [
        ("assistant", ["a"]),
        ("tool", ("a", MISSING)),
        ("assistant", "Understood."),
        ("user", "never mind"),
    ]
    assert losses == [
        (LossCode.TURN_SYNTHESISED, "/messages/0/parts/0"),
        (LossCode.TURN_SYNTHESISED, "/messages/1"),
    ]


def test_a_callers_own_history_is_told_as_it_came() -> None:
    """Whether its calls have results is between the caller and the host."""
    said, losses = written(calls("a"), says("user", "never mind"), result("b"), stored=False)
    assert said == [("assistant", ["a"]), ("user", "never mind"), ("tool", ("b", "done"))]
    assert losses == []
