"""What a target was told last of a context, so that it is noticed when the beginning of it changes.

Providers keep what they worked out for the beginning of a conversation, and bind what they seal to it: a
context that is only ever added to must be told so that what was told before stands at the beginning of what is
told now.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

_POINTER: Final = 8


class Rendering(Struct, frozen=True):
    """A request's body and the messages in it, each as its own bytes, behind the `head` of the request.

    In the body they begin at `at`, with a comma between them; 0 where they stand there otherwise. `own` of their
    bytes are held for this one alone.
    """

    head: bytes
    messages: Sequence[bytes]
    body: bytes = b""
    at: int = 0
    own: int = 0


class Render(Struct, frozen=True):
    """The messages of a rendering that was told.

    The last message may still change: what comes after may join it. `settled` is a running SHA-256 over all before.
    `sent` is one over the body up to the end of these, `begun` bytes, which opens with `opening`.
    """

    head: bytes
    messages: Sequence[bytes]
    settled: Any
    opening: bytes
    sent: Any
    begun: int
    digest: str
    """The SHA-256 of the whole body, in hexadecimal."""
    size: int
    """Bytes that this takes in memory."""

    @property
    def count(self) -> int:
        """How many messages are settled."""
        return max(0, len(self.messages) - 1)

    @property
    def stored(self) -> str:
        """What is stored of it: how many messages are settled, and their digest."""
        return f"{self.count}:{self.settled.copy().hexdigest()}"


def follow(before: Render | None, now: Rendering) -> tuple[Render, bool]:
    """Take in a new rendering; says whether it begins with what was settled before, as it does with nothing.

    What was digested before is not digested again: of a conversation that goes on, only what is new.
    """
    head, messages, body, at = now.head, now.messages, now.body, now.at
    last = max(0, len(messages) - 1)
    opening = body[:at]
    held = True
    settled: Any = None
    sent: Any = None
    first = of_sent = 0
    begun = at
    if before is not None:
        count = before.count
        alike = messages[:count] == before.messages[:count]
        held = alike and before.head == head
        # Where fewer messages are settled than before, the digests have come too far.
        if alike and count <= last:
            if held:
                settled, first = before.settled.copy(), count
            if at and before.opening == opening:
                sent, begun, of_sent = before.sent.copy(), before.begun, count
    if settled is None:
        settled = hashlib.sha256(head)
    if sent is None:
        sent = hashlib.sha256(opening)
    settled.update(b"".join(messages[first:last]))
    view = memoryview(body)
    end = begun + sum(map(len, messages[of_sent:last])) + last - of_sent if at else 0
    sent.update(view[begun:end])
    whole = sent.copy()
    whole.update(view[end:])
    size = now.own + len(head) + len(opening) + _POINTER * len(messages)
    return Render(head, messages, settled, opening, sent, end, whole.hexdigest(), size), held


def agrees(stored: str, render: Render) -> bool:
    """Whether a rendering begins with what `stored` was settled; for a worker that has not seen it."""
    count, _, digest = stored.partition(":")
    if not count.isdecimal() or int(count) > len(render.messages):
        return False
    whole = hashlib.sha256(render.head)
    for message in render.messages[: int(count)]:
        whole.update(message)
    return whole.hexdigest() == digest
