"""From what is said to frames: one chain, proven from its beginning, in the clear or encrypted."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.context.drafting import Draft, Place, draft, of_turn, seal
from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import Cipher
from llmgw.context.integrity.proof import BadTurn, Unprovable, proven
from llmgw.context.kept import from_frame, kept, redacted_turn
from llmgw.types.message import MediaPart, Message
from llmgw.types.turn import Turn
from tests.unit.context.documents import VALUES
from tests.unit.context.turns import AT, KEYS, OTHER, SALT, SECRET, START, said, text, turn

CIPHER = Cipher(bytes(32), "ctx")


def drafts(count: int = 4) -> list[Draft]:
    """Turns that are about to be stored."""
    return [of_turn(turn(seq, "user", text(f"word {seq}")), AT, "ctx") for seq in range(count)]


def sealed(made: Sequence[Draft], cipher: Cipher | None = None, keys: ChainKeys = KEYS) -> list[bytes]:
    """Their frames."""
    return seal(made, keys, "acme", START, cipher)[0]


def read(frames: Sequence[bytes], cipher: Cipher | None = None, keys: ChainKeys = KEYS) -> list[Turn]:
    """The turns in some frames, proven."""
    found = proven(keys, "acme", frames, 0, START)
    return [from_frame(each, seq, cipher, "ctx").turn for seq, each in enumerate(found)]


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES["turn"], max_size=4), st.sampled_from([None, CIPHER]))
def test_what_was_sealed_is_proven_and_read(turns: list[Turn], cipher: Cipher | None) -> None:
    """Any turns of the protocol, one after another, come back the same, and end in the link that was told."""
    numbered = [
        Turn(**{**{name: getattr(each, name) for name in each.__struct_fields__}, "seq": seq})
        for seq, each in enumerate(turns)
    ]
    made = [of_turn(each, AT, "ctx") for each in numbered]
    frames, link = seal(made, KEYS, "acme", START, cipher)
    assert read(frames, cipher) == numbered
    assert link == (frame.decode(frames[-1]).link if frames else START)


CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the first is missing": lambda frames: frames[1:],
    "one amid is missing": lambda frames: [*frames[:1], *frames[2:]],
    "two have changed places": lambda frames: [frames[1], frames[0], *frames[2:]],
    "one is there twice": lambda frames: [frames[0], frames[0], *frames[1:]],
    "one is another chain's": lambda frames: [
        *frames[:2],
        sealed(drafts(), keys=ChainKeys({"k1": OTHER}))[2],
        *frames[3:],
    ],
    "one is no frame": lambda frames: [*frames[:2], b"x", *frames[3:]],
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_chain_that_was_cut_is_noticed(how: str) -> None:
    """Wherever a frame is missing, moved, doubled or strange, the first that does not follow is named."""
    frames = sealed(drafts())
    with pytest.raises(BadTurn) as failure:
        read(CHANGES[how](frames))
    assert failure.value.seq == {"the first is missing": 0, "two have changed places": 0}.get(
        how, 2 if how.startswith("one is another") or how.endswith("no frame") else 1
    )


def test_a_chain_is_its_tenants_and_its_beginnings() -> None:
    """The same frames prove nothing for another tenant, or behind another beginning."""
    frames = sealed(drafts())
    for tenant, link in (("other", START), ("acme", bytes(32))):
        with pytest.raises(BadTurn):
            list(proven(KEYS, tenant, frames, 0, link))


def test_turns_of_two_keys_are_one_chain() -> None:
    """After a rotation the chain goes on with the new key; without the old one it is known which is missing."""
    both = ChainKeys({"k1": SECRET, "k2": OTHER})
    first, link = seal(drafts(2), KEYS, "acme", START, None)
    more = drafts(4)[2:]
    second, _ = seal(more, both, "acme", link, None)
    assert [frame.decode(each).key_id for each in (*first, *second)] == ["k1", "k1", "k2", "k2"]
    assert [each.seq for each in read([*first, *second], keys=both)] == [0, 1, 2, 3]
    with pytest.raises(Unprovable, match="k1"):
        read([*first, *second], keys=ChainKeys({"k2": OTHER}))


def test_a_turn_that_was_redacted_elsewhere_keeps_its_digest() -> None:
    """What is taken over without its content is stored without it, under the digest it had."""
    (original,) = sealed(drafts(1))
    digest = frame.decode(original).digest
    meta = frame.meta_of(frame.decode(original))
    gone = Draft(turn=kept(redacted_turn(meta), 0, "ctx"), body=b"", at=AT, digest=digest)
    (stored,) = sealed([gone], CIPHER)
    found = frame.decode(stored)
    assert (found.redacted, found.digest, found.body, found.encrypted) == (True, digest, b"", False)
    assert [each.status for each in read([stored], CIPHER)] == ["redacted"]


def test_no_two_frames_of_the_same_words_are_alike() -> None:
    """Neither digest nor body tells that the same was said twice."""
    for cipher in (None, CIPHER):
        one, other = (frame.decode(sealed(drafts(1), cipher)[0]) for _ in range(2))
        assert one.digest != other.digest
        assert one.salt != other.salt
    assert one.body != other.body


def test_a_message_becomes_a_turn() -> None:
    """With its number, its time and whatever else is known of it; large content goes aside."""
    picture = MediaPart(kind="image", base64="A" * blobs.LARGE)
    message: Message = said("user", text("look"), picture, name="eve", provider_details={"x": 1})
    aside: dict[str, bytes] = {}
    made = draft(message, Place(seq=7, home="ctx", salt=SALT), AT, aside, source="import", pinned=True)
    found = made.turn.turn
    assert (found.seq, found.role, found.name, found.source, found.pinned) == (
        7,
        "user",
        "eve",
        "import",
        True,
    )
    assert found.created_at == "2023-11-14T22:13:20.000Z"
    assert list(aside) == list(made.turn.media)
    assert len(made.body) < 1000
    assert blobs.brought_back(found.parts, aside, pytest.fail) == message.parts
    assert made.turn.bound >= made.turn.size + blobs.PICTURE
