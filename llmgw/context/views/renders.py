"""What a target was told last of a context, so that it is noticed when the beginning of it changes.

Providers keep what they worked out for the beginning of a conversation, and bind what they seal to it: a
context that is only ever added to must be told so that what was told before stands at the beginning of what is
told now.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Render(Struct, frozen=True):
    """The messages of a rendering, each as its own bytes, behind the `head` of the request.

    The last message may still change: what comes after may join it. `settled` is a running SHA-256 over all before.
    """

    head: bytes
    messages: Sequence[bytes]
    settled: Any

    @property
    def count(self) -> int:
        """How many messages are settled."""
        return max(0, len(self.messages) - 1)

    @property
    def stored(self) -> str:
        """What is stored of it: how many messages are settled, and their digest."""
        return f"{self.count}:{self.settled.copy().hexdigest()}"


def follow(before: Render | None, head: bytes, messages: Sequence[bytes]) -> tuple[Render, bool]:
    """Take in a new rendering; says whether it begins with what was settled before, as it does with nothing."""
    if (
        before is not None
        and before.head == head
        and messages[: before.count] == before.messages[: before.count]
    ):
        settled = before.settled.copy()
        first = before.count
        held = True
    else:
        settled = hashlib.sha256(head)
        first = 0
        held = before is None
    for message in messages[first : max(0, len(messages) - 1)]:
        settled.update(message)
    return Render(head, messages, settled), held


def agrees(stored: str, render: Render) -> bool:
    """Whether a rendering begins with what `stored` was settled; for a worker that has not seen it."""
    count, _, digest = stored.partition(":")
    if not count.isdecimal() or int(count) > len(render.messages):
        return False
    whole = hashlib.sha256(render.head)
    for message in render.messages[: int(count)]:
        whole.update(message)
    return whole.hexdigest() == digest
