"""Usage that no provider reported is counted from what was said and what came back."""

from typing import Any, Final

import pytest
from llmgw.accounting.calibration import Calibration
from llmgw.accounting.counted import Heard, counted
from llmgw.accounting.tokens import TokenCounter
from llmgw.types.completion import fold, unfold
from llmgw.types.event import (
    ChoiceEnd,
    Finish,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
    Vectors,
)
from llmgw.types.invocation import ChatInvocation, CountInvocation, EmbeddingInvocation, Sampling
from llmgw.types.message import Message, OpaquePart, TextPart
from tests.unit.routing.targets import target

COUNTER: Final = TokenCounter()
GPT: Final = target("openai/gpt-4o")
CLAUDE: Final = target("anthropic/claude-sonnet-4-5")
WORDS: Final = "Whoever wants to know what an answer costs that broke off must count what came of it."


def chat(text: str = "hello there", **members: Any) -> ChatInvocation:
    """A conversation of one message."""
    said = (Message(role="user", parts=(TextPart(text=text),)),)
    return ChatInvocation(model="a", wire="openai", messages=said, **members)


def used(invocation: Any, *events: StreamEvent, at: Any = GPT, known: Calibration | None = None) -> Usage:
    """What is counted."""
    return counted(COUNTER, known or Calibration(), invocation, Heard.of(events), at)


def tokens(text: str) -> int:
    """Those of a text."""
    return COUNTER.text(text, "gpt-4o")


def test_pieces_count_as_the_text_they_are() -> None:
    """However a stream cuts words, and whatever comes between; each choice by itself."""
    pieces = [TextDelta(text=letter, choice=choice) for letter in WORDS for choice in (0, 1)]
    found = used(chat(), *pieces)
    assert found == Usage(input_tokens=COUNTER.chat(chat(), "gpt-4o"), output_tokens=2 * tokens(WORDS))


def test_what_is_longer_than_any_answer_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without end is kept up to its bound, and counted by what is known of its beginning."""
    monkeypatch.setattr("llmgw.accounting.counted._MOST", 4 * len(WORDS))
    heard = Heard()
    read: list[str] = []
    count = COUNTER.text

    def noted(text: str, model: str) -> int:
        read.append(text)
        return count(text, model)

    monkeypatch.setattr(COUNTER, "text", noted)
    for _ in range(1_000):
        heard.add([TextDelta(text=WORDS), ToolCallDelta(index=0, id="c", name="find", arguments=WORDS)])
    assert heard.more
    found = heard.tokens(COUNTER, "gpt-4o")
    assert sum(map(len, read)) <= 6 * len(WORDS) + len("find")
    assert found == pytest.approx(2_000 * tokens(WORDS), rel=0.02)
    heard.add([UsageReport(usage=Usage(output_tokens=1))])
    assert not heard.more


def test_all_that_is_shown_counts() -> None:
    """Thoughts, refusals, calls of tools by name and arguments, and what only one protocol knows."""
    found = used(
        chat(),
        Start(id="i", model="m", created=0),
        ReasoningDelta(text="Hm, let me see."),
        RefusalDelta(text="I will not."),
        ToolCallDelta(index=0, id="c", name="look", arguments='{"at":'),
        ToolCallDelta(index=0, name="look", arguments=' "it"}'),
        Opaque(value=OpaquePart(protocol="p", kind="k", value={"a": 1})),
    )
    parts = (
        tokens("Hm, let me see.")
        + tokens("I will not.")
        + tokens("look")
        + tokens('{"at": "it"}')
        + tokens('{"a":1}')
    )
    assert found.output_tokens == parts + 7


def test_a_whole_answer_counts_as_its_stream() -> None:
    """The same tokens, were it read at once."""
    events: list[StreamEvent] = [
        Start(id="i", model="m", created=0),
        *(TextDelta(text=letter) for letter in WORDS),
        ToolCallDelta(index=0, id="c", name="look", arguments="{}"),
        ChoiceEnd(reason="stop", native_reason="stop"),
        Finish(),
    ]
    assert used(chat(), *events) == used(chat(), *unfold(fold(events)))


def test_nothing_came_of_it() -> None:
    """The input is counted all the same, what a prompt version says before it included."""
    before = (Message(role="system", parts=(TextPart(text=WORDS),)),)
    found = used(chat(preamble=before))
    assert (found.output_tokens, found.input_tokens) == (
        0,
        COUNTER.chat(chat(), "gpt-4o") + COUNTER.message(before[0], "gpt-4o"),
    )


def test_other_makers_models_count_a_fifth_more() -> None:
    """Their vocabularies are not published; what they reported before goes before that."""
    text = WORDS * 30
    plain, foreign = (
        used(chat(text), TextDelta(text=WORDS)),
        used(chat(text), TextDelta(text=WORDS), at=CLAUDE),
    )
    assert foreign.input_tokens == -(-12 * (plain.input_tokens or 0) // 10)
    assert foreign.output_tokens == -(-12 * (plain.output_tokens or 0) // 10)
    known = Calibration()
    known.learn(CLAUDE.name, len(text), len(text) // 2)
    known.learn(GPT.name, len(text), len(text) // 2)
    assert used(chat(text), at=CLAUDE, known=known).input_tokens == len(text) // 2
    assert used(chat(text), known=known).input_tokens == plain.input_tokens
    # So few words tell less of their ratio than of their frame.
    assert used(chat(), at=CLAUDE, known=known) == used(chat(), at=CLAUDE)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [(WORDS, tokens(WORDS)), ([WORDS, "a"], tokens(WORDS) + 1), ([1, 2, 3], 3), ([[1], [2]], 2)],
)
def test_embeddings_count_their_texts(inputs: Any, expected: int) -> None:
    """Token ids are as many tokens as they are."""
    found = used(EmbeddingInvocation(model="a", wire="openai", inputs=inputs), Vectors(items=()))
    assert (found.input_tokens, found.output_tokens) == (expected, 0)


def test_counting_uses_nothing() -> None:
    """A question of how many tokens there are costs none."""
    assert used(CountInvocation(model="a", wire="w", chat=chat())).input_tokens == 0


def test_what_comes_after_a_report_of_usage_is_more() -> None:
    """A report covers what came before it, whatever it says; what is no content is nothing more."""
    heard = Heard()
    steps: list[list[StreamEvent]] = [
        [],
        [UsageReport(usage=Usage(output_tokens=1)), TextDelta(text="so far")],
        [UsageReport(usage=Usage(output_tokens=2)), ChoiceEnd(reason="stop", native_reason="stop")],
        [ToolCallDelta(index=0, name="f", arguments="{}")],
    ]
    found = []
    for events in steps:
        heard.add(events)
        found.append(heard.more)
    assert found == [False, True, False, True]


def test_no_more_is_counted_than_was_asked_for() -> None:
    """Of all answers together."""
    bounded = chat(sampling=Sampling(max_output_tokens=3))
    assert used(bounded, TextDelta(text=WORDS)).output_tokens == 3
    two = chat(sampling=Sampling(max_output_tokens=3, n=2))
    assert used(two, TextDelta(text=WORDS)).output_tokens == 6
