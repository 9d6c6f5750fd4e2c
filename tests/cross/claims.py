"""Whether a preservation report tells the truth about the bytes that a provider received."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from llmgw.types.loss import LossCode
from llmgw.types.message import (
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.preservation import Report
from llmgw.types.turn import Turn
from tests.cross.received import Piece, pieces

_ABSENT = frozenset(
    {
        LossCode.MEDIA_DROPPED,
        LossCode.BUILTIN_UNTRANSLATABLE,
        LossCode.REASONING_TEXT_DROPPED,
        LossCode.REASONING_OPAQUE_DROPPED,
        LossCode.REASONING_PREFIX_INVALIDATED,
        LossCode.PART_UNTRANSLATABLE,
        LossCode.WINDOW_TRIMMED,
        LossCode.TURN_REDACTED,
    }
)
"""Codes that say that a part, or the seal of it, was not told."""


_SYNTHESISED = (
    "Begin.",
    "Continue.",
    "There is no result of this call.",
    "Understood.",
    "Result of the tool call ",
)
_MARKED = frozenset({"thought", "seal", "opaque"})
"""Pieces that are there whole or not at all, but for reasoning in the clear."""
_BESIDE_MEDIA = ("What tool call ", "What the tool call ", "The result is in the message that follows.")
"""Words of the gateway's own, where a loss says so and where media of a result stand apart."""


class Claims:
    """A report held against the turns it is about and the body that was sent.

    The turns have their media in them: no `blob`. `sent` must be the turns of which anything was told.
    """

    def __init__(self, protocol: str, report: Report, turns: Sequence[Turn], body: bytes) -> None:
        self._report = report
        self._turns = [turn for turn in turns if turn.compaction is None]
        self._body = body
        self._protocol = protocol
        self._told = pieces(protocol, body)
        self._left = Counter(self._told)
        self.carried: Counter[str] = Counter()
        """How many pieces of each kind were told as they are stored, once `wrong` has looked."""
        self._sent = {seq for first, last in report.sent for seq in range(first, last + 1)}
        self._losses: dict[tuple[int, int], set[LossCode]] = {}
        for loss in report.losses:
            for place in self._places(loss.pointer, loss.through):
                self._losses.setdefault(place, set()).add(LossCode(loss.code))
        self._altered = {
            place
            for loss in report.losses
            if loss.severity != "info"
            for place in self._places(loss.pointer, loss.through)
        }

    def wrong(self) -> list[str]:
        """All that the report says and that is not so; nothing where it tells the truth."""
        found: list[str] = []
        carried = altered = 0
        for seq, number, part in self._parts():
            if seq in self._sent and (seq, number) not in self._altered:
                carried += 1
                found += self._missing(seq, number, part)
            else:
                altered += 1
        for seq, number, part in self._parts():
            if self._losses.get((seq, number), set()) & _ABSENT or seq not in self._sent:
                found += self._present(seq, number, part)
        counts = self._report.counts
        if (counts.carried, counts.parts) != (carried, carried + altered):
            found.append(
                f"counts {counts.carried} of {counts.parts} carried, and it is {carried} of {carried + altered}"
            )
        if counts.carried + counts.transformed + counts.dropped + counts.truncated != counts.parts:
            found.append(f"the counts do not add up: {counts}")
        return [*found, *self._unexplained()]

    def gone(self) -> int:
        """How many parts are not there in any form; tells them by their texts, which must differ."""
        said = [str(value) for piece in self._told for value in piece.value]
        return sum(not _is_among(part, said, self._body) for _, _, part in self._parts())

    def _parts(self) -> Iterator[tuple[int, int, Part]]:
        for turn in self._turns:
            for number, part in enumerate(turn.parts):
                yield turn.seq, number, part

    def _places(self, pointer: str, through: int | None) -> Iterator[tuple[int, int]]:
        steps = pointer.split("/")
        if steps[1] != "turns" or len(steps) < 3:
            return
        seq = int(steps[2])
        if len(steps) > 4:
            yield seq, int(steps[4])
            return
        for turn in self._turns:
            if seq <= turn.seq <= (seq if through is None else through):
                yield from ((turn.seq, number) for number in range(len(turn.parts)))

    def _missing(self, seq: int, number: int, part: Part) -> Iterator[str]:
        """What a carried part must have come to and has not; what is there is used up."""
        for piece in expected(part, self._turns[self._index(seq)].role, self._protocol):
            if self._left[piece] > 0:
                self._left[piece] -= 1
                self.carried[piece.kind] += 1
            else:
                yield f"/turns/{seq}/parts/{number} is said to be carried, and {piece} is not there"

    def _present(self, seq: int, number: int, part: Part) -> Iterator[str]:
        """What of a part that is said to be left out is there all the same."""
        seal = _seal_of(part)
        if seal is not None and seal.value.encode() in self._body:
            yield f"/turns/{seq}/parts/{number} is said to have lost its seal, and it is there"

    def _unexplained(self) -> Iterator[str]:
        """What was told that nobody said and no loss speaks of."""
        left = [piece for piece in self._told if self._take(piece)]
        altered = [
            text
            for seq, number, part in self._parts()
            if (seq, number) in self._altered
            for text in texts_of(part)
        ]
        synthesised = any(loss.code == LossCode.TURN_SYNTHESISED.value for loss in self._report.losses)
        sealed = {
            seal.value
            for seq, number, part in self._parts()
            if (seal := _seal_of(part)) is not None and not self._losses.get((seq, number), set()) & _ABSENT
        }
        as_text = any(loss.code == LossCode.REASONING_AS_TEXT.value for loss in self._report.losses)
        for piece in left:
            said = str(piece.value[-1] if piece.kind == "call" else piece.value[0])
            if piece.kind in _MARKED:
                if piece.value[-1] not in sealed and not (piece.kind == "thought" and as_text):
                    yield f"{piece} was told, and it is said to be left out"
                continue
            if any(said in text or (text and text in said) for text in altered):
                continue
            if said.startswith(_BESIDE_MEDIA) or (synthesised and said.startswith(_SYNTHESISED)):
                continue
            yield f"{piece} was told, and nothing says why"

    def _take(self, piece: Piece) -> bool:
        if self._left[piece] <= 0:
            return False
        self._left[piece] -= 1
        return True

    def _index(self, seq: int) -> int:
        return next(place for place, turn in enumerate(self._turns) if turn.seq == seq)


def expected(part: Part, role: str, protocol: str) -> list[Piece]:
    """The pieces that a part comes to where it is told as it is stored."""
    said_by = {"tool": "user", "developer": "system"}.get(role, role)
    seal = _seal_of(part)
    seals = [Piece("seal", said_by, (seal.value,))] if seal is not None else []
    match part:
        case TextPart(text=text):
            return [*([Piece("text", said_by, (text,))] if text else []), *seals]
        case RefusalPart(text=text):
            return [Piece("refusal", said_by, (text,))]
        case ReasoningPart(text=text):
            return [Piece("thought", said_by, (text, seal.value if seal is not None else ""))]
        case ToolCallPart():
            return [Piece("call", said_by, (part.name, part.arguments or "{}")), *seals]
        case ToolResultPart():
            texts = "\n".join(item.text for item in part.content if isinstance(item, TextPart))
            media = [
                Piece("media", "user", (_of_media(item),))
                for item in part.content
                if isinstance(item, MediaPart)
            ]
            return [Piece("result", "user", (texts, part.is_error)), *media]
        case MediaPart(text=str(text)) if protocol != "anthropic":
            # A plain document's words are the same, whether they stand as a document or as text.
            return [Piece("text", said_by, (f"{part.filename}\n\n{text}" if part.filename else text,))]
        case MediaPart():
            return [Piece("media", said_by, (_of_media(part),))]
        case OpaquePart():
            return [Piece("opaque", said_by, (part.kind,))] if protocol == part.protocol else []


def _of_media(part: MediaPart) -> Any:
    return part.base64 or part.url or part.file_id or part.text


def _seal_of(part: Part) -> Seal | None:
    return None if isinstance(part, MediaPart | ToolResultPart | OpaquePart | RefusalPart) else part.seal


def texts_of(part: Part) -> list[str]:
    """What a part says, in whatever form."""
    match part:
        case TextPart(text=text) | RefusalPart(text=text) | ReasoningPart(text=text):
            return [text]
        case ToolCallPart():
            return [part.arguments, part.name]
        case ToolResultPart():
            return [text for item in part.content for text in texts_of(item)] or [""]
        case MediaPart():
            return [str(_of_media(part)), part.text or ""]
        case _:
            return []


def _is_among(part: Part, said: Sequence[str], body: bytes) -> bool:
    if isinstance(part, OpaquePart):
        return part.kind in said
    seal = _seal_of(part)
    if isinstance(part, ReasoningPart) and not part.text:
        return seal is not None and seal.value.encode() in body
    return any(text and text in each for text in texts_of(part) for each in said)
