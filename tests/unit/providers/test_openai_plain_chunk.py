"""The quick way through usual chunks reads what the long way reads."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.providers.base import Frame
from llmgw.providers.openai.chunks import ChunkParser
from llmgw.providers.openai.plain_chunk import plain_chunk
from llmgw.types import json
from llmgw.types.errors import GatewayError
from llmgw.types.event import Extra, StreamEvent, TextDelta

START = '{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}'
NAMES = (
    ("id", "object", "created", "model", "provider", "service_tier", "system_fingerprint", "p", "obfuscation",
     "usage", "choices", "x_groq", "error", "new"),
    ("index", "delta", "logprobs", "finish_reason", "native_finish_reason", "usage", "message", "new"),
    ("role", "content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call", "new",
     "cont\\u0065nt"),
)  # fmt: skip
"""Members of a chunk, of its choice, and of its delta."""
VALUES = (
    "null", "0", "1", "1.0", "-1", "9" * 30, "true", "1e999", "NaN", '""', '"x"', '"assistant"', '"stop"',
    '"\\u00e9\\n"', '"\\ud800"', "[]", '["x"]', "[{}, {}]", "{}", '{"x": 1}', '{"prompt_tokens": 1}',
    '{"content": "x"}', '[{"delta": {"content": "x"}}, {"index": 1, "delta": {}}]', "[" * 130 + "]" * 130,
)  # fmt: skip

Oddity: TypeAlias = tuple[int, str, str, bool]
"""A level, a member of it, the member's value as written, and whether it stands last, or else first."""

ODDITIES = st.integers(0, 2).flatmap(
    lambda level: st.tuples(
        st.just(level), st.sampled_from(NAMES[level]), st.sampled_from(VALUES), st.booleans()
    )
)


def chunk(text: str, *oddities: Oddity) -> str:
    """A usual chunk, but for members that stand where or as they should not, perhaps for the second time."""
    delta = members(2, f'"content": {json.encode(text).decode()}, "refusal": null', oddities)
    choice = members(1, f'"index": 1, "delta": {delta}, "logprobs": null, "finish_reason": null', oddities)
    return members(0, f'"id": "c", "service_tier": "t", "choices": [{choice}]', oddities)


def begin(*oddities: Oddity) -> str:
    """The chunk that says who speaks, with its oddities."""
    delta = members(2, '"role": "assistant", "content": "", "refusal": null', oddities)
    choice = members(1, f'"index": 1, "delta": {delta}, "finish_reason": null', oddities)
    return members(0, f'"id": "c", "created": 1, "service_tier": "t", "choices": [{choice}]', oddities)


def end(*oddities: Oddity) -> str:
    """The chunk that ends the choice, with its oddities."""
    choice = members(1, '"index": 1, "delta": {}, "finish_reason": "stop"', oddities)
    return members(0, f'"id": "c", "service_tier": "t", "choices": [{choice}]', oddities)


def count(*oddities: Oddity) -> str:
    """The chunk that says what was used, with its oddities."""
    usage = '{"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}'
    return members(0, f'"id": "c", "service_tier": "t", "choices": [], "usage": {usage}', oddities)


def members(level: int, usual: str, oddities: Iterable[Oddity]) -> str:
    """An object of the usual members and the odd ones of its level."""
    first = [f'"{name}": {value}, ' for place, name, value, last in oddities if place == level and not last]
    then = [f', "{name}": {value}' for place, name, value, last in oddities if place == level and last]
    return f"{{{''.join(first)}{usual}{''.join(then)}}}"


def long_way(chunk: str) -> str:
    """The same chunk with one more null member, which says nothing and is not of the usual ones."""
    return chunk.replace("{", '{"nothing": null, ', 1)


def read(chunks: Iterable[str]) -> tuple[list[StreamEvent], str]:
    """The events of chunks, and the error that ended them, if one did."""
    parser = ChunkParser()
    events: list[StreamEvent] = []
    try:
        for chunk in chunks:
            events += parser.feed(Frame(chunk.encode()))
        events += parser.end()
    except GatewayError as error:
        return events, repr(error)
    return events, ""


@pytest.mark.parametrize("level", range(len(NAMES)))
def test_each_oddity_is_read_the_same(level: int) -> None:
    """Each member with each value, first or last, known or not: the same events, or the same error."""
    for oddity in product((level,), NAMES[level], VALUES, (True, False)):
        chunks = [START, START, chunk("b", oddity), START]
        assert read(map(long_way, chunks)) == read(chunks), oddity


@settings(max_examples=400, deadline=None)
@given(
    pieces=st.lists(
        st.tuples(st.text(max_size=5), st.lists(ODDITIES, max_size=2) | st.just([])), min_size=1, max_size=6
    )
)
def test_both_ways_read_the_same(pieces: list[tuple[str, list[Oddity]]]) -> None:
    """Any texts and several oddities: the same events, or the same error."""
    chunks = [START, *(chunk(text, *oddities) for text, oddities in pieces)]
    assert read(map(long_way, chunks)) == read(chunks)


@pytest.mark.parametrize("level", range(len(NAMES)))
def test_what_stands_around_texts_is_read_the_same(level: int) -> None:
    """Chunks that differ in their text alone, whatever stands around it: the same events, or the same error."""
    texts = ["a", "b", '"content": "x"', '"content"', '\\"', "", "}],", "c"]
    for oddity in product((level,), NAMES[level], VALUES, (True, False)):
        chunks = [START, *(chunk(text, oddity) for text in texts)]
        assert read(map(long_way, chunks)) == read(chunks), oddity


@pytest.mark.parametrize(
    "broken",
    [
        '"a',
        "1",
        "null",
        '"a" "b"',
        '"a"}},{"delta":{"content":"b"',
        '"a","content":"b"',
        '"a","role":"user"',
        '"\\ud800"',
        '""',
        "",
    ],
)
def test_a_text_that_is_none_is_read_the_same(broken: str) -> None:
    """Between the bytes that chunks repeat stands what is not one text: as if each were read for itself."""
    chunks = [START, chunk("b"), chunk("b"), chunk("b").replace('"b"', broken), chunk("b"), end()]
    assert read([*map(long_way, chunks[:3]), long_way(chunks[3]), *chunks[4:]]) == read(chunks)


def test_another_end_of_the_same_length_is_read() -> None:
    """A chunk that begins as those before it and is as long, and yet ends its choice."""
    last = chunk("b").replace('"finish_reason": null', '"finish_reason": "xy"')
    chunks = [START, chunk("b"), chunk("b"), last]
    assert len(last) == len(chunk("b"))
    assert read(map(long_way, chunks)) == read(chunks)


@pytest.mark.parametrize("level", range(len(NAMES)))
def test_oddities_of_beginning_end_and_count_are_read_the_same(level: int) -> None:
    """The chunks around the text, each with each oddity, as the first of their kind and after others of it."""
    for oddity in product((level,), NAMES[level], VALUES, (True, False)):
        for chunks in (
            [begin(oddity), chunk("b"), end(), count()],
            [begin(), begin(oddity), chunk("b"), end(oddity), end(oddity), count(), count(oddity)],
            [end(oddity), count()],
            [count(oddity), begin(), chunk("b"), end(), count(oddity)],
        ):
            assert read(map(long_way, chunks)) == read(chunks), (oddity, chunks)


@pytest.mark.parametrize(
    "garbled", ["", "{", START[:-1], START + "x", "\ufeff" + START, "[1]", "null", "[DONE]"]
)
def test_broken_chunks_are_read_the_same(garbled: str) -> None:
    """What is no JSON object at all is an error as ever, or the end."""
    chunks = [START, START, garbled]
    assert read([*map(long_way, chunks[:2]), garbled]) == read(chunks)


@pytest.mark.parametrize(
    ("more", "of_chunk"),
    [
        ("", None),
        (',"usage":null', None),
        (
            ',"service_tier":"default","system_fingerprint":null,"obfuscation":"xY"',
            {"service_tier": "default", "obfuscation": "xY"},
        ),
        (',"provider":"Azure","system_fingerprint":"fp"', {"provider": "Azure", "system_fingerprint": "fp"}),
        (',"p":"abc"', {"p": "abc"}),
    ],
)
def test_usual_chunks_take_the_quick_way(more: str, of_chunk: dict[str, str] | None) -> None:
    """OpenAI, Groq, DeepSeek, OpenRouter and Mistral: what they repeat in each chunk rides along."""
    text = '{"role":"assistant","content":"a","reasoning_content":null}'
    body = (
        '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        f'[{{"index":1,"delta":{text},"logprobs":null,"finish_reason":null}}]{more}}}'
    )
    assert plain_chunk(body.encode()) is not None
    extra = None if of_chunk is None else Extra(chunk=of_chunk)
    expected = TextDelta(text="a", choice=1, extra=extra)
    parser = ChunkParser()
    for _ in range(2):
        parser.feed(Frame(START.encode()))
    assert [expected] == list(parser.feed(Frame(body.encode())))


def read_together(chunks: Sequence[str], event: str = "") -> tuple[list[StreamEvent], str]:
    """What `read` gives, of chunks that came together; `event` is the name of the third."""
    parser = ChunkParser()
    events: list[StreamEvent] = []
    frames = [Frame(chunk.encode(), event if place == 2 else "") for place, chunk in enumerate(chunks)]
    try:
        parser.feed_all(frames, events)
        events += parser.end()
    except GatewayError as error:
        return events, repr(error)
    return events, ""


BROKEN = (
    '"a',
    'b"',
    '"',
    '","',
    'b","c"',
    '"a","b"',
    ' "a" ',
    '"a"\n',
    '\n"a"',
    '"a\n',
    "",
    '""',
    "null",
    '"\\"',
)


@settings(max_examples=600, deadline=None)
@given(
    said=st.lists(
        st.text(max_size=5).map(chunk)
        | st.sampled_from(BROKEN).map(lambda broken: chunk("b").replace('"b"', broken))
        | st.lists(ODDITIES, max_size=1).map(lambda oddities: chunk("c", *oddities))
        | st.sampled_from((end(), count(), "[DONE]", chunk("d").replace(", ", ",\n"), "", "{}")),
        min_size=1,
        max_size=12,
    ),
    event=st.sampled_from(("", "message", "error")),
)
def test_chunks_that_come_together_are_read_the_same(said: list[str], event: str) -> None:
    """However many pieces of text there are, and whatever stands between them: as if each came by itself."""
    chunks = [START, chunk("b"), *said]
    parser = ChunkParser()
    events: list[StreamEvent] = []
    error = ""
    try:
        for place, each in enumerate(chunks):
            events += parser.feed(Frame(each.encode(), event if place == 2 else ""))
        events += parser.end()
    except GatewayError as failure:
        error = repr(failure)
    assert read_together(chunks, event) == (events, error)


def test_texts_that_come_together_are_one_run() -> None:
    """Chunks that differ in their text alone are not read one by one."""
    parser = ChunkParser()
    texts = ["a", "é", '"', "\\", "\n", "\u2028", "😀"]
    parser.feed(Frame(START.encode()))
    parser.feed(Frame(chunk("b").encode()))
    events: list[StreamEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChunkParser, "feed", None)
        parser.feed_all([Frame(chunk(text).encode()) for text in texts], events)
    assert [event.text for event in events if isinstance(event, TextDelta)] == texts
