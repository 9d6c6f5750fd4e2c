"""The quick way from events to a whole answer gives what the long way gives."""

from itertools import product

import pytest
from llmgw.types.completion import fold
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llmgw.types.message import OpaquePart, Seal
from msgspec.structs import replace

EXTRA = Extra(
    chunk={"tier": "t", "none": None},
    choice={"flags": ["a"], "word": "w", "none": None},
    delta={"notes": [], "more": {"a": 1}, "none": None},
    part={"citations": [1]},
)
STARTS = (
    Start(id="a", model="m", created=1, protocol="p"),
    Start(id="a", model="m", created=1, extra=Extra(chunk={"tier": "s", "print": "fp"})),
)
SAYINGS: tuple[StreamEvent, ...] = (
    TextDelta(text="a"),
    TextDelta(text="", choice=1, part=2),
    TextDelta(text="a", logprobs={"content": []}),
    TextDelta(text="a", extra=EXTRA),
    RefusalDelta(text="no"),
    ReasoningDelta(text="hm"),
    ToolCallDelta(index=0, id="c", name="f"),
    Opaque(value=OpaquePart(protocol="p", kind="k", value={})),
    Detail(extra=EXTRA),
    Sealed(seal=Seal(protocol="p", value="v")),
)
ENDS: tuple[StreamEvent, ...] = (
    ChoiceEnd(reason="stop", native_reason="end"),
    ChoiceEnd(reason="length", native_reason="", choice=1),
    ChoiceEnd(reason="stop", native_reason="stop", extra=EXTRA),
    ChoiceEnd(reason="stop", native_reason="stop", logprobs={"content": [1]}),
    TextDelta(text="b"),
)
COUNTS: tuple[StreamEvent, ...] = (
    UsageReport(usage=Usage(input_tokens=1)),
    UsageReport(usage=Usage(input_tokens=1), extra=EXTRA),
    TextDelta(text="c"),
)
FINISHES = (Finish(), Finish(usage=Usage(input_tokens=2), facts={"cost": 1}))


@pytest.mark.parametrize("start", STARTS)
def test_both_ways_give_the_same_answer(start: Start) -> None:
    """The usual five events, each of which may be another; from an iterator they take the long way."""
    for events in product((start,), SAYINGS, ENDS, COUNTS, FINISHES):
        assert fold(list(events), b"raw") == fold(iter(events), b"raw"), events


@pytest.mark.parametrize("missing", range(1, 5))
def test_fewer_events_give_the_same_answer(missing: int) -> None:
    """One of the usual events did not come."""
    events = [STARTS[0], SAYINGS[0], ENDS[0], COUNTS[0], FINISHES[0]]
    del events[missing]
    assert fold(events) == fold(iter(events))


def test_text_that_goes_on_is_put_where_it_belongs() -> None:
    """Pieces that repeat what stands beside them are folded as pieces that each bring their own."""
    tier, other = Extra(chunk={"tier": "t"}), Extra(chunk={"tier": "u", "more": 1})
    pool: tuple[StreamEvent, ...] = (
        TextDelta(text="a"),
        TextDelta(text="b", extra=tier),
        TextDelta(text="c", extra=other),
        TextDelta(text="d", extra=EXTRA),
        TextDelta(text="e", choice=1, extra=tier),
        TextDelta(text="f", choice=-1, part=-1),
        TextDelta(text="g", part=1),
        ReasoningDelta(text="h"),
        Detail(extra=other),
    )
    for told in product(pool, repeat=4):
        events = [STARTS[0], *told]
        apart = [_with_its_own(event) for event in events]
        assert fold(iter(events)) == fold(iter(apart)), events


def _with_its_own(event: StreamEvent) -> StreamEvent:
    """The same event beside an object that no other event has."""
    if isinstance(event, TextDelta):
        return replace(event, extra=Extra() if event.extra is None else replace(event.extra))
    return event


def test_the_answer_is_not_the_events() -> None:
    """Whoever adds to an answer's members changes no event."""
    end = ChoiceEnd(reason="stop", native_reason="stop", extra=Extra(choice={"a": [1]}, delta={"b": [2]}))
    start = Start(id="a", model="m", created=1, extra=Extra(chunk={"c": 1}))
    events: list[StreamEvent] = [start, SAYINGS[0], end, COUNTS[0], FINISHES[0]]
    completion = fold(events)
    completion.provider_details["x"] = 1
    completion.choices[0].provider_details["a"].append(1)
    completion.choices[0].message.provider_details["b"].append(1)
    assert completion != fold(events)
    assert fold(events) == fold(iter(events))
