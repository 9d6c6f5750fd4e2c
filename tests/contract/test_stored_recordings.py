"""Every recorded answer that is stored as it was folded can be told again: to its maker as to the other protocols.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from typing import Any, Final

import pytest
from llmgw.providers import PROVIDERS
from llmgw.providers.framing import framer
from llmgw.simulator.anthropic import strict as strict_anthropic
from llmgw.simulator.anthropic import strict_messages
from llmgw.simulator.gemini import strict as strict_gemini
from llmgw.types import json
from llmgw.types.completion import Completion, fold
from llmgw.types.errors import ProviderError, UnsupportedParameter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Message, OpaquePart, TextPart, ToolCallPart, ToolResultPart
from msgspec import structs
from tests.contract.recordings import FOLDER, records
from tests.cross import told
from tests.cross.losses import Account
from tests.cross.stored_conversations import asking
from tests.cross.targets import PLACES, Place
from tests.fuzz.facts import asked, target

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

PROTOCOLS: Final = {
    "chat": "openai",
    "messages": "anthropic",
    "generate": "gemini",
    "generate-stream": "gemini",
}
"""By the kind of exchange."""
HELLO: Final = Message(role="user", parts=(TextPart(text="hi"),), protocol="openai")
BETA: Final = frozenset({"advisor_tool_result", "compaction", "fallback", "mcp_tool_result", "mcp_tool_use"})
"""Parts that the vendor takes with the headers alone with which it gave them."""
ANSWERS_ONLY: Final = frozenset({"container", "channel", "token_id", "index", "audio"})
"""Members that say nothing a request could say again, or, of a sound, all but its id."""
NOTED_OTHERWISE: Final = frozenset({"executed_tools", "extra_content", "thought_signature"})
"""Members with a worse code than that of a member that is left out."""
BAD_NAMES: Final = frozenset({367, 368})
"""Answers that call a function `0`, which Gemini refuses."""


def completion_of(record: dict[str, Any]) -> Completion | None:
    """A recorded answer; None of one that is none."""
    protocol, body = PROTOCOLS[record["api"]], (record.get("body") or "").encode()
    parser = PROVIDERS[protocol].parser(
        asked(ChatInvocation, "openai", stream=record["stream"]), target(protocol)
    )
    framing = framer("sse" if record["stream"] else "whole")
    try:
        events = [event for frame in (*framing.feed(body), *framing.close()) for event in parser.feed(frame)]
        return fold([*events, *parser.end()])
    except ProviderError:
        return None


def going_on(message: Message) -> tuple[Message, ...]:
    """A conversation in which an answer is followed by the results of its calls, or by a word."""
    results = tuple(
        ToolResultPart(call_id=part.id, content=(TextPart(text="done"),))
        for part in message.parts
        if isinstance(part, ToolCallPart)
    )
    following = results or (TextPart(text="go on"),)
    return (HELLO, message, Message(role="user", parts=following, protocol="openai"))


def fault(place: Place, message: Message) -> str | None:
    """What is wrong with how an answer is told to a place; None where nothing is."""
    invocation = asking(going_on(message), "openai")
    protocol = place.target.protocol
    try:
        request = PROVIDERS[protocol].build_request(invocation, place.target)
    except UnsupportedParameter as refused:
        return str(refused)
    body = json.decode(request.body)
    beta = any(isinstance(part, OpaquePart) and part.kind in BETA for part in message.parts)
    refusal = (
        strict_anthropic.violation(body, beta=True)
        if beta and protocol == "anthropic"
        else place.violation(body)
    )
    if refusal is not None:
        return refusal
    silent = [
        each
        for each in Account(protocol, body, request.losses).silent(invocation)
        if each.rpartition(" ")[2] not in ANSWERS_ONLY | NOTED_OTHERWISE
    ]
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    if [(part.name, told.arguments(part.arguments)) for part in calls] != [
        (call.name, call.arguments) for call in told.calls(protocol, body)
    ]:
        silent.append("calls")
    return "; ".join(silent) or None


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.row}/{place.model}")
def test_recorded_answers_are_told_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the grammar of every target, with nothing silently lost; real signatures count as the simulator's own."""
    monkeypatch.setattr(strict_messages, "is_signed", lambda *_: True)
    monkeypatch.setattr(strict_messages, "is_concealed", lambda *_: True)
    monkeypatch.setattr(strict_gemini, "_is_valid", lambda *_: True)
    faults: dict[int, str] = {}
    answers = 0
    for record in records(*PROTOCOLS):
        completion = completion_of(record) if record["status"] < 400 else None
        for choice in completion.choices if completion is not None else ():
            answers += 1
            message = structs.replace(choice.message, protocol=PROTOCOLS[record["api"]])
            found = fault(place, message)
            if found is not None:
                faults[record["id"]] = found
    refused = BAD_NAMES if place.target.protocol == "gemini" else frozenset()
    assert faults.keys() == refused, faults
    assert answers > 3000
