"""What providers report of calls teaches how many tokens words are, and how far that was off."""

from typing import Any

import pytest
from llmgw.accounting.calibration import Calibration, words_of
from llmgw.types import json
from llmgw.types.context import ContextOptions
from llmgw.types.invocation import (
    CallOptions,
    ChatInvocation,
    CountInvocation,
    EmbeddingInvocation,
    FunctionTool,
    JsonObjectFormat,
    OpaqueTool,
)
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

LONG = TextPart(text="x" * 2000)


def chat(*parts: Part, **members: Any) -> ChatInvocation:
    """A conversation of one message."""
    return ChatInvocation(model="a", wire="openai", messages=(Message(role="user", parts=parts),), **members)


def learned(*calls: tuple[Any, int | None]) -> Calibration:
    """What is known of a model after some calls."""
    calibration = Calibration()
    for invocation, reported in calls:
        calibration.learn_from("p/m", invocation, reported)
    return calibration


def test_the_error_is_how_far_estimates_were_off() -> None:
    """Each call is compared with what was known before it, and counts a fifth."""
    calibration = learned((chat(LONG), 500))
    first = calibration.known("p/m")
    assert first is not None
    assert (first.ratio, first.error, first.error_pct, first.samples) == (0.25, None, None, 1)
    calibration.learn_from("p/m", chat(LONG), 1000)
    second = calibration.known("p/m")
    assert second is not None
    assert (second.ratio, second.error, second.error_pct, second.samples) == (0.3, 0.5, 50.0, 2)
    calibration.learn_from("p/m", chat(LONG), 600)
    assert second.error == pytest.approx(0.4)
    assert second.samples == 3
    assert [name for name, _ in calibration.all()] == ["p/m"]


@pytest.mark.parametrize(
    ("invocation", "reported"),
    [
        (chat(LONG), None),
        (chat(LONG), 0),
        (chat(TextPart(text="short")), 9),
        (chat(LONG, stored=True), 500),
        (chat(LONG, options=CallOptions(context=ContextOptions(id="c"))), 500),
        (chat(LONG, MediaPart(kind="image", url="https://a/b")), 500),
        (chat(LONG, passthrough={"web_search_options": {}}), 500),
        (chat(LONG, tools=(OpaqueTool(protocol="p", kind="web_search", value={}),)), 500),
        (chat(*[TextPart(text="x")]), 500),
        (ChatInvocation(model="a", wire="w", messages=(Message(role="user", parts=(LONG,)),) * 65), 30_000),
        (EmbeddingInvocation(model="a", wire="openai", inputs="x" * 2000), 500),
        (CountInvocation(model="a", wire="w", chat=chat(LONG)), 500),
    ],
)
def test_what_is_more_than_words_teaches_nothing(invocation: Any, reported: int | None) -> None:
    """Nor what is less than tells anything, nor what no provider reported."""
    assert learned((invocation, reported)).known("p/m") is None


def test_all_words_count() -> None:
    """Of texts, calls, results, documents that are text, a prompt version, the form of the answer, and tools."""
    tool = FunctionTool(name="look", parameters={"type": "object"})
    parts: tuple[Part, ...] = (
        TextPart(text="four"),
        RefusalPart(text="no"),
        ToolCallPart(id="c", name="look", arguments="{}"),
        ToolResultPart(call_id="c", content=(TextPart(text="found"),)),
        MediaPart(kind="file", text="plain"),
    )
    assert words_of(chat(*parts)) == 4 + 2 + 6 + 5 + 5
    before = (Message(role="system", parts=(TextPart(text="be kind"),)),)
    form = JsonObjectFormat()
    told = chat(*parts, LONG, preamble=before, tools=(tool,), output_format=form)
    assert words_of(told) == 22 + 2000 + 7 + len(json.encode((tool,))) + len(json.encode(form))


def test_where_tools_are_most_of_it_words_tell_nothing() -> None:
    """Models are told about tools in other words than those of the request."""
    tool = FunctionTool(name="look", parameters={"type": "object"})
    size = len(json.encode((tool,)))
    assert words_of(chat(TextPart(text="x" * (3 * size)), tools=(tool,))) == 4 * size
    assert words_of(chat(TextPart(text="x" * (3 * size - 1)), tools=(tool,))) is None


@pytest.mark.parametrize(
    "part",
    [
        ReasoningPart(text="hm"),
        OpaquePart(protocol="p", kind="k", value=1),
        MediaPart(kind="audio", base64="AAAA"),
        ToolResultPart(call_id="c", content=(MediaPart(kind="image", url="https://a/b"),)),
    ],
)
def test_what_is_no_words_has_no_number(part: Part) -> None:
    """In a message as in what a prompt version says before it."""
    assert words_of(chat(part)) is None
    assert words_of(chat(TextPart(text="x"), preamble=(Message(role="user", parts=(part,)),))) is None
