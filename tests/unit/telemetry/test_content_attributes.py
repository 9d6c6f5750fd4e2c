"""Words on spans: the conventions' JSON, whole or cut, and none where none may be told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.redaction.cutting import CUT
from llmgw.telemetry.bounds import MAX_ATTRIBUTE_BYTES
from llmgw.telemetry.content_attributes import content_attributes
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.call import Call
from llmgw.types.content import CaptureLevel
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.secret_samples import PERSONAL, WHEREVER
from tests.traced_calls import captured

TOKEN = WHEREVER["github_token"]
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=40).flatmap(
    lambda text: st.integers(1, 600).map(lambda times: text * times)
)
parts: st.SearchStrategy[Part] = st.one_of(
    texts.map(lambda text: TextPart(text=text)),
    texts.map(lambda text: ReasoningPart(text=text)),
    texts.map(lambda text: ToolCallPart(id=text, name=text, arguments=text)),
    texts.map(lambda text: ToolResultPart(call_id=text, content=(TextPart(text=text),) * 3)),
    texts.map(lambda text: OpaquePart(protocol="p", kind=text, value=text)),
    texts.map(lambda text: MediaPart(kind="file", text=text, media_type=text)),
    texts.map(lambda text: MediaPart(kind="image", base64=text)),
    texts.map(lambda text: MediaPart(kind="image", url=text)),
)
messages = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]),
        parts=st.lists(parts, max_size=80).map(tuple),
        name=st.none() | texts,
    ),
    max_size=12,
)


def said(call: Call) -> dict[str, Any]:
    """The JSON of the attributes, read by another reader."""
    return {
        name: json.loads(str(value))
        for name, value in content_attributes(call).items()
        if name.startswith("gen_ai.") and value is not None
    }


def test_the_words_of_a_call_are_the_conventions_messages() -> None:
    """System instructions apart, tools by their call and response, media without their bytes."""
    told = [
        Message(role="user", parts=(TextPart(text="Look."), MediaPart(kind="image", base64="AAAA"))),
        Message(role="assistant", parts=(ToolCallPart(id="c1", name="look", arguments='{"at": 1}'),)),
        Message(role="tool", parts=(ToolResultPart(call_id="c1", content=(TextPart(text="a cat"),)),)),
    ]
    call = captured(told=told, answer=(ReasoningPart(text="hm"), TextPart(text="A cat.")))
    assert said(call) == {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.input.messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "Look."},
                    {"type": "blob", "modality": "image", "content": "", "characters": 4},
                ],
            },
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}}],
            },
            {
                "role": "tool",
                "parts": [
                    {
                        "type": "tool_call_response",
                        "id": "c1",
                        "response": [{"type": "text", "content": "a cat"}],
                    }
                ],
            },
        ],
        "gen_ai.output.messages": [
            {
                "role": "assistant",
                "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "A cat."}],
                "finish_reason": "stop",
            }
        ],
    }
    facts = content_attributes(call)
    assert (facts["llmgw.content.ref"], facts["llmgw.truncated"]) == ("call_1", None)


@pytest.mark.parametrize("level", ["none", "metadata"])
def test_no_words_where_none_may_be_told(level: CaptureLevel) -> None:
    """Even were they there."""
    assert content_attributes(captured(level)) == {}


def test_secrets_and_personal_data_are_gone_before_anything_is_cut() -> None:
    """In words, in arguments by their names, and of a secret that ends where the text is cut nothing is left."""
    told = [
        Message(role="user", parts=(TextPart(text=f"{TOKEN} {PERSONAL['email'][0]}"),)),
        Message(role="assistant", parts=(ToolCallPart(id="c", name="n", arguments='{"password": "x y"}'),)),
        *(
            Message(role="user", parts=(TextPart(text="a" * (MAX_ATTRIBUTE_BYTES - 60 - at) + TOKEN),))
            for at in range(3)
        ),
    ]
    for each in told:
        text = str(content_attributes(captured("redacted", told=[each]))["gen_ai.input.messages"])
        assert TOKEN[:12] not in text
        assert "x y" not in text
        assert PERSONAL["email"][0] not in text


def test_the_newest_messages_are_told_where_not_all_have_room() -> None:
    """A mark stands for the others; the one that is cut keeps its beginning."""
    told = [Message(role="user", parts=(TextPart(text=f"{number} " + "x" * 3000),)) for number in range(6)]
    call = captured(told=told, answer=(TextPart(text="y" * 20_000),))
    found = said(call)["gen_ai.input.messages"]
    assert found[0] == {"role": "system", "parts": [{"type": "truncated"}]}
    assert [message["parts"][0]["content"].split()[0] for message in found[1:]] == ["3", "4", "5"]
    assert found[1]["parts"][0]["content"].endswith(CUT)
    answer = said(call)["gen_ai.output.messages"][0]["parts"][0]["content"]
    assert answer.startswith("yyyy")
    assert answer.endswith(CUT)
    assert content_attributes(call)["llmgw.truncated"] is True


@given(messages, st.sampled_from(["redacted", "full"]))
def test_whatever_is_said_the_attributes_are_json_within_the_bound(
    told: list[Message], level: CaptureLevel
) -> None:
    """Lone surrogates, long lists of parts, huge texts."""
    call = captured(level, told=told, answer=told[0].parts if told else ())
    for name, value in content_attributes(call).items():
        if name.startswith("gen_ai.") and value is not None:
            assert len(str(value).encode()) <= MAX_ATTRIBUTE_BYTES
    assert all(isinstance(value, list) for value in said(call).values())


def test_the_words_are_on_the_logical_call_alone() -> None:
    """Not on the request, and not on its attempts."""
    spans = TraceBuilder("1", {}).trace(captured())
    with_words = {span.name for span in spans if "gen_ai.input.messages" in (span.attributes or {})}
    assert with_words == {"chat gpt-5"}
