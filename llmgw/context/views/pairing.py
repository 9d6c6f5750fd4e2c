"""Calls of tools and their results: which calls of the last answer still wait."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from llmgw.context.kept import Kept
from llmgw.types.message import Part, TextPart, ToolCallPart, ToolResultPart


class OpenCall(Struct, frozen=True):
    """A call that has no result yet, and where it was made."""

    call_id: str
    seq: int
    part: int


class Pairs:
    """Follows a conversation turn by turn."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[str, OpenCall] = {}

    @property
    def open(self) -> tuple[OpenCall, ...]:
        """The calls of the last answer that wait for their results, in their order."""
        return tuple(self._open.values())

    @property
    def waiting(self) -> bool:
        """Whether a call waits for its result."""
        return bool(self._open)

    def add(self, turn: Kept) -> None:
        """Go on by one turn: an answer begins anew, results settle calls, anything said by others ends the wait."""
        parts = turn.message.parts
        if turn.turn.role == "assistant":
            if parts or turn.turn.status == "redacted":
                self._open = {
                    part.id: OpenCall(part.id, turn.seq, place)
                    for place, part in enumerate(parts)
                    if isinstance(part, ToolCallPart)
                }
            return
        if not self._open:
            return
        for part in parts:
            if isinstance(part, ToolResultPart):
                self._open.pop(part.call_id, None)
        if turn.turn.role in {"user", "system", "developer"} and not only_results(parts):
            self._open = {}


def only_results(parts: Iterable[Part]) -> bool:
    """Whether a message answers calls and says nothing besides."""
    return all(isinstance(part, ToolResultPart) for part in parts)


def says_only(parts: Sequence[Part]) -> bool:
    """Whether a message is one text, so that it neither calls nor answers."""
    return len(parts) == 1 and parts[0].__class__ is TextPart


def units(turns: Iterable[Kept]) -> list[list[Kept]]:
    """Cut a conversation into what may not be told in part: an answer with its calls' results, or one turn."""
    cut: list[list[Kept]] = []
    waiting: set[str] = set()
    for each in turns:
        if says_only(each.message.parts):
            # Most turns, of thousands.
            cut.append([each])
            waiting = set()
            continue
        results = {part.call_id for part in each.message.parts if isinstance(part, ToolResultPart)}
        if cut and results & waiting:
            cut[-1].append(each)
            waiting -= results
            continue
        cut.append([each])
        waiting = {part.id for part in each.message.parts if isinstance(part, ToolCallPart)}
    return cut
