"""What one worker knows of a context, and how much memory that takes."""

import time
from collections.abc import Iterable
from typing import Final

from llmgw.context import footprint
from llmgw.context.integrity.cipher import Cipher
from llmgw.context.integrity.lineage import Genesis
from llmgw.context.kept import Kept
from llmgw.context.storage.answers import Stored
from llmgw.context.views.course import Course
from llmgw.context.views.renders import Render
from llmgw.types.memo import Memo
from llmgw.types.target import Target

_COUNT: Final = 96
"""Bytes of a number of tokens that is remembered of a turn."""
_MOST_BLOBS: Final = 16 * 1024 * 1024
"""Bytes of blobs that a worker keeps of one context."""
_MOST_TARGETS: Final = 8
"""Targets of which a worker keeps what they were told of one context."""


class History:
    """The proven turns of one context at one revision, and what they have come to.

    `link` is the one the chain has come to. `tokens` are counts by turn and vocabulary, `renders` what targets were
    told last, `memos` the bytes of its messages. `stored` is what the store says of it besides its turns. Turns are
    only ever added: a list handed out stays right. `counted` is how many bytes of it are counted among those that
    the worker may keep.
    """

    __slots__ = (
        "_size_of_blobs",
        "_size_of_turns",
        "blobs",
        "cipher",
        "counted",
        "course",
        "epoch",
        "lineage",
        "link",
        "memos",
        "renders",
        "rev",
        "stored",
        "tokens",
        "turns",
        "used_s",
    )

    def __init__(self, lineage: tuple[Genesis, ...], cipher: Cipher | None, epoch: int) -> None:
        self.lineage = lineage
        self.cipher = cipher
        self.epoch = epoch
        self.rev = 0
        self.stored: Stored | None = None
        self.link = b""
        self.turns: list[Kept] = []
        self.course = Course()
        self.counted = 0
        self._size_of_turns = 0
        self._size_of_blobs = 0
        self.tokens: dict[str, dict[int, int]] = {}
        self.renders: dict[str, Render] = {}
        self.memos: dict[str, tuple[Target, Memo]] = {}
        self.blobs: dict[str, bytes] = {}
        self.used_s = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes it takes in memory: turns, blobs, what targets were told, and the counts of tokens."""
        size = self._size_of_turns + self._size_of_blobs
        for counts in self.tokens.values():
            size += _COUNT * len(counts)
        for _, memo in self.memos.values():
            size += memo.size
        for render in self.renders.values():
            size += render.size
        return size

    def add(self, turns: Iterable[Kept], link: bytes) -> None:
        """Take in turns that follow; the chain has come to `link`."""
        for each in turns:
            self.turns.append(each)
            self.course.add(each)
            self._size_of_turns += footprint.of_turn(each)
        self.link = link

    def keep_blob(self, digest: str, content: bytes) -> None:
        """Have a blob at hand for the next call, within bounds."""
        self._size_of_blobs += len(content) - len(self.blobs.pop(digest, b""))
        self.blobs[digest] = content
        while self._size_of_blobs > _MOST_BLOBS:
            self._size_of_blobs -= len(self.blobs.pop(next(iter(self.blobs))))

    def begin_memo(self, target: Target) -> Memo:
        """Begin to remember what a target is told; what another was told longest ago makes room for it."""
        self.memos.pop(target.name, None)
        if len(self.memos) >= _MOST_TARGETS:
            oldest = next(iter(self.memos))
            del self.memos[oldest]
            self.renders.pop(oldest, None)
        memo = Memo()
        self.memos[target.name] = (target, memo)
        return memo

    def keep_render(self, target: str, render: Render) -> None:
        """Have at hand what a target was told last; of one without a memo nothing is kept."""
        if target in self.memos:
            self.renders[target] = render
