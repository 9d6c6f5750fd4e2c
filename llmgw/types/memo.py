"""What one target was told of a conversation, at hand for the calls that go on with it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from llmgw.types.loss import LossCode
from llmgw.types.message import Message


class Run(NamedTuple):
    """Messages that follow each other, and the bytes that one target was told for each."""

    messages: tuple[Message, ...]
    told: tuple[bytes, ...]


class Noted(NamedTuple):
    """A loss of a conversation: `place` is the message's in it, `rest` the pointer from there on."""

    code: LossCode
    place: int
    rest: str


class Begun(NamedTuple):
    """The beginning of a conversation, which nothing that follows changes, and all that it was told as.

    `words` tells that each message is words alone, and told by itself. `held` are bytes of media that the messages
    have for themselves, as those that are kept apart are brought back for a call.
    """

    messages: tuple[Message, ...]
    told: tuple[bytes, ...]
    losses: tuple[Noted, ...] = ()
    words: bool = True
    held: int = 0


_NO_RUN: Final = Run((), ())
_NOT_BEGUN: Final = Begun((), ())
_SHARE: Final = 220
"""Bytes that a remembered message takes in memory beside what it is told as."""
_PLACE: Final = 16
"""Bytes of its place in a run."""
_HEADER: Final = 33
"""Bytes of an object of bytes beside what is in it."""


class Memo:
    """What one target was told of a conversation in earlier calls: kept by whoever has written it.

    `words` are messages by their `id`, `runs` what follows each other by the `id` of the first, `begun` how the
    conversation begins. `size` is how many bytes of memory it takes, `count` how many messages are in it.
    """

    __slots__ = ("begun", "count", "runs", "size", "words")

    def __init__(self) -> None:
        self.words: dict[int, tuple[Message, bytes]] = {}
        self.runs: dict[int, Run] = {}
        self.begun = _NOT_BEGUN
        self.size = 0
        self.count = 0

    def known(self, message: Message) -> bytes | None:
        """What a message was told as."""
        found = self.words.get(id(message))
        return found[1] if found is not None and found[0] is message else None

    def keep(self, message: Message, told: bytes) -> None:
        """Remember what a message is told as."""
        self.words[id(message)] = (message, told)
        self.size += _SHARE + len(told)
        self.count += 1

    def passes(self, message: Message) -> bool:  # noqa: ARG002  a memo that passes some knows which
        """Whether a message is told in this call alone, so that nothing is remembered of it."""
        return False

    def run(self, messages: Sequence[Message], at: int) -> Run:
        """The run that begins with the message at a place, as far as the messages are those of before."""
        known = self.runs.get(id(messages[at]))
        if known is None or known.messages != tuple(messages[at : at + len(known.messages)]):
            return _NO_RUN
        return known

    def keep_run(self, run: Run, *, own: bool) -> None:
        """Remember a run in the place of one that began alike; `own` tells that its bytes are held here alone."""
        first = id(run.messages[0])
        before = self.runs.get(first, _NO_RUN)
        self.runs[first] = run
        more = len(run.messages) - len(before.messages)
        self.size += _PLACE * more
        if own:
            self.count += more
            self.size += _HEADER * more + sum(map(len, run.told)) - sum(map(len, before.told))

    def begin(self, messages: Sequence[Message], at: int) -> Begun:
        """How the conversation begins, where the messages from a place on do; else that is forgotten."""
        begun = self.begun
        if begun.messages != tuple(messages[at : at + len(begun.messages)]):
            self.begun = _NOT_BEGUN
            self.count -= len(begun.messages)
            self.size -= _size_of(begun)
        return self.begun

    def go_on(self, more: Begun) -> Begun:
        """Remember what follows the beginning, and what it was told as; the bytes are held there alone."""
        messages, told, losses, words, held = self.begun
        self.count += len(more.messages)
        self.size += _size_of(more)
        self.begun = Begun(
            messages + more.messages,
            told + more.told,
            losses + more.losses,
            words=words and more.words,
            held=held + more.held,
        )
        return self.begun


def _size_of(begun: Begun) -> int:
    """The bytes of memory that a part of a beginning takes beside messages that are there all the same."""
    told = begun.told
    return _PLACE * len(begun.messages) + (_PLACE + _HEADER) * len(told) + sum(map(len, told)) + begun.held


class PassingMemo(Memo):
    """The memo of a conversation before which each call says something else, of which nothing is remembered."""

    __slots__ = ("_memo", "_passing")

    def __init__(self, memo: Memo, passing: Sequence[Message]) -> None:
        super().__init__()
        self._memo = memo
        self._passing = frozenset(map(id, passing))

    def passes(self, message: Message) -> bool:
        """See `Memo.passes`."""
        return id(message) in self._passing

    def known(self, message: Message) -> bytes | None:
        """See `Memo.known`."""
        return self._memo.known(message)

    def keep(self, message: Message, told: bytes) -> None:
        """See `Memo.keep`."""
        if not self.passes(message):
            self._memo.keep(message, told)

    def run(self, messages: Sequence[Message], at: int) -> Run:
        """See `Memo.run`."""
        return self._memo.run(messages, at)

    def keep_run(self, run: Run, *, own: bool) -> None:
        """See `Memo.keep_run`; what passes is at its beginning."""
        first = next((n for n, each in enumerate(run.messages) if not self.passes(each)), len(run.messages))
        if len(run.messages) - first > 1:
            self._memo.keep_run(Run(run.messages[first:], run.told[first:]), own=own)

    def begin(self, messages: Sequence[Message], at: int) -> Begun:
        """See `Memo.begin`."""
        return self._memo.begin(messages, at)

    def go_on(self, more: Begun) -> Begun:
        """See `Memo.go_on`."""
        return self._memo.go_on(more)
