"""What a conversation has come to, turn by turn: what is needed to go on without reading it all again."""

from collections.abc import Iterable

from llmgw.context.integrity import blobs
from llmgw.context.kept import Kept
from llmgw.context.views.pairing import Pairs, says_only
from llmgw.context.views.view import is_compaction, is_special
from llmgw.types.message import MediaKind, Message, Part, TextPart
from llmgw.types.turn import Binding


class Course:
    """Follows a conversation.

    `messages` are those of all turns, by their numbers. `parts` counts what was said, summaries apart; `bound` is
    one of its tokens from above, `words` the characters that every model reads. `shown` are the turns with media
    of each kind, `special` those a view must look at, `summaries` the compactions, `native` the last turn that
    holds a provider's own, `maker` who gave the last answer.
    """

    __slots__ = (
        "_in_instructions",
        "bound",
        "instructions",
        "maker",
        "messages",
        "native",
        "pairs",
        "parts",
        "shown",
        "special",
        "summaries",
        "words",
    )

    def __init__(self) -> None:
        self.pairs = Pairs()
        self.messages: list[Message] = []
        self.parts = 0
        self.bound = 0
        self.words = 0
        self.shown: dict[MediaKind, list[int]] = {}
        self.special: list[int] = []
        self.summaries: list[Kept] = []
        self.native = -1
        self.maker: Binding | None = None
        self.instructions: tuple[object, ...] = ()
        """What the last run of system messages says."""
        self._in_instructions = False

    def add(self, turn: Kept) -> None:
        """Go on by one turn."""
        message = turn.message
        self.messages.append(message)
        if not turn.sealed and not turn.summary and says_only(message.parts) and not self.pairs.waiting:
            # Most turns, of thousands: one text, where no call waits for its result.
            self.parts += 1
            self.bound += turn.bound
            self.words += turn.words
            self._follow(turn)
            return
        if is_special(turn):
            self.special.append(turn.seq)
        if turn.summary:
            if turn.turn.compaction is not None:
                self.summaries.append(turn)
            return
        parts = message.parts
        self.pairs.add(turn)
        self.parts += len(parts)
        self.bound += turn.bound
        self.words += turn.words
        if not says_only(parts):
            for kind in blobs.kinds_in(parts):
                self.shown.setdefault(kind, []).append(turn.seq)
        if turn.sealed and any(map(is_compaction, parts)):
            self.native = turn.seq
        self._follow(turn)

    def _follow(self, turn: Kept) -> None:
        """Note who made a turn, and what it instructs."""
        if turn.turn.produced_by is not None:
            self.maker = turn.turn.produced_by
        message = turn.message
        if is_instruction(message):
            before = self.instructions if self._in_instructions else ()
            self.instructions = (*before, *words((message,)))
            self._in_instructions = True
        else:
            self._in_instructions = False

    @property
    def plain(self) -> bool:
        """Whether all turns can just be told, whatever a target takes."""
        return not (self.special or self.shown)


def is_instruction(message: Message) -> bool:
    """Whether a message tells the model how to behave."""
    return message.role in {"system", "developer"}


def words(messages: Iterable[Message]) -> tuple[object, ...]:
    """What messages say, whatever dialect they came in: texts, and other parts as they are."""
    return tuple(_said(part) for message in messages for part in message.parts)


def _said(part: Part) -> object:
    return part.text if isinstance(part, TextPart) else part
