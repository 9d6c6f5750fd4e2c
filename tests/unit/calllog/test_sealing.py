"""Contents at rest: who opens them, and what does not open."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.calllog.sealing import (
    BrokenSeal,
    ContentKeyError,
    Sealer,
    UnknownContentKey,
    load_content_key,
    parse_content_key,
)

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=2000), st.text(max_size=20), st.text(max_size=40))
def test_a_content_opens_for_its_call_as_it_was(plain: bytes, tenant: str, call: str) -> None:
    """Whether it compresses or not; nothing of it is readable before, and no two seals are the same."""
    sealer = Sealer(KEY)
    sealed = sealer.seal(tenant, call, plain)
    assert sealer.unseal(tenant, call, sealed) == plain
    assert Sealer(KEY).unseal(tenant, call, sealed) == plain
    assert sealed != sealer.seal(tenant, call, plain)
    assert len(plain) < 8 or plain not in sealed


def test_words_take_less_room_than_they_had() -> None:
    """They are compressed before they are encrypted."""
    assert len(Sealer(KEY).seal("acme", "call_1", b"what is it about? " * 100)) < 200


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    """The head neither: each is refused, never opened to something else."""
    sealer = Sealer(KEY)
    sealed = bytearray(sealer.seal("acme", "call_1", b"what is it about?"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises((BrokenSeal, UnknownContentKey)):
        sealer.unseal("acme", "call_1", bytes(sealed))


@pytest.mark.parametrize(("tenant", "call"), [("acme", "call_2"), ("other", "call_1")])
def test_a_content_is_no_other_calls_and_no_other_tenants(tenant: str, call: str) -> None:
    """It is bound to both."""
    sealer = Sealer(KEY)
    with pytest.raises(BrokenSeal):
        sealer.unseal(tenant, call, sealer.seal("acme", "call_1", b"words"))


@pytest.mark.parametrize("sealed", [b"", b"lc1", b"x" * 100, b"lc1" + bytes(20)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    """Too short, or with another beginning."""
    with pytest.raises(BrokenSeal):
        Sealer(KEY).unseal("acme", "call_1", sealed)


def test_an_old_key_opens_what_it_sealed() -> None:
    """After a change of keys both do, the new one seals, and without the old one its seals say which is missing."""
    before = Sealer(OTHER).seal("acme", "call_1", b"words")
    both = Sealer(KEY, [OTHER])
    assert both.unseal("acme", "call_1", before) == b"words"
    after = both.seal("acme", "call_1", b"words")
    assert Sealer(KEY).unseal("acme", "call_1", after) == b"words"
    with pytest.raises(UnknownContentKey, match=before[3:11].hex()):
        Sealer(KEY).unseal("acme", "call_1", before)


def test_the_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    """It is the same at the next start; where others can read it, it is not taken, nor is a damaged one."""
    key = load_content_key(tmp_path)
    path = tmp_path / "content-key"
    assert (len(key), path.stat().st_mode & 0o777) == (32, 0o600)
    assert load_content_key(tmp_path) == key
    path.chmod(0o644)
    with pytest.raises(ContentKeyError, match=r"chmod 600 .* or set call_log\.content_key"):
        load_content_key(tmp_path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(ContentKeyError, match="restore it from a backup"):
        load_content_key(tmp_path)


@pytest.mark.parametrize("text", ["", "00", "0" * 63, "g" * 64, "0" * 66])
def test_a_key_is_64_hexadecimal_digits(text: str) -> None:
    """Nothing else, and the message does not repeat it."""
    with pytest.raises(ContentKeyError) as caught:
        parse_content_key(text, "call_log.content_key")
    assert len(text) < 3 or text not in str(caught.value)


def test_a_key_of_another_length_is_none() -> None:
    """The bytes themselves are checked as well."""
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short")
