"""What a stored turn must be, whoever makes it."""

from typing import Any

import msgspec
import pytest
from llmgw.types import json
from llmgw.types.message import MediaPart, Message, Part, Seal, TextPart
from llmgw.types.scalars import MAX_COUNT
from llmgw.types.turn import Compaction, RawAnswer, Turn, TurnStatus

DIGEST = f"sha256:{'0' * 64}"


def turn(**members: Any) -> Turn:
    """A turn with what all turns have, and these members."""
    return Turn(id=f"turn_{'0' * 26}", seq=0, role="user", created_at="2026-11-27T12:17:20.000Z", **members)


def test_a_complete_turn_says_something() -> None:
    """It has a part, or it cannot be made."""
    assert turn(parts=(TextPart(text=""),)).message.parts
    with pytest.raises(ValueError, match="at least one part"):
        turn()


@pytest.mark.parametrize("status", ["incomplete", "redacted"])
def test_a_turn_without_content_may_be_empty(status: TurnStatus) -> None:
    """An answer that broke off at once, and one whose content was taken out; but neither sums up others."""
    assert turn(status=status).parts == ()
    with pytest.raises(ValueError, match="at least one part"):
        turn(status=status, compaction=Compaction(first=0, last=1, digest=DIGEST))


def test_a_compaction_goes_forward() -> None:
    """It sums up one turn or more."""
    assert Compaction(first=3, last=3, digest=DIGEST).last == 3
    with pytest.raises(ValueError, match="before its"):
        Compaction(first=3, last=2, digest=DIGEST)


def test_media_have_one_content() -> None:
    """None is too few, two are too many, and an empty one is one."""
    assert MediaPart(kind="file", text="").text == ""
    with pytest.raises(ValueError, match="exactly one"):
        MediaPart(kind="image")
    with pytest.raises(ValueError, match="exactly one"):
        MediaPart(kind="image", url="https://x.example/a", file_id="file-1")


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Part, b'{"type": "text", "text": "x", "lang": "en"}'),
        (Part, b'{"type": "media", "kind": "image"}'),
        (Seal, b'{"protocol": "p", "value": "v", "key": "k"}'),
        (Message, b'{"role": "user", "parts": [], "mood": "good"}'),
        (Compaction, b'{"first": 1, "last": 0, "digest": "%s"}' % DIGEST.encode()),
        (RawAnswer, b'{"blob": "%s", "size": %d}' % (DIGEST.encode(), MAX_COUNT + 1)),
        (Turn, json.encode(turn(status="redacted")).replace(b"redacted", b"complete")),
        (Turn, json.encode(turn(status="redacted")).replace(b"2026-11", "٢٠٢٦-11".encode())),
        (Turn, json.encode(turn(status="redacted")).replace(b"2026-11", b"2026-13")),
    ],
)
def test_what_cannot_be_made_cannot_be_read(kind: Any, document: bytes) -> None:
    """Nothing is dropped, filled in or let pass on the way in: it is refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(document, type=kind)
