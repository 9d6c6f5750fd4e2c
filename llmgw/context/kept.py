"""Turns as a worker holds them: read once, proven once, ready to be told."""

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from llmgw.context.clock import moment
from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.cipher import Cipher, Undecipherable
from llmgw.context.integrity.frame import Damaged, Frame, FrameMeta
from llmgw.types.message import Message, OpaquePart, Part, ReasoningPart, TextPart, ToolCallPart
from llmgw.types.turn import Binding, Turn

encode_json = msgspec.json.Encoder().encode
"""Write a turn or document as it is stored: once, and never again."""
decode_turn = msgspec.json.Decoder(Turn).decode
"""Read a turn from anywhere; what the schema of turns refuses, this refuses, too."""


class _ProvenBinding(
    Binding, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, eq=False
):
    """See `_ProvenTurn`."""

    account: str = ""
    prefix: str = ""

    __hash__ = Binding.__hash__

    def __eq__(self, other: object) -> bool:
        """Whether they say the same, checked again or not."""
        return isinstance(other, Binding) and astuple(self) == astuple(other)


class _ProvenTurn(
    Turn, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False, eq=False
):
    """A turn that is read from bytes of which it is proven that a gateway wrote them.

    What its ids and times look like was checked then; to do so again takes longer than all the rest of reading.
    """

    id: str
    created_at: str
    prompt: str | None = None
    produced_by: _ProvenBinding | None = None

    __hash__ = Turn.__hash__

    def __eq__(self, other: object) -> bool:
        """Whether they say the same, checked again or not."""
        return isinstance(other, Turn) and astuple(self) == astuple(other)


_decode_proven: Final = msgspec.json.Decoder(_ProvenTurn).decode


# Without `gc`, as turns and messages are: nothing in them leads back to them, and workers hold tens of thousands,
# which the garbage collector would walk again and again.
class Kept(Struct, frozen=True, gc=False):
    """One turn, stored or about to be.

    `size` is that of its JSON in bytes, `words` how many characters of it every model reads, `bound` one of its
    tokens from above. `sealed` tells that parts of it may be bound to their maker, `media` which blobs it needs.
    `home` is the context whose blobs these are, `summary` tells that it sums up others, or did so until its content
    was taken out.
    """

    turn: Turn
    message: Message
    size: int
    words: int
    bound: int
    sealed: bool
    media: tuple[str, ...]
    home: str
    summary: bool = False

    @property
    def seq(self) -> int:
        """Its place in the context."""
        return self.turn.seq


def kept(turn: Turn, size: int, home: str, *, summary: bool = False) -> Kept:
    """Make a turn ready; of one whose content is gone, `summary` tells what the turn itself no longer can."""
    parts = turn.parts
    summary = summary or turn.compaction is not None
    # Most turns are one text: thousands are read at a time, and a look at each part would take most of that.
    if len(parts) == 1 and parts[0].__class__ is TextPart:
        text: TextPart = parts[0]
        sealed = text.seal is not None and turn.protocol != ""
        return Kept(turn, turn.message, size, len(text.text), size, sealed, (), home, summary)
    media = tuple(blobs.named(parts))
    return Kept(
        turn,
        turn.message,
        size,
        words=sum(map(blobs.words_in, parts)),
        # A token is at least one byte of text, and JSON is never shorter than the text in it.
        bound=size + (blobs.tokens_at_most(parts) if media else 0),
        sealed=turn.protocol != "" and any(map(_is_sealed, parts)),
        media=media,
        home=home,
        summary=summary,
    )


def from_frame(stored: Frame, seq: int, cipher: Cipher | None, home: str) -> Kept:
    """Read a turn out of its frame, which was proven.

    Raises:
        Damaged: the frame is not that of turn `seq`, or holds no turn.
    """
    header = frame.header_of(stored)
    if header.seq != seq:
        raise Damaged(f"the frame of turn {header.seq}")
    if not stored.body and stored.redacted:
        meta = frame.meta_of(stored)
        return kept(redacted_turn(meta), 0, home, summary=meta.summary)
    try:
        turn = _decode_proven(body_of(stored, seq, cipher) if stored.encrypted else stored.body)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"content that cannot be read ({error})") from None
    if turn.id != header.id or turn.seq != seq:
        raise Damaged("the content of another turn")
    return kept(turn, header.size, home)


def body_of(stored: Frame, seq: int, cipher: Cipher | None) -> bytes:
    """The turn's JSON, as it was encoded.

    Raises:
        Undecipherable: it is encrypted, and not by this context's key.
    """
    if not stored.encrypted:
        return stored.body
    if cipher is None:
        raise Undecipherable("the context's key is gone")
    return cipher.decrypt(stored.body, str(seq))


def meta_of(held: Kept, at_ms: int, size: int) -> FrameMeta:
    """What is known of a turn whatever becomes of its content."""
    turn = held.turn
    return FrameMeta(
        id=turn.id,
        seq=turn.seq,
        role=turn.role,
        at=at_ms,
        size=size,
        status=turn.status,
        pinned=turn.pinned,
        summary=held.summary,
    )


def redacted_turn(meta: FrameMeta) -> Turn:
    """The turn of which only the header is left."""
    return Turn(
        id=meta.id,
        seq=meta.seq,
        role=meta.role,
        created_at=moment(meta.at),
        status="redacted",
        pinned=meta.pinned,
    )


def _is_sealed(part: Part) -> bool:
    match part:
        case OpaquePart():
            return True
        case TextPart(seal=seal) | ReasoningPart(seal=seal) | ToolCallPart(seal=seal):
            return seal is not None
        case _:
            return False
