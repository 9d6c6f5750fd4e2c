"""Conversations that outgrow a window: what is told, what never goes, and that nothing is ever deleted."""

import json
from typing import Any

import pytest
from llmgw.accounting.tokens import TokenCounter
from llmgw.gateway.summaries import Ask
from llmgw.state.connection import State
from llmgw.types.completion import Completion, fold
from llmgw.types.context import ContextOptions, Policy
from llmgw.types.context_errors import ContextTooLong
from llmgw.types.errors import ProviderFailed
from llmgw.types.event import ChoiceEnd, Finish, Start, TextDelta
from llmgw.types.invocation import ChatInvocation, FunctionTool, Sampling
from llmgw.types.json import encode
from llmgw.types.message import Message, Role, TextPart
from llmgw.types.target import Target
from msgspec.structs import replace
from tests.cross.targets import PLACES
from tests.integration.context.stage import Worker, play, user
from tests.integration.portability.telling import told

C = "long"
READERS = {
    place.row: place.target for place in reversed(PLACES) if place.row in {"openai", "anthropic", "gemini"}
}
PARAGRAPH = "The tide came in over the flats and the boats rose with it, one after the other. " * 4
WINDOW = 2000
COUNTER = TokenCounter()
TOOL = FunctionTool(name="look_up", description="Looks a word up.", parameters={"type": "object"})
GO_ON = ContextOptions(id=C)

each_reader = pytest.mark.parametrize("reader", READERS)


def windowed(reader: str, window: int = WINDOW) -> Target:
    """A model with a small window."""
    return replace(READERS[reader], window=window)


def said(role: Role, text: str) -> Message:
    """A turn of words."""
    return Message(role=role, parts=(TextPart(text=text),))


async def filled(worker: Worker, **policy: Any) -> list[str]:
    """Store instructions, a pinned word, questions and answers: more than fits; returns their texts."""
    await worker.library.create(worker.actor, ContextOptions(id=C, policy=Policy(**policy)))
    turns = [
        (said("system", "Be careful."), False),
        (said("user", "The first question."), False),
        (said("assistant", "The first answer."), False),
        (said("user", "PINNED: my name is Ada."), True),
        (said("assistant", "I see."), False),
    ]
    for number in range(15):
        turns.append((said("user", f"question {number}: {PARAGRAPH}"), False))
        turns.append((said("assistant", f"answer {number}: {PARAGRAPH}"), False))
    opened = await worker.lease(C)
    for message, pinned in turns:
        opened.said.append(worker.contexts.draft(opened, message, pinned=pinned))
    await worker.contexts.commit(opened, opened.said)
    return await worker.texts(C)


def asking(most: int = 300) -> ChatInvocation:
    """A call that leaves room for so long an answer."""
    return ChatInvocation(
        model="any",
        wire="openai",
        messages=(user("What is my name?"),),
        tools=(TOOL,),
        sampling=Sampling(max_output_tokens=most),
    )


def texts(protocol: str, body: bytes) -> list[tuple[str, str]]:
    """Role and text of each message of a request; instructions are `system`'s."""
    document = json.loads(body)
    match protocol:
        case "openai":
            return [(each["role"], each["content"]) for each in document["messages"]]
        case "anthropic":
            system = [("system", block["text"]) for block in document.get("system", ())]
            turns = [
                (each["role"], block["text"]) for each in document["messages"] for block in each["content"]
            ]
            return [*system, *turns]
        case _:
            system = [
                ("system", part["text"]) for part in document.get("systemInstruction", {}).get("parts", ())
            ]
            turns = [(each["role"], part["text"]) for each in document["contents"] for part in each["parts"]]
            return [*system, *turns]


async def fails(_: ChatInvocation) -> Completion:
    """No summary is to be had."""
    raise ProviderFailed("the provider is down")


def answers(text: str) -> Ask:
    """Sum up in these words."""

    async def ask(_: ChatInvocation) -> Completion:
        return fold(
            [
                Start(id="s", model="m", created=1, protocol="openai"),
                TextDelta(text=text),
                ChoiceEnd(reason="stop", native_reason="stop"),
                Finish(),
            ]
        )

    return ask


@each_reader
@pytest.mark.parametrize("most", [300, 900])
def test_what_must_stay_stays(store_url: str, reader: str, most: int) -> None:
    """Instructions, pins, the first unit and the last survive `middle_out`; tools and the answer have room."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        before = await filled(worker, fit="middle_out", keep_first=1)
        report, body = await told(worker, windowed(reader), asking(most), GO_ON)
        seen = texts(reader, body)
        words = [text for _, text in seen]
        assert seen[0] == ("system", "Be careful.")
        assert {"The first question.", "PINNED: my name is Ada."} <= set(words)
        assert words[-1] == "What is my name?"
        assert next(role for role, _ in seen if role != "system") == "user"
        assert 0 < len(words) < len(before)
        assert (report.fit, report.verdict) == ("middle_out", "degraded")
        assert "window.trimmed" in {loss.code for loss in report.losses}
        taken = sum(
            COUNTER.message(turn.message, "gpt-5.2")
            for turn in await worker.turns(C)
            if any(first <= turn.seq <= last for first, last in report.sent)
        )
        assert taken <= WINDOW - most - len(encode([TOOL]))
        assert report.tokens is not None
        assert taken <= report.tokens.estimated <= WINDOW - most - len(encode([TOOL]))
        assert (await worker.texts(C))[: len(before)] == before

    play(store_url, scene)


@each_reader
@pytest.mark.parametrize("ask", [fails, answers(""), answers(" \n")], ids=["fails", "empty", "blank"])
def test_a_summary_that_cannot_be_had(store_url: str, reader: str, ask: Ask) -> None:
    """The oldest units are left out instead, and said to be; no turn is deleted, and none is made of nothing."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        before = await filled(worker, fit="summarise", summary_alias="any")
        report, body = await told(worker, windowed(reader), asking(), GO_ON, ask=ask)
        assert (report.fit, report.verdict) == ("drop_oldest", "degraded")
        assert "window.trimmed" in {loss.code for loss in report.losses}
        assert texts(reader, body)[-1][1] == "What is my name?"
        assert await worker.texts(C) == [*before, "What is my name?", "Done."]
        assert all(turn.compaction is None for turn in await worker.turns(C))

    play(store_url, scene)


@each_reader
def test_a_summary_is_told_by_any_model(store_url: str, reader: str) -> None:
    """In place of what it sums up, which stays stored; pinned turns and instructions are told themselves."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        before = await filled(worker, fit="summarise", summary_alias="any")
        ask = answers("SUMMED UP: there were boats.")
        report, body = await told(worker, windowed(reader), asking(), GO_ON, ask=ask)
        words = [text for _, text in texts(reader, body)]
        assert (report.fit, report.verdict) == ("summarise", "degraded")
        assert {loss.code for loss in report.losses} >= {"window.summarised"}
        assert "window.trimmed" not in {loss.code for loss in report.losses}
        assert any("SUMMED UP: there were boats." in text for text in words)
        assert {"Be careful.", "PINNED: my name is Ada."} <= set(words)
        assert not [text for text in words if text.startswith("question 0:")]
        after = await worker.texts(C)
        assert after[: len(before)] == before
        assert after[len(before) :] == ["What is my name?", "SUMMED UP: there were boats.", "Done."]

    play(store_url, scene)


@each_reader
@pytest.mark.parametrize("fit", ["error", "drop_oldest", "middle_out", "summarise"])
def test_what_cannot_fit_is_refused(store_url: str, reader: str, fit: str) -> None:
    """413 before anything is sent where what must stay is too much, or no cut is allowed; nothing is stored."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        before = await filled(worker, fit=fit, summary_alias="any")
        window = WINDOW if fit == "error" else 320
        with pytest.raises(ContextTooLong):
            await told(worker, windowed(reader, window), asking(), GO_ON, ask=fails)
        assert await worker.texts(C) == before

    play(store_url, scene)
