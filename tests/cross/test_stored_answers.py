"""An answer that is stored as it was folded comes home as one does that a client has brought back."""

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from llmgw.providers import PROVIDERS
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation
from llmgw.types.loss import LossCode, codes
from llmgw.types.message import Message
from tests.cross import told
from tests.cross.answers import Answer, answers
from tests.cross.stored_conversations import asking, of_provider
from tests.cross.targets import PLACES, Place
from tests.cross.test_homecoming import HOMES, _joined, expected, heard, returned

ORDERED = {"openai": "openai", "anthropic": "anthropic", "gemini": "anthropic"}
"""By protocol, the dialect in which an answer keeps the order of its parts."""


def going_on(answer: Answer) -> tuple[Message, ...]:
    """A conversation that goes on behind the answer."""
    messages = of_provider(answer)
    return tuple(messages if messages[-1].role != "assistant" else [*messages, messages[0]])


def asked(answer: Answer, wire: str) -> ChatInvocation:
    """The call that goes on with it."""
    return asking(going_on(answer), wire)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_stored_answer_comes_home(data: st.DataObject, protocol: str, wire: str) -> None:
    """Texts, thoughts, signatures, calls and ids are as the provider gave them, whoever asks; nothing is lost."""
    answer = data.draw(answers(protocol))
    target = HOMES[protocol].target
    request = PROVIDERS[protocol].build_request(asked(answer, wire), target)
    note(request.body.decode())
    body: dict[str, Any] = json.decode(request.body)
    assert HOMES[protocol].violation(body) is None
    assert _joined(heard(protocol, body)) == expected(answer, ORDERED[protocol])
    assert heard(protocol, body) == heard(protocol, returned(answer, ORDERED[protocol], stream=False))
    # OpenAI takes no reasoning back, the tools of a history are defined, and a model's own turn may lack a seal.
    harmless = {
        LossCode.REASONING_TEXT_DROPPED,
        LossCode.TURN_SYNTHESISED,
        LossCode.REASONING_DUMMY_SIGNATURE,
    }
    assert set(codes(request.losses)) <= harmless


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.row}/{place.model}")
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stored_answer_is_told_to_others(data: st.DataObject, protocol: str, place: Place) -> None:
    """Its words and calls reach every target; its seals reach none but its own."""
    answer = data.draw(answers(protocol))
    request = PROVIDERS[place.target.protocol].build_request(asked(answer, "openai"), place.target)
    note(request.body.decode())
    body: dict[str, Any] = json.decode(request.body)
    assert place.violation(body) is None
    said = "".join(told.strings(body))
    assert all(part.text in said for part in answer.parts if part.kind == "text")
    assert [(call.name, call.arguments) for call in told.calls(place.target.protocol, body)] == [
        (part.name, part.given) for part in answer.parts if part.kind == "call"
    ]
    seals = [part.seal for part in answer.parts if part.seal is not None]
    assert all((seal.value in said) == (protocol == place.target.protocol) for seal in seals if seal.value)
