"""Stored conversations for Anthropic: one grammar for messages of every origin, whatever call goes on with them."""

from typing import Any

import pytest
from llmgw.providers.anthropic.protocol import PROVIDER
from llmgw.types import json
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import (
    ChatInvocation,
    CountInvocation,
    FunctionTool,
    JsonSchemaFormat,
    Reasoning,
)
from llmgw.types.loss import LossCode
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    Role,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.contract.anthropic_exchange import target

PREFILLED = "claude-sonnet-4-5"
"""A model that continues the assistant's message, and thinks by a budget."""
BUDGET = {"type": "enabled", "budget_tokens": 2000}
MARK = {"cache_control": {"type": "ephemeral"}}
SEARCH = OpaquePart(
    protocol="anthropic", kind="server_tool_use", value={"type": "server_tool_use", "id": "s"}
)
each_wire = pytest.mark.parametrize("wire", ["openai", "anthropic"])


def said(role: Role, *parts: Part | str, protocol: str = "anthropic", **details: Any) -> Message:
    """A stored message."""
    return Message(
        role=role,
        parts=tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts),
        protocol=protocol,
        provider_details=details,
    )


def thought(text: str) -> ReasoningPart:
    """A signed thought."""
    return ReasoningPart(text=text, member="thinking", seal=Seal(protocol="anthropic", value=f"{text}-sig"))


def call(number: int, **details: Any) -> ToolCallPart:
    """A tool call."""
    return ToolCallPart(id=f"toolu_{number}", name="f", arguments="{}", provider_details=details)


def result(number: int, protocol: str = "anthropic") -> Message:
    """The result of a call."""
    part = ToolResultPart(call_id=f"toolu_{number}", content=(TextPart(text="r"),))
    return said("user", part, protocol=protocol)


def asked(*messages: Message, wire: str = "anthropic", **members: Any) -> ChatInvocation:
    """A call that goes on with a conversation."""
    return ChatInvocation(model="m", wire=wire, messages=messages, stored=True, **members)


def written(
    invocation: ChatInvocation, model: str = PREFILLED
) -> tuple[dict[str, Any], list[tuple[LossCode, str]]]:
    """The body of a request, and its losses."""
    request = PROVIDER.build_request(invocation, target(model))
    return json.decode(request.body), [(loss.code, loss.pointer) for loss in request.losses]


@each_wire
def test_own_messages_keep_their_order_and_members(wire: str) -> None:
    """Thoughts between calls stay there, and so do citations, callers and parts that only the vendor knows."""
    cited = TextPart(text="b", provider_details={"citations": [{"type": "x"}]})
    parts = (thought("1"), "a", call(1, caller={"type": "direct"}), thought("2"), SEARCH, cited)
    body, losses = written(asked(said("user", "hi"), said("assistant", *parts), result(1), wire=wire))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "1", "signature": "1-sig"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}},
        {"type": "thinking", "thinking": "2", "signature": "2-sig"},
        {"type": "server_tool_use", "id": "s"},
        {"type": "text", "text": "b", "citations": [{"type": "x"}]},
    ]
    assert losses == [(LossCode.TURN_SYNTHESISED, "/tools")]


@each_wire
def test_others_messages_are_translated(wire: str) -> None:
    """Their thoughts come first, and what has no field of ours is noted."""
    foreign = said("assistant", "a", thought("1"), call(1, index=0), SEARCH, protocol="gemini", more=1)
    body, losses = written(asked(said("user", "hi"), foreign, result(1), wire=wire))
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "tool_use", "server_tool_use"]
    assert (LossCode.DETAILS_DROPPED, "/messages/1") in losses
    assert (LossCode.DETAILS_DROPPED, "/messages/1/parts/2") in losses


@each_wire
def test_turns_alternate_whoever_spoke(wire: str) -> None:
    """Results come first, blanks are left out, messages of one role are joined."""
    body, losses = written(
        asked(
            said("assistant", "a"),
            said("user", "b"),
            said("user", " ", protocol="openai"),
            said("user", "c", protocol="openai"),
            said("assistant", call(1)),
            said("assistant", "\n\n", protocol="anthropic"),
            said("user", "d"),
            result(1, protocol="openai"),
            wire=wire,
        )
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert [block.get("text") for block in body["messages"][2]["content"]] == ["b", "c"]
    assert [block["type"] for block in body["messages"][4]["content"]] == ["tool_result", "text"]
    assert (LossCode.EMPTY_DROPPED, "/messages/5/parts/0") in losses


def test_what_a_message_says_beside_its_parts_has_no_place() -> None:
    """Turns are joined of several messages; what only tells of an answer is no loss."""
    body, losses = written(
        asked(said("user", "hi", own=1), said("assistant", "a", container={"id": "c"}), said("user", "b"))
    )
    assert all(turn.keys() == {"role", "content"} for turn in body["messages"])
    assert losses == [(LossCode.DETAILS_DROPPED, "/messages/0")]


@each_wire
def test_called_tools_are_defined_where_the_call_brings_none(wire: str) -> None:
    """A history with calls must define tools; the caller's own are enough."""
    messages = (said("user", "hi"), said("assistant", call(1)), result(1))
    body, _ = written(asked(*messages, wire=wire))
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "none"}
    tools = (FunctionTool(name="g", parameters={"type": "object"}),)
    body, losses = written(asked(*messages, wire=wire, tools=tools))
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert losses == []


@each_wire
@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ((said("assistant", thought("1"), call(1)), result(1)), True),
        ((said("assistant", call(1)), result(1)), False),
        ((said("assistant", thought("1"), call(1)), result(1), said("assistant", call(2)), result(2)), True),
        ((said("assistant", call(1)), result(1), said("assistant", thought("1"), call(2)), result(2)), True),
        ((said("assistant", "a", thought("1"), call(1)), result(1)), False),
        (
            (said("assistant", thought("1"), call(1)), result(1), said("assistant", "a"), said("user", "b")),
            True,
        ),
        (
            (
                said("assistant", thought("1"), call(1)),
                result(1),
                said("assistant", "a"),
                said("user", "b"),
                said("assistant", call(2), protocol="openai"),
                result(2, protocol="openai"),
            ),
            False,
        ),
    ],
)
def test_a_budget_is_sent_where_the_turn_began_with_thinking(
    steps: tuple[Message, ...], wire: str, *, kept: bool
) -> None:
    """The vendor refuses it in a turn that uses tools and began without; further steps need no thought."""
    reasoning = Reasoning(mode="on", budget_tokens=2000, provider_details=BUDGET)
    body, losses = written(asked(said("user", "hi"), *steps, wire=wire, reasoning=reasoning))
    assert ("thinking" in body) == kept
    assert ((LossCode.PARAMETER_DROPPED, "/reasoning") in losses) != kept


@each_wire
@pytest.mark.parametrize(
    ("members", "model", "continued"),
    [
        ({}, PREFILLED, True),
        ({}, "claude-opus-5", False),
        ({"reasoning": Reasoning(mode="on", budget_tokens=2000, provider_details=BUDGET)}, PREFILLED, False),
        ({"reasoning": Reasoning(effort="low")}, PREFILLED, False),
        ({"reasoning": Reasoning(mode="off", provider_details={"type": "disabled"})}, PREFILLED, True),
        ({"output_format": JsonSchemaFormat(name="a", schema={"type": "object"})}, PREFILLED, False),
    ],
)
def test_an_answer_goes_on_where_it_can(
    members: dict[str, Any], model: str, wire: str, *, continued: bool
) -> None:
    """An assistant's last word is continued, or asked to be, alike over both wires."""
    body, _ = written(asked(said("user", "hi"), said("assistant", "So "), wire=wire, **members), model)
    last = body["messages"][-1]
    assert last["content"][0]["text"] == ("So" if continued else "Continue.")


@each_wire
def test_the_latest_marks_for_caching_stay(wire: str) -> None:
    """The vendor takes four: the last of each section, then those before; what is stored stays marked."""
    texts = [TextPart(text=f"{number}", provider_details=MARK) for number in range(4)]
    found = OpaquePart(
        protocol="anthropic",
        kind="search_result",
        value={"type": "search_result", "content": [{"type": "text", "text": "x", **MARK}]},
    )
    messages = (
        said("system", texts[0], texts[1]),
        said("user", texts[2]),
        said("assistant", texts[3]),
        said("user", found),
        said("user", TextPart(text="5", provider_details=MARK)),
    )
    body, losses = written(asked(*messages, wire=wire))
    blocks = [*body["system"], *(block for turn in body["messages"] for block in turn["content"])]
    assert [json.encode(block).count(b"cache_control") for block in blocks] == [0, 1, 0, 1, 1, 1]
    assert losses.count((LossCode.CACHE_DROPPED, "/cache")) == 1
    assert isinstance(found.value, dict)
    assert b"cache_control" in json.encode(found.value)
    few, losses = written(asked(messages[0], messages[1], wire=wire))
    assert json.encode(few).count(b"cache_control") == 3
    assert losses == []


def test_marks_of_the_call_itself_count() -> None:
    """One for the whole call, and those of its tools."""
    tools = (FunctionTool(name="f", parameters={"type": "object"}, provider_details=MARK),)
    messages = [said("user", TextPart(text=f"{number}", provider_details=MARK)) for number in range(3)]
    body, _ = written(asked(*messages, tools=tools, passthrough=MARK))
    assert "cache_control" in body
    assert "cache_control" in body["tools"][0]
    assert ["cache_control" in block for block in body["messages"][0]["content"]] == [False, True, True]


def test_others_parts_are_left_out_of_answers_alone() -> None:
    """What a user said in another protocol is refused by its place."""
    part = OpaquePart(protocol="gemini", kind="executableCode", value={"executableCode": {}})
    body, losses = written(
        asked(said("user", "hi"), said("assistant", "a", part, protocol="gemini"), said("user", "b"))
    )
    assert body["messages"][1]["content"] == [{"type": "text", "text": "a"}]
    assert losses == [(LossCode.BUILTIN_UNTRANSLATABLE, "/messages/1/parts/1")]
    with pytest.raises(UnsupportedParameter) as refused:
        written(asked(said("user", "a", part, protocol="gemini")))
    assert refused.value.pointer == "/messages/0/parts/1"


@each_wire
def test_media_are_told_as_their_message_has_them(wire: str) -> None:
    """Natively a file by its id; from elsewhere the id means nothing."""
    file = MediaPart(kind="file", file_id="file_1", provider_details={"context": "c"})
    body, _ = written(asked(said("user", file), wire=wire))
    assert body["messages"][0]["content"] == [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "context": "c"}
    ]
    with pytest.raises(UnsupportedParameter) as refused:
        written(asked(said("user", file, protocol="openai"), wire=wire))
    assert refused.value.pointer == "/messages/0/parts/0"


@each_wire
def test_a_stored_conversation_is_counted_as_it_is_sent(wire: str) -> None:
    """The same messages, without what a count does not take."""
    chat = asked(said("user", "hi"), said("assistant", thought("1"), "a"), said("user", "b"), wire=wire)
    counted = PROVIDER.build_request(CountInvocation(model="m", wire=wire, chat=chat), target(PREFILLED))
    assert json.decode(counted.body)["messages"] == written(chat)[0]["messages"]
