"""Digests of messages that were seen before: histories come again and again, with little that is new.

What was said is not kept. A message is known again by Python's own hash of its texts, 64 bits under a key that each
process draws for itself; whoever does not know it finds no two messages that look alike.
"""

from typing import Final, TypeAlias

from llmgw.types.message import (
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Turns: TypeAlias = tuple[tuple[int, bytes, int | None], ...]
"""The turns of one message: kind, digest, and number of the part where there are several."""

MOST: Final = 16_384
"""Messages that are remembered, and as many again of those that were asked for before: about 8 MiB."""


class Remembered:
    """The turns of messages by their fingerprints; forgets those that nobody asks for."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._young: dict[int, Turns] = {}
        self._old: dict[int, Turns] = {}

    def get(self, fingerprint: int) -> Turns | None:
        """The turns of a message, if it was seen."""
        found = self._young.get(fingerprint)
        if found is None:
            found = self._old.get(fingerprint)
            if found is not None:
                self.put(fingerprint, found)
        return found

    def put(self, fingerprint: int, turns: Turns) -> None:
        """Remember the turns of a message."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[fingerprint] = turns


def fingerprint(salt: int, message: Message) -> int | None:
    """What a message is known by, within one process; None for one that holds more than texts and calls."""
    parts = message.parts
    if message.provider_details and "function_call" in message.provider_details:
        return None
    if len(parts) == 1 and type(parts[0]) is TextPart:
        return hash((salt, message.role, message.name, parts[0].text))
    seen: list[object] = [salt, message.role, message.name]
    for part in parts:
        match part:
            case TextPart(text=text):
                seen.append(text)
            case ToolCallPart():
                seen += (1, part.id, part.name, part.kind, part.arguments)
            case ToolResultPart(content=content):
                seen += (2, part.call_id, part.is_error, len(content))
                for each in content:
                    if type(each) is not TextPart:
                        return None
                    seen.append(each.text)
            case RefusalPart(text=text):
                seen += (3, text)
            case ReasoningPart():
                # Counts as a part, though nothing of it is a turn.
                seen.append(4)
            case _:
                return None
    return hash(tuple(seen))
