"""Whether a conversation may go on with a budget for thinking.

With one, the vendor refuses a turn that is still using tools and does not begin with its thinking. It does take
further steps of such a turn without any, as the model itself does not think anew after each result.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

from collections.abc import Callable, Sequence
from typing import Final

from llmgw.types.json import Json
from llmgw.types.message import Message, Part, ReasoningPart, ToolCallPart, ToolResultPart

_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


def lost_its_thinking(messages: Sequence[Message], keeps: Callable[[Part], bool]) -> bool:
    """Whether the last turn uses tools and its thinking is missing; `keeps` tells what of it can be sent.

    What another protocol's model thought in the same turn is missing, too.
    """
    steps = _steps(messages)
    if not steps or not _calls(steps[-1]) or _thinks(steps[-1], keeps):
        return False
    return not _thinks(steps[0], keeps) or not all(keeps(part) for step in steps for part in step)


def began_without_thinking(turns: Sequence[Json]) -> bool:
    """Whether the last turn uses tools and its thinking is missing; `turns` take turns, as they are sent.

    Those that are bytes are words alone.
    """
    said = [turn for turn in turns if turn.__class__ is bytes or turn["role"] != "system"]
    at = len(said) - 1 if said[-1]["role"] == "assistant" else len(said) - 2
    if at < 0 or "tool_use" not in _kinds(said[at]):
        return False
    if _kinds(said[at])[0] in _THOUGHTS:
        return False
    while at > 2 and _kinds(said[at - 1])[0] == "tool_result":
        at -= 2
    return _kinds(said[at])[0] not in _THOUGHTS


def _kinds(turn: Json) -> list[Json]:
    return ["text"] if turn.__class__ is bytes else [block.get("type") for block in turn["content"]]


def _steps(messages: Sequence[Message]) -> list[list[Part]]:
    """What the assistant said since the user's last own words, between one lot of results and the next."""
    steps: list[list[Part]] = [[]]
    asked = answered = False
    for message in reversed(messages):
        if message.role == "assistant":
            if steps[-1] and asked:
                if not answered:
                    break
                steps.append([])
            steps[-1][:0] = message.parts
            asked = answered = False
        elif message.role in {"user", "tool"}:
            asked = True
            answered = answered or any(isinstance(part, ToolResultPart) for part in message.parts)
    return [step for step in reversed(steps) if step]


def _calls(step: list[Part]) -> bool:
    return any(isinstance(part, ToolCallPart) for part in step)


def _thinks(step: list[Part], keeps: Callable[[Part], bool]) -> bool:
    """Whether thinking that can be sent stands before the first call."""
    for part in step:
        if isinstance(part, ReasoningPart) and keeps(part):
            return True
        if isinstance(part, ToolCallPart):
            return False
    return False
