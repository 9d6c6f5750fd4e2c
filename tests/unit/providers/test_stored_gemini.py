"""Stored conversations for Gemini: its own answers go back with what requests take of them."""

from typing import Any

import pytest
from llmgw.providers.gemini.protocol import PROVIDER
from llmgw.types import json
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.loss import LossCode
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    Seal,
    TextPart,
    ToolCallPart,
)
from tests.contract.gemini_exchange import asked, target

HELLO = Message(role="user", parts=(TextPart(text="hi"),), protocol="openai")
SIGNED = Seal(protocol="gemini", value="c2ln")
OWN = {"partMetadata": {"a": 1}}
MORE = {**OWN, "invented": 1}


def answer(*parts: Part, protocol: str = "gemini", **details: Any) -> Message:
    """A stored answer."""
    return Message(role="assistant", parts=parts, protocol=protocol, provider_details=details)


def written(
    *messages: Message, kind: str = "gemini", wire: str = "openai"
) -> tuple[list[Any], list[tuple[LossCode, str]]]:
    """What messages become behind a greeting and before another, and what they lose."""
    request = PROVIDER.build_request(
        asked(HELLO, *messages, HELLO, wire=wire, stored=True), target(kind=kind)
    )
    losses = [(loss.code, loss.pointer) for loss in request.losses]
    return json.decode(request.body)["contents"][1:-1], losses


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_own_answers_go_back_with_their_members(wire: str) -> None:
    """Those that requests have too; what else an answer said is noted."""
    parts = (
        ReasoningPart(text="r", member="thinking", provider_details=OWN),
        TextPart(text="a", seal=SIGNED, provider_details=MORE),
        ToolCallPart(id="f1", name="f", arguments="{}", seal=SIGNED, provider_details=MORE),
        MediaPart(kind="image", base64="QUJD", media_type="image/png", provider_details=OWN),
        OpaquePart(protocol="gemini", kind="executableCode", value={"executableCode": {}, **MORE}),
    )
    contents, losses = written(answer(*parts), wire=wire)
    assert contents[0]["parts"] == [
        {"text": "r", "thought": True, **OWN},
        {"text": "a", "thoughtSignature": "c2ln", **OWN},
        {"functionCall": {"name": "f", "args": {}, "id": "f1"}, "thoughtSignature": "c2ln", **OWN},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}, **OWN},
        {"executableCode": {}, **MORE},
    ]
    assert losses == [
        (LossCode.DETAILS_DROPPED, "/messages/1/parts/1"),
        (LossCode.DETAILS_DROPPED, "/messages/1/parts/2"),
        (LossCode.TURN_SYNTHESISED, "/messages/1/parts/2"),
    ]


def test_others_answers_are_translated() -> None:
    """The same members mean nothing there."""
    contents, losses = written(answer(TextPart(text="a", provider_details=OWN), protocol="anthropic"))
    assert contents == [{"role": "model", "parts": [{"text": "a"}]}]
    assert losses == [(LossCode.DETAILS_DROPPED, "/messages/1/parts/0")]


def test_a_host_takes_back_what_it_knows() -> None:
    """Vertex AI has neither metadata of parts nor the searches of AI Studio."""
    search = OpaquePart(protocol="gemini", kind="toolCall", value={"toolCall": {}})
    message = answer(TextPart(text="a", provider_details=OWN), search)
    assert written(message)[0][0]["parts"] == [{"text": "a", **OWN}, {"toolCall": {}}]
    assert written(message, kind="vertex") == (
        [{"role": "model", "parts": [{"text": "a"}]}],
        [
            (LossCode.DETAILS_DROPPED, "/messages/1/parts/0"),
            (LossCode.BUILTIN_UNTRANSLATABLE, "/messages/1/parts/1"),
        ],
    )


def test_what_an_answer_says_beside_its_parts_is_noted() -> None:
    """A content has a role and parts, and nothing else."""
    contents, losses = written(answer(TextPart(text="a"), invented=1, nothing=None))
    assert contents == [{"role": "model", "parts": [{"text": "a"}]}]
    assert losses == [(LossCode.DETAILS_DROPPED, "/messages/1")]


def test_seals_of_gemini_come_home_from_openai_like_hosts() -> None:
    """Google's compatible endpoint and routers put them elsewhere; a stored answer has them there still."""
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    item = {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": "dGV4dA==", "index": 0}
    parts = (
        TextPart(text="a"),
        ToolCallPart(id="f1", name="f", arguments="{}", provider_details=signed),
    )
    contents, losses = written(answer(*parts, protocol="openai", reasoning_details=[item]))
    assert [part.get("thoughtSignature") for part in contents[0]["parts"]] == ["dGV4dA==", "c2ln"]
    assert losses == [(LossCode.TURN_SYNTHESISED, "/messages/1/parts/1")]


def test_others_parts_are_left_out_of_answers_alone() -> None:
    """What a user said in another protocol is refused by its place."""
    part = OpaquePart(protocol="anthropic", kind="server_tool_use", value={"type": "server_tool_use"})
    assert written(answer(TextPart(text="a"), part, protocol="anthropic")) == (
        [{"role": "model", "parts": [{"text": "a"}]}],
        [(LossCode.BUILTIN_UNTRANSLATABLE, "/messages/1/parts/1")],
    )
    with pytest.raises(UnsupportedParameter) as refused:
        written(Message(role="user", parts=(TextPart(text="a"), part), protocol="anthropic"))
    assert refused.value.pointer == "/messages/1/parts/1"
