"""Which prompt a call wants, in every dialect: read strictly, with errors that name the member."""

import json
from typing import Any

import pytest
from llmgw.types.errors import InvalidRequest, UnsupportedParameter
from llmgw.types.invocation import ChatInvocation, CountInvocation
from llmgw.types.prompt import PromptRef
from llmgw.wire.anthropic.count import WIRE as COUNT
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.base import WireFormat
from llmgw.wire.openai.chat import WIRE as CHAT
from llmgw.wire.openai.embeddings import WIRE as EMBEDDINGS
from llmgw.wire.prompt_member import named

CONVERSATIONS = (CHAT, MESSAGES, COUNT)
REF = {"id": "support/triage", "version": 7, "variables": {"text": "hi"}}


def read(wire: WireFormat, **members: Any) -> Any:
    """Read a body."""
    return wire.decode_request(json.dumps(members).encode())


@pytest.mark.parametrize("wire", CONVERSATIONS, ids=lambda wire: wire.path)
@pytest.mark.parametrize("said", [{}, {"messages": []}, {"messages": None, "model": None}])
def test_with_a_prompt_neither_model_nor_messages_are_needed(wire: WireFormat, said: dict[str, Any]) -> None:
    """The version may have both; nor is a bound of the answer needed, which the version may have too."""
    invocation = read(wire, prompt=REF, **said)
    assert invocation.options.prompt == PromptRef(name="support/triage", version=7, variables={"text": "hi"})
    chat = invocation.chat if isinstance(invocation, CountInvocation) else invocation
    assert isinstance(chat, ChatInvocation)
    assert (chat.model, chat.messages, chat.passthrough) == ("", (), {})


@pytest.mark.parametrize("wire", CONVERSATIONS, ids=lambda wire: wire.path)
def test_a_body_that_is_prompted_by_its_headers_may_leave_out_the_same(wire: WireFormat) -> None:
    """The door says so."""
    assert wire.decode_request(b"{}", prompted=True).model == ""
    with pytest.raises(InvalidRequest):
        wire.decode_request(b"{}")


@pytest.mark.parametrize("wire", CONVERSATIONS, ids=lambda wire: wire.path)
def test_it_may_stand_in_our_own_member_too(wire: WireFormat) -> None:
    """But not in both places."""
    assert read(wire, llmgw={"prompt": REF}).options.prompt.name == "support/triage"
    with pytest.raises(InvalidRequest) as refused:
        read(wire, prompt=REF, llmgw={"prompt": REF})
    assert refused.value.param == "llmgw.prompt"


@pytest.mark.parametrize(("written", "number"), [(7, 7), ("7", 7), ("1000000", 1_000_000)])
def test_a_version_may_be_digits_in_a_string(written: Any, number: int) -> None:
    """As OpenAI's clients write it."""
    assert read(CHAT, prompt={"id": "t", "version": written}).options.prompt.version == number


@pytest.mark.parametrize("wire", CONVERSATIONS, ids=lambda wire: wire.path)
@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        ("triage", "prompt"),
        ([], "prompt"),
        ({}, "prompt.id"),
        ({"id": 7}, "prompt.id"),
        ({"id": "Not A Name"}, "prompt.id"),
        ({"id": "a/b/c/d/e"}, "prompt.id"),
        ({"id": "t\n"}, "prompt.id"),
        ({"id": "t", "version": 0}, "prompt.version"),
        ({"id": "t", "version": 1.5}, "prompt.version"),
        ({"id": "t", "version": True}, "prompt.version"),
        ({"id": "t", "version": "latest"}, "prompt.version"),
        ({"id": "t", "version": "9" * 500}, "prompt.version"),
        ({"id": "t", "label": 7}, "prompt.label"),
        ({"id": "t", "label": "Pro duction"}, "prompt.label"),
        ({"id": "t", "label": "staging", "version": 7}, "prompt.label"),
        ({"id": "t", "variables": []}, "prompt.variables"),
        ({"id": "t", "variables": "x"}, "prompt.variables"),
        ({"id": "t", "role": "system"}, "prompt.role"),
    ],
)
def test_what_is_wrong_is_named(wire: WireFormat, prompt: Any, param: str) -> None:
    """By the path of the member."""
    with pytest.raises(InvalidRequest) as refused:
        read(wire, prompt=prompt)
    assert refused.value.param == param


def test_embeddings_have_no_prompt() -> None:
    """Whether the body or a header says so."""
    body: dict[str, Any] = {"model": "m", "input": "x"}
    with pytest.raises(UnsupportedParameter) as refused:
        read(EMBEDDINGS, **body, prompt=REF)
    assert refused.value.param == "prompt"
    with pytest.raises(UnsupportedParameter):
        EMBEDDINGS.decode_request(json.dumps(body).encode(), prompted=True)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("a/b", PromptRef(name="a/b")),
        ("a@7", PromptRef(name="a", version=7)),
        ("a@staging", PromptRef(name="a", label="staging")),
    ],
)
def test_a_header_names_a_prompt_in_one_word(text: str, ref: PromptRef) -> None:
    """With its version or label behind an at sign."""
    assert named(text, "x-llmgw-prompt") == ref


@pytest.mark.parametrize("text", ["", "@7", "a@", "a@0", "a@b@c", "A", "a b"])
def test_a_header_that_names_none_is_refused(text: str) -> None:
    """By its own name."""
    with pytest.raises(InvalidRequest) as refused:
        named(text, "x-llmgw-prompt")
    assert refused.value.param == "x-llmgw-prompt"
