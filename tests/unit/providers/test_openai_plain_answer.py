"""The quick way through usual whole answers reads what the long way reads."""

from collections.abc import Iterable
from itertools import combinations, product
from typing import TypeAlias

import pytest
from llmgw.providers.base import Frame
from llmgw.providers.openai.answer import AnswerParser
from llmgw.providers.openai.plain_answer import plain_answer
from llmgw.types.errors import GatewayError
from llmgw.types.event import StreamEvent

NAMES = (
    ("id", "object", "created", "model", "provider", "service_tier", "system_fingerprint", "usage", "choices",
     "error", "type", "x_groq", "new"),
    ("index", "message", "logprobs", "finish_reason", "native_finish_reason", "finish_details", "new"),
    ("role", "content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call", "audio",
     "annotations", "new"),
)  # fmt: skip
"""Members of an answer, of its choice, and of its message."""
VALUES = (
    "null", "0", "1", "1.0", "-1", "9" * 30, "true", "1e999", "NaN", '""', '"x"', '"assistant"', '"stop"',
    '"error"', '"\\u00e9\\n"', '"\\ud800"', "[]", "[null]", '["x"]', "[{}, {}]", "{}", '{"x": 1}',
    '{"prompt_tokens": 1.5}', '{"prompt_tokens": 7, "completion_tokens": true}', '{"content": "x"}',
    '[{"message": {"content": "x"}}, {"index": 1, "message": {}}]', "[" * 130 + "]" * 130,
)  # fmt: skip

Oddity: TypeAlias = tuple[int, str, str, bool]
"""A level, a member of it, the member's value as written, and whether it stands last, or else first."""


def answer(*oddities: Oddity) -> str:
    """A usual answer, but for members that stand where or as they should not, perhaps for the second time."""
    message = members(2, '"role": "assistant", "content": "a", "refusal": null, "annotations": []', oddities)
    choice = members(1, f'"index": 1, "message": {message}, "finish_reason": "length"', oddities)
    usage = '{"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}'
    said = f'"id": "c", "created": 1, "service_tier": "t", "choices": [{choice}], "usage": {usage}'
    return members(0, said, oddities)


def members(level: int, usual: str, oddities: Iterable[Oddity]) -> str:
    """An object of the usual members and the odd ones of its level."""
    first = [f'"{name}": {value}, ' for place, name, value, last in oddities if place == level and not last]
    then = [f', "{name}": {value}' for place, name, value, last in oddities if place == level and last]
    return f"{{{''.join(first)}{usual}{''.join(then)}}}"


def long_way(body: str) -> str:
    """The same answer with one more null member, which says nothing and is not of the usual ones."""
    return body.replace("{", '{"nothing": null, ', 1)


def read(body: str) -> tuple[list[StreamEvent], str]:
    """The events of an answer, and the error it is, if it is one."""
    parser = AnswerParser()
    events: list[StreamEvent] = []
    try:
        events += parser.feed(Frame(body.encode()))
        events += parser.end()
    except GatewayError as error:
        return events, repr(error)
    return events, ""


@pytest.mark.parametrize("level", range(len(NAMES)))
def test_each_oddity_is_read_the_same(level: int) -> None:
    """Each member with each value, first or last, known or not: the same events, or the same error."""
    for oddity in product((level,), NAMES[level], VALUES, (True, False)):
        body = answer(oddity)
        assert read(long_way(body)) == read(body), oddity


def test_two_oddities_are_read_the_same() -> None:
    """Two members that say nothing or little, of any level."""
    some = [*product(range(3), ("id", "index", "role", "usage", "new"), ("null", '"x"', "[]"), (True,))]
    for oddities in combinations(some, 2):
        body = answer(*oddities)
        assert read(long_way(body)) == read(body), oddities


@pytest.mark.parametrize(
    "garbled", ["", "{", answer()[:-1], f"{answer()}x", f"\ufeff{answer()}", "[1]", "null"]
)
def test_broken_answers_are_errors_as_ever(garbled: str) -> None:
    """What is no JSON object is no answer, whatever it begins with."""
    assert plain_answer(garbled.encode()) is None
    assert "ProviderBadResponse" in read(garbled)[1]


def test_usual_answers_take_the_quick_way() -> None:
    """What OpenAI sends."""
    events = plain_answer(answer().encode())
    assert events is not None
    assert events == read(long_way(answer()))[0]
