"""Random stored conversations: what callers of both dialects said, and answers of all protocols, folded."""

from typing import Any

from hypothesis import strategies as st
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Message, TextPart, ToolCallPart, ToolResultPart
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.openai.chat import WIRE as CHAT
from msgspec import structs
from tests.cross.answers import Answer, answers
from tests.cross.anthropic_conversations import anthropic_conversations
from tests.cross.openai_conversations import openai_conversations
from tests.cross.scribe import Conversation

WIRES = {"openai": CHAT, "anthropic": MESSAGES}
CONVERSATIONS = st.one_of(openai_conversations(), anthropic_conversations())
ANSWERS = st.sampled_from(["openai", "anthropic", "gemini"]).flatmap(answers)


def decoded(conversation: Conversation) -> ChatInvocation:
    """The invocation that a request is."""
    invocation = WIRES[conversation.wire].decode_request(json.encode(conversation.body))
    assert isinstance(invocation, ChatInvocation)
    return invocation


def of_caller(conversation: Conversation) -> list[Message]:
    """The messages of a request as they are stored."""
    return [structs.replace(each, protocol=conversation.wire) for each in decoded(conversation).messages]


def of_provider(answer: Answer) -> list[Message]:
    """A question, the answer as it is stored, and the results of its calls."""
    message = fold(answer.events).choices[0].message
    results = [
        Message(
            role="tool",
            parts=(ToolResultPart(call_id=part.id, content=(TextPart(text="done"),)),),
            protocol="openai",
        )
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    asked = Message(role="user", parts=(TextPart(text="and now?"),), protocol="openai")
    return [asked, structs.replace(message, protocol=answer.protocol), *results]


def stored_conversations() -> st.SearchStrategy[tuple[Message, ...]]:
    """Whole conversations, in which every call has its result."""
    pieces = st.one_of(CONVERSATIONS.map(of_caller), ANSWERS.map(of_provider))
    return st.lists(pieces, min_size=1, max_size=4).map(
        lambda lists: tuple(message for messages in lists for message in messages)
    )


def asking(messages: tuple[Message, ...], wire: str, **members: Any) -> ChatInvocation:
    """A call over a wire that goes on with a stored conversation."""
    return ChatInvocation(model="m", wire=wire, messages=messages, stored=True, **members)
