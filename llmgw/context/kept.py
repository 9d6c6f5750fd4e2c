"""Turns as a worker holds them: read once, proven once, ready to be told."""

import msgspec
from msgspec import Struct

from llmgw.context.clock import moment
from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.cipher import Cipher, Undecipherable
from llmgw.context.integrity.frame import Damaged, Frame, FrameMeta
from llmgw.types.message import Message, OpaquePart, Part, ReasoningPart, TextPart, ToolCallPart
from llmgw.types.turn import Turn

encode_json = msgspec.json.Encoder().encode
"""Write a turn or document as it is stored: once, and never again."""
decode_turn = msgspec.json.Decoder(Turn).decode
"""Read a stored turn; what the schema of turns refuses, this refuses, too."""


# Without `gc`, as turns and messages are: nothing in them leads back to them, and workers hold tens of thousands,
# which the garbage collector would walk again and again.
class Kept(Struct, frozen=True, kw_only=True, gc=False):
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
    # Most turns are one text: thousands are read at a time, and looking for media in each would take half of that.
    plain = len(parts) == 1 and parts[0].__class__ is TextPart
    media = () if plain else tuple(blobs.named(parts))
    return Kept(
        turn=turn,
        message=turn.message,
        size=size,
        words=sum(map(blobs.words_in, parts)),
        # A token is at least one byte of text, and JSON is never shorter than the text in it.
        bound=size + (blobs.tokens_at_most(parts) if media else 0),
        sealed=turn.protocol != "" and (_is_sealed(parts[0]) if plain else any(map(_is_sealed, parts))),
        media=media,
        home=home,
        summary=summary or turn.compaction is not None,
    )


def from_frame(stored: Frame, seq: int, cipher: Cipher | None, home: str) -> Kept:
    """Read a turn out of its frame.

    Raises:
        Damaged: the frame is not that of turn `seq`, or holds no turn.
    """
    meta = frame.meta_of(stored)
    if meta.seq != seq:
        raise Damaged(f"the frame of turn {meta.seq}")
    if stored.redacted:
        return kept(redacted_turn(meta), 0, home, summary=meta.summary)
    try:
        turn = decode_turn(body_of(stored, seq, cipher))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"content that cannot be read ({error})") from None
    if turn.id != meta.id or turn.seq != seq:
        raise Damaged("the content of another turn")
    return kept(turn, meta.size, home)


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
