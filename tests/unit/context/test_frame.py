"""Frames: what is written is read back, and no altered byte passes for what was stored."""

import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.context.integrity import frame
from llmgw.context.integrity.cipher import Cipher
from llmgw.context.integrity.frame import Damaged, Frame
from llmgw.context.kept import decode_turn, encode_json, from_frame, meta_of
from llmgw.context.kept import kept as hold
from llmgw.types.turn import Compaction, Turn
from tests.unit.context.documents import VALUES
from tests.unit.context.turns import AT, KEY, KEYS, START, call, framed, held, text, turn

CIPHER = Cipher(bytes(32), "ctx")


def holds(found: Frame, before: bytes = START) -> bool:
    """What a reader of chains checks of one frame."""
    right = frame.link_of(KEYS.chain("acme", found.key_id), before, found.digest, found.meta)
    of_body = found.redacted or frame.digest_of(found.salt, found.body) == found.digest
    return of_body and hmac.compare_digest(right, found.link)


@settings(max_examples=60, deadline=None)
@given(made=VALUES["turn"], encrypted=st.booleans())
def test_a_turn_comes_back_as_it_was_framed(made: Turn, *, encrypted: bool) -> None:
    """Every turn of the protocol survives its frame, in the clear or encrypted, and its chain holds."""
    cipher = CIPHER if encrypted else None
    written = frame.encode(framed(made, cipher))
    found = frame.decode(written)
    assert frame.encode(found) == written
    assert holds(found)
    kept = from_frame(found, made.seq, cipher, "ctx")
    assert frame.meta_of(found) == meta_of(kept, AT, len(encode_json(made)))
    assert kept.turn == made
    assert kept.size == len(encode_json(made))
    assert kept.bound >= kept.size


@pytest.mark.parametrize("cipher", [None, CIPHER], ids=["in the clear", "encrypted"])
@pytest.mark.parametrize("how", [0x01, 0x80, 0xFF])
def test_each_altered_byte_is_noticed(cipher: Cipher | None, how: int) -> None:
    """Whichever byte of a frame is altered: it does not read, its chain does not hold, or nothing is changed."""
    made = turn(3, "assistant", text("the answer is 42"), call("c1"), pinned=True, finish_reason="stop")
    written = frame.encode(framed(made, cipher))
    harmless = []
    for place in range(len(written)):
        altered = bytes((*written[:place], written[place] ^ how, *written[place + 1 :]))
        try:
            found = frame.decode(altered)
            if not holds(found):
                continue
            kept = from_frame(found, 3, cipher, "ctx")
        except (Damaged, LookupError):
            continue
        assert kept.turn == made
        harmless.append(place)
    assert harmless == []


@pytest.mark.parametrize("cipher", [None, CIPHER], ids=["in the clear", "encrypted"])
def test_a_frame_that_breaks_off_is_noticed(cipher: Cipher | None) -> None:
    """However few or many bytes are missing at its end, a frame is not read, or its digest does not agree."""
    written = frame.encode(framed(turn(0, "user", text()), cipher))
    for length in range(len(written)):
        try:
            found = frame.decode(written[:length])
        except Damaged:
            continue
        assert not holds(found)
    assert not holds(frame.decode(written + b"\0"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"\1\0\2k1" + rest))
def test_any_bytes_are_a_frame_or_damaged(stored: bytes) -> None:
    """What is no frame is refused as damaged, and in no other way."""
    try:
        found = frame.decode(stored)
        frame.meta_of(found)
    except Damaged:
        return
    assert frame.encode(found) == stored


def test_a_frame_of_a_later_version_is_refused() -> None:
    """A version that this gateway does not know is not guessed at."""
    written = frame.encode(framed(turn(0, "user", text())))
    with pytest.raises(Damaged, match="version 2"):
        frame.decode(b"\2" + written[1:])


def test_taking_content_out_keeps_the_chain() -> None:
    """A redacted frame has neither content nor salt, still holds, and reads as a redacted turn."""
    found = framed(turn(7, "user", text("a secret"), pinned=True, name="eve"))
    bare = frame.decode(frame.encode(frame.without_content(found)))
    assert b"a secret" not in frame.encode(bare)
    assert bare.redacted
    assert bare.salt == bytes(16)
    assert holds(bare)
    kept = from_frame(bare, 7, None, "ctx")
    assert (kept.turn.status, kept.turn.parts, kept.turn.pinned, kept.turn.name) == (
        "redacted",
        (),
        True,
        None,
    )
    assert kept.turn.id == turn(7, "user", text()).id
    assert decode_turn(encode_json(kept.turn)) == kept.turn


def test_a_summary_is_known_as_one_once_its_content_is_gone() -> None:
    """What summed up others is told apart from what was said even when it is redacted, so that nobody misses it."""
    compaction = Compaction(first=0, last=4, digest=f"sha256:{'0' * 64}")
    found = framed(turn(5, "user", text("in short"), compaction=compaction))
    kept = from_frame(frame.without_content(found), 5, None, "ctx")
    assert kept.summary
    assert kept.turn.compaction is None
    assert not from_frame(framed(turn(5, "user", text())), 5, None, "ctx").summary


def test_half_redacted_frames_are_damaged() -> None:
    """Content without its salt, and the mark of redaction without the deed, are both refused."""
    written = frame.encode(framed(turn(0, "user", text())))
    marked = bytes((written[0], 1, *written[2:]))
    bare = frame.encode(frame.without_content(frame.decode(written)))
    for wrong in (marked, bare + b"{}", bytes((bare[0], 0, *bare[2:]))):
        with pytest.raises(Damaged, match="redacted"):
            frame.decode(wrong)


def test_a_frame_at_another_place_is_refused() -> None:
    """A frame moved to another number is not read there, even before its chain is looked at."""
    with pytest.raises(Damaged, match="the frame of turn 3"):
        from_frame(framed(turn(3, "user", text())), 4, None, "ctx")


def test_content_of_another_turn_is_refused() -> None:
    """A body under another turn's header is not taken for that turn's."""
    one, other = turn(3, "user", text()), turn(4, "user", text())
    body = encode_json(other)
    mixed = frame.sealed(
        meta_of(hold(one, len(body), "ctx"), AT, len(body)),
        body,
        bytes(range(16)),
        key_id="k1",
        key=KEY,
        before=START,
        encrypted=False,
    )
    with pytest.raises(Damaged, match="another turn"):
        from_frame(mixed, 3, None, "ctx")


@pytest.mark.parametrize(
    "cipher",
    [None, Cipher(b"\1" * 32, "ctx"), Cipher(bytes(32), "other")],
    ids=["none", "another", "elsewhere"],
)
def test_encrypted_content_needs_its_key(cipher: Cipher | None) -> None:
    """Without the context's key, with another one, or that of another context, content does not read."""
    with pytest.raises(Damaged, match="cannot be read"):
        from_frame(framed(turn(0, "user", text()), CIPHER), 0, cipher, "ctx")


def test_an_encrypted_body_holds_at_its_place_only() -> None:
    """The encrypted body of one turn does not decrypt as that of another."""
    found = framed(turn(0, "user", text()), CIPHER)
    moved = frame.sealed(
        meta_of(held(1, "user", text()), AT, 1), found.body, found.salt, key_id="k1", key=KEY, before=START,
        encrypted=True,
    )  # fmt: skip
    assert holds(moved)
    with pytest.raises(Damaged, match="cannot be read"):
        from_frame(moved, 1, CIPHER, "ctx")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id":"x"}', b"\xff", b"[" * 5000])
def test_a_body_that_is_no_turn_is_damaged(body: bytes) -> None:
    """Whatever the body is, a reader is told that it is damaged."""
    found = frame.sealed(
        meta_of(held(0, "user", text()), AT, 1), body, bytes(range(16)), key_id="k1", key=KEY, before=START,
        encrypted=False,
    )  # fmt: skip
    with pytest.raises(Damaged):
        from_frame(found, 0, None, "ctx")


META: dict[str, Any] = {"id": turn(0, "user", text()).id, "seq": 0, "role": "user", "at": AT, "size": 3}


@pytest.mark.parametrize(
    "member",
    [
        {"id": "x"}, {"id": 3}, {"seq": -1}, {"seq": 2**53}, {"role": "boss"}, {"at": -1}, {"at": 2**62},
        {"at": 253_402_300_800_000}, {"size": -1}, {"status": "gone"}, {"pinned": 1}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_damaged(member: dict[str, Any]) -> None:
    """Headers that came from elsewhere, as in a bundle, cannot say what no turn could."""
    found = framed(turn(0, "user", text()))
    wrong = Frame(
        key_id="k1",
        meta=encode_json(META | member),
        salt=found.salt,
        digest=found.digest,
        link=found.link,
        body=found.body,
    )
    with pytest.raises(Damaged, match="header"):
        frame.meta_of(wrong)
