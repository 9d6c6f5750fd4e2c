"""Stored conversations for OpenAI-like hosts: whose each message is, and what of an answer goes back."""

from typing import Any

import pytest
from llmgw.providers.openai.protocol import PROVIDER
from llmgw.providers.openai.quirks import OpenAiQuirks
from llmgw.types import json
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.loss import LossCode
from llmgw.types.memo import Memo
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from msgspec import structs
from tests.contract.exchange import target

HELLO = Message(role="user", parts=(TextPart(text="hi"),), protocol="openai")
ROUTER = OpenAiQuirks(reasoning_member="reasoning", reasoning_details=True)
THINKER = OpenAiQuirks(reasoning_member="reasoning_content")
GOOGLE = OpenAiQuirks(thought_signatures=True)
SIGNED = Seal(protocol="anthropic", value="c2ln")
RESULT = Message(
    role="tool",
    parts=(ToolResultPart(call_id="call_1", content=(TextPart(text="done"),)),),
    protocol="openai",
)


def answer(*parts: Part | str, protocol: str = "openai", **details: Any) -> Message:
    """A stored answer."""
    return Message(
        role="assistant",
        parts=tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts),
        protocol=protocol,
        provider_details=details,
    )


def call(call_id: str = "call_1", **details: Any) -> ToolCallPart:
    """A tool call."""
    return ToolCallPart(id=call_id, name="f", arguments="{}", provider_details=details)


def written(
    *messages: Message, quirks: OpenAiQuirks | None = None, wire: str = "anthropic"
) -> tuple[list[Any], list[tuple[LossCode, str]]]:
    """What messages become behind a greeting, and what they lose."""
    invocation = ChatInvocation(model="m", wire=wire, messages=(HELLO, *messages), stored=True)
    request = PROVIDER.build_request(invocation, target(quirks))
    return json.decode(request.body)["messages"][1:], [(loss.code, loss.pointer) for loss in request.losses]


def test_each_message_is_of_its_own_protocol() -> None:
    """Members of this one go back, those of others are noted; one that names none came with the call."""
    part = TextPart(text="a", provider_details={"own": 1})
    messages = [
        Message(role="user", parts=(part,), protocol=protocol) for protocol in ("openai", "anthropic", "")
    ]
    mine = {"role": "user", "content": [{"type": "text", "text": "a", "own": 1}]}
    plain = {"role": "user", "content": "a"}
    assert written(*messages)[0] == [mine, plain, plain]
    assert written(*messages, wire="openai")[0] == [mine, plain, mine]
    assert written(*messages, wire="openai")[1] == [(LossCode.DETAILS_DROPPED, "/messages/2/parts/0")]


def test_without_the_word_stored_all_are_of_the_wire() -> None:
    """A caller's own history is of one dialect."""
    part = TextPart(text="a", provider_details={"own": 1})
    message = Message(role="user", parts=(part,), protocol="openai")
    request = PROVIDER.build_request(
        ChatInvocation(model="m", wire="anthropic", messages=(message,)), target()
    )
    assert json.decode(request.body)["messages"] == [{"role": "user", "content": "a"}]


def test_what_only_answers_have_stays_behind() -> None:
    """Numbers of calls, channels and empty lists say nothing; tools that the host ran cannot be told."""
    messages, losses = written(
        answer(
            "a",
            call(index=0),
            annotations=[],
            channel="final",
            token_id=5,
            function_call=None,
            executed_tools=[{"name": "search"}],
            content_parts=[{"type": "reference"}],
            unknown="kept",
        ),
        RESULT,
    )
    function = {"name": "f", "arguments": "{}"}
    assert messages == [
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            "unknown": "kept",
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    assert losses == [
        (LossCode.DETAILS_DROPPED, "/messages/1"),
        (LossCode.BUILTIN_UNTRANSLATABLE, "/messages/1"),
    ]


def test_a_spoken_answer_is_named_by_its_id() -> None:
    """The host has the sound; to others its words are told."""
    audio = {"id": "audio_1", "data": "QUJD", "transcript": "Hello!", "expires_at": 1}
    assert written(answer(audio=audio)) == (
        [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}],
        [],
    )
    assert written(answer(audio={"transcript": "Hello!"})) == (
        [{"role": "assistant", "content": "Hello!"}],
        [(LossCode.MEDIA_DROPPED, "/messages/1")],
    )


def test_an_answer_in_pieces_is_one_text() -> None:
    """Reasoning between its texts made several of them, and hosts take a string."""
    parts = ("a", ReasoningPart(text="r"), "b")
    [message], losses = written(answer(*parts))
    assert message == {"role": "assistant", "content": "ab"}
    assert losses == [(LossCode.REASONING_TEXT_DROPPED, "/messages/1/parts/1")]
    marked = TextPart(text="b", provider_details={"cache_control": {"type": "ephemeral"}})
    [message], _ = written(answer("a", marked))
    assert [part["text"] for part in message["content"]] == ["a", "b"]


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_an_answer_that_says_nothing_is_left_out(protocol: str) -> None:
    """No host takes one; reasoning alone gets a content where it is wanted back."""
    thought = answer(ReasoningPart(text="r"), protocol=protocol)
    assert written(answer(protocol=protocol))[0] == []
    assert written(answer("", protocol=protocol)) == ([], [(LossCode.EMPTY_DROPPED, "/messages/1")])
    assert written(thought)[0] == []
    assert written(thought, quirks=THINKER)[0] == [
        {"role": "assistant", "content": "", "reasoning_content": "r"}
    ]
    refusal = written(answer(RefusalPart(text="no"), protocol=protocol))[0]
    assert refusal == [{"role": "assistant", "content": None, "refusal": "no"}]


def test_an_id_is_written_in_one_way() -> None:
    """Too long a one is shortened for this protocol's own messages as for those of others."""
    long = "x" * 70
    result = Message(
        role="tool", parts=(ToolResultPart(call_id=long, content=(TextPart(text="r"),)),), protocol="openai"
    )
    messages, _ = written(
        answer(call(long), protocol="gemini"), result, answer(call(long), protocol="openai"), result
    )
    ids = {message.get("tool_call_id") or message["tool_calls"][0]["id"] for message in messages}
    assert len(ids) == 1
    assert len(ids.pop()) <= 64


def test_sealed_reasoning_is_found_where_routers_put_it() -> None:
    """A stream tells it in pieces, which go back to the router as one and stand under their seal for others."""
    item = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    pieces = [{**item, "text": "Let me "}, {**item, "text": "see."}, {**item, "signature": "c2ln"}]
    hidden = {
        "type": "reasoning.encrypted",
        "format": "anthropic-claude-v1",
        "data": "aGlkZGVu",
        "index": 1,
    }
    stored = answer(
        ReasoningPart(text="Let me see.", member="reasoning"), "a", reasoning_details=[*pieces, hidden]
    )
    whole = [{**item, "text": "Let me see.", "signature": "c2ln"}, hidden]
    for _ in range(2):  # what is stored stays as it is
        [message], losses = written(stored, quirks=ROUTER)
        assert message == {
            "role": "assistant",
            "content": "a",
            "reasoning": "Let me see.",
            "reasoning_details": whole,
        }
        assert losses == []
    [message], losses = written(stored, quirks=THINKER)
    assert message == {"role": "assistant", "content": "a", "reasoning_content": "Let me see."}
    assert losses == [
        (LossCode.REASONING_AS_TEXT, "/messages/1/parts/0"),
        (LossCode.REASONING_OPAQUE_DROPPED, "/messages/1/parts/2"),
    ]


def test_what_was_read_before_is_not_read_again() -> None:
    """A caller's message has its seals on its parts already, and the member they came in."""
    details = [
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "t", "signature": "c2ln"},
    ]
    part = ReasoningPart(text="t", member="reasoning_details", seal=SIGNED)
    [message], _ = written(answer(part, "a", reasoning_details=details), quirks=ROUTER)
    assert (message["reasoning"], message["reasoning_details"]) == ("t", details)


def test_googles_signatures_go_to_google_alone() -> None:
    """On a call and on a message; other hosts know no such members."""
    signed = {"google": {"thought_signature": "dGg="}}
    stored = answer("a", call(extra_content=signed), extra_content=signed)
    [message, _], losses = written(stored, RESULT, quirks=GOOGLE)
    assert message["tool_calls"][0]["extra_content"] == message["extra_content"] == signed
    assert losses == []
    [message, _], losses = written(stored, RESULT)
    assert message.keys() == {"role", "content", "tool_calls"}
    assert message["tool_calls"][0].keys() == {"id", "type", "function"}
    assert losses == [
        (LossCode.REASONING_OPAQUE_DROPPED, "/messages/1/parts/1"),
        (LossCode.REASONING_OPAQUE_DROPPED, "/messages/1"),
    ]


def test_others_parts_are_left_out_of_answers_alone() -> None:
    """What a user said in another protocol is refused by its place."""
    part = OpaquePart(protocol="anthropic", kind="server_tool_use", value={"type": "server_tool_use"})
    assert written(answer("a", part, protocol="anthropic")) == (
        [{"role": "assistant", "content": "a"}],
        [(LossCode.BUILTIN_UNTRANSLATABLE, "/messages/1/parts/1")],
    )
    with pytest.raises(UnsupportedParameter) as refused:
        written(Message(role="user", parts=(TextPart(text="a"), part), protocol="anthropic"))
    assert refused.value.pointer == "/messages/1/parts/1"


def test_words_are_written_once_for_a_target() -> None:
    """What earlier calls were told is told again in the same bytes; what loses something is not kept, nor tools."""
    memo = Memo()
    details = TextPart(text="a", provider_details={"own": 1})
    foreign = Message(role="user", parts=(details,), protocol="anthropic")
    result = ToolResultPart(call_id="call_1", content=(TextPart(text="r"),))
    messages = (
        HELLO,
        answer("hello", annotations=[]),
        foreign,
        answer(call()),
        Message(role="tool", parts=(result,), protocol="openai"),
    )
    invocation = ChatInvocation(model="m", wire="openai", messages=messages, stored=True, memo=memo)

    first = PROVIDER.build_request(invocation, target())
    assert [message for message, _ in memo.words.values()] == list(messages[:2])
    second = PROVIDER.build_request(invocation, target())
    assert second == first
    assert [before is after for before, after in zip(first.history, second.history, strict=True)][:2] == [
        True,
        True,
    ]
    assert [(loss.code, loss.pointer) for loss in second.losses] == [
        (LossCode.DETAILS_DROPPED, "/messages/2/parts/0"),
    ]


def test_nothing_is_remembered_for_a_host_that_looks_back() -> None:
    """Where an answer goes between a result and a user's words, what is written depends on what came before."""
    memo = Memo()
    invocation = ChatInvocation(model="m", wire="openai", messages=(HELLO,), stored=True, memo=memo)
    PROVIDER.build_request(invocation, target(OpenAiQuirks(user_after_tool=False)))
    assert not memo.count


@pytest.mark.parametrize("place", [0, 1])
def test_what_names_no_dialect_is_written_for_each_call(place: int) -> None:
    """It is of the dialect of the call that tells it, and what comes behind it is none the worse for that."""
    part = TextPart(text="a", provider_details={"own": 1})
    said = [HELLO, answer("hello"), HELLO]
    said.insert(place, Message(role="user", parts=(part,)))
    memo = Memo()
    for wire in ("openai", "anthropic", "openai"):
        invocation = ChatInvocation(model="m", wire=wire, messages=tuple(said), stored=True)
        afresh = PROVIDER.build_request(invocation, target())
        again = PROVIDER.build_request(structs.replace(invocation, memo=memo), target())
        assert (again.body, again.losses) == (afresh.body, afresh.losses)
        assert (b'"own":1' in again.body) == (wire == "openai")


def test_media_that_are_remembered_count() -> None:
    """They are in what was written, and in the message that they were brought back for."""
    picture = MediaPart(kind="image", base64="A" * 10_000, media_type="image/png")
    shown = Message(role="user", parts=(picture,), protocol="openai")
    result = ToolResultPart(call_id="call_1", content=(picture,))
    messages = (shown, answer(call()), Message(role="tool", parts=(result,), protocol="openai"), HELLO)
    for count, size in ((2, 20_000), (4, 40_000)):
        memo = Memo()
        invocation = ChatInvocation(model="m", wire="openai", messages=messages[:count], stored=True)
        PROVIDER.build_request(structs.replace(invocation, memo=memo), target())
        assert size < memo.size < size + 2_000
