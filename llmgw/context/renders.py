"""What a target was told last of a context, so that it is noticed when the beginning of it changes."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Render(Struct, frozen=True):
    """The messages of a rendering, each as its own bytes, and the digest of `head` and those that are settled.

    The last message may still change: what comes after may join it.
    """

    head: bytes
    messages: Sequence[bytes]
    settled: Any
    """A running SHA-256 over `head` and all messages but the last."""

    @property
    def digest(self) -> str:
        """What is stored of it."""
        digest: str = self.settled.copy().hexdigest()
        return digest

    @property
    def count(self) -> int:
        """How many messages are settled."""
        return max(0, len(self.messages) - 1)
