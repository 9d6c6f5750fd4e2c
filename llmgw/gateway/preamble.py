"""What a prompt version says before a stored conversation: told with it on one call, and no part of it."""

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import structs

from llmgw.context.integrity.blobs import words_in
from llmgw.types import json
from llmgw.types.loss import Loss
from llmgw.types.message import Message
from llmgw.types.violation import pointer_to

_AMONG: Final = "messages"
_SHORT: Final = 16_384
_MOST: Final = 128
"""Preambles that are remembered, and the bytes of each."""


class Preamble:
    """The preamble of one call.

    `bound` is one of its tokens from above, `words` how many characters of it a model reads, `digest` what is
    different where another preamble stands, empty without one.
    """

    __slots__ = ("bound", "digest", "messages", "words")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = tuple(messages)
        self.bound = self.words = 0
        self.digest = ""
        if messages:
            written = json.encode(self.messages)
            self.bound = len(written)
            self.words = sum(words_in(part) for each in messages for part in each.parts)
            self.digest = hashlib.sha256(written).hexdigest()

    def place(self, pointer: str) -> str | None:
        """Turn a pointer among all that is told into one among the conversation; None for what is before it."""
        steps = pointer.split("/")
        if not self.messages or len(steps) < 3 or steps[1] != _AMONG or not steps[2].isdigit():
            return pointer
        number = int(steps[2]) - len(self.messages)
        return None if number < 0 else pointer_to(_AMONG, number, *steps[3:])

    def without(self, losses: Sequence[Loss]) -> Sequence[Loss]:
        """The losses of a request that are about the conversation."""
        if not self.messages:
            return losses
        return [
            structs.replace(loss, pointer=place)
            for loss in losses
            if (place := self.place(loss.pointer)) is not None
        ]


_NONE: Final = Preamble(())
_LATELY: Final[dict[int, Preamble]] = {}
"""By the `id` of their messages, which they hold."""


def preamble_of(messages: tuple[Message, ...]) -> Preamble:
    """The preamble of a call; what a version says to the same variables is the same object, and looked at once."""
    if not messages:
        return _NONE
    known = _LATELY.get(id(messages))
    if known is not None and known.messages is messages:
        return known
    made = Preamble(messages)
    if made.bound <= _SHORT:
        if len(_LATELY) >= _MOST:
            _LATELY.clear()
        _LATELY[id(messages)] = made
    return made


def forget_preambles() -> None:
    """Remember no preamble: callers' words are in some, which stay no longer than they help."""
    _LATELY.clear()


def stands_behind(whole: Sequence[bytes], alone: Sequence[bytes]) -> bool:
    """Whether the messages of a conversation stand at the end of a request as they would stand there alone.

    What is said before may have joined the first of them.
    """
    if not alone or len(whole) < len(alone):
        return not alone
    tail = whole[len(whole) - len(alone) :]
    if tuple(tail[1:]) != tuple(alone[1:]):
        return False
    content = alone[0].partition(b"[")[2]
    return tail[0] == alone[0] or (content != b"" and tail[0].endswith(content))
