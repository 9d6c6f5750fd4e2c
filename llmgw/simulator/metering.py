"""What a prompt weighs in the simulator's tokens."""

from msgspec import Struct

from llmgw.simulator.tokens import count
from llmgw.simulator.transcript import Prompt, Turn
from llmgw.types.json import encode

_A_MESSAGE = 4
_THE_ANSWER = 3
_MEDIA = {"image": 85, "audio": 100, "file": 200}
_CACHE_FROM = 1024
_CACHE_STEP = 128


class PromptTokens(Struct, frozen=True):
    """Tokens sent, those that a provider would have found in its cache, and those before the last message."""

    total: int
    cached: int
    before: int


def prompt_tokens(prompt: Prompt) -> PromptTokens:
    """Weigh a prompt: 4 a message, 3 for the answer, its text, media, calls and tools.

    From 1,024 tokens before the last message on, these count as cached, in steps of 128: nothing is remembered,
    so that equal requests have equal usage.
    """
    tools = sum(count(tool.name) + count(encode(tool.schema).decode()) for tool in prompt.tools)
    turns = [_turn(turn) for turn in prompt.turns]
    before = tools + sum(turns[:-1])
    cached = before // _CACHE_STEP * _CACHE_STEP if before >= _CACHE_FROM else 0
    return PromptTokens(tools + sum(turns) + _THE_ANSWER, cached, before)


def read_of(turns: tuple[Turn, ...], most: int | None) -> tuple[Turn, ...]:
    """The last turns of at most so many tokens, one at least: some hosts cut off the rest and say nothing of it."""
    if most is None:
        return turns
    left = most
    for place in range(len(turns) - 1, -1, -1):
        left -= _turn(turns[place])
        if left < 0:
            return turns[min(place + 1, len(turns) - 1) :]
    return turns


def _turn(turn: Turn) -> int:
    media = sum(_MEDIA[each.kind] for each in turn.media)
    calls = sum(count(call.name) + count(call.arguments) for call in turn.calls)
    return _A_MESSAGE + count(turn.text) + media + calls
