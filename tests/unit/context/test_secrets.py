"""The keys of stored contexts, and what is encrypted by them: nothing opens elsewhere, or for anybody else."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.context.integrity.chain_keys import (
    FILE,
    ChainKeys,
    ChainKeysError,
    UnknownKey,
    is_signed,
    load_chain_keys,
)
from llmgw.context.integrity.cipher import Cipher, Undecipherable, new_context_key, open_cipher
from llmgw.types.secret import Secret
from tests.unit.context.turns import OTHER, SECRET

ONE = ChainKeys({"k1": SECRET})
TWO = ChainKeys({"k1": SECRET, "k2": OTHER})


@settings(max_examples=100, deadline=None)
@given(plain=st.binary(max_size=300), place=st.text(max_size=20), other=st.text(max_size=20))
def test_what_was_encrypted_opens_at_its_place_alone(plain: bytes, place: str, other: str) -> None:
    """Bytes come back where they were encrypted, never the same twice, and nowhere else."""
    cipher = Cipher(bytes(32), "ctx")
    written = cipher.encrypt(plain, place)
    assert cipher.decrypt(written, place) == plain
    assert cipher.encrypt(plain, place) != written
    wrong = [Cipher(bytes(32), "ctx2"), Cipher(b"\1" * 32, "ctx"), Cipher(bytes(32), "")]
    for each in wrong:
        with pytest.raises(Undecipherable):
            each.decrypt(written, place)
    if place != other:
        with pytest.raises(Undecipherable):
            cipher.decrypt(written, other)


def test_each_altered_or_missing_byte_is_noticed() -> None:
    """Whichever byte is altered, added or missing: what is left does not decrypt."""
    cipher = Cipher(bytes(32), "ctx")
    written = cipher.encrypt(b"the answer is 42", "3")
    for place in range(len(written)):
        altered = bytes((*written[:place], written[place] ^ 1, *written[place + 1 :]))
        for wrong in (altered, written[:place], written + b"\0"):
            with pytest.raises(Undecipherable):
                cipher.decrypt(wrong, "3")


def test_a_contexts_key_opens_for_its_context_alone() -> None:
    """A written-down key is no use for another context, or another tenant's of the same name."""
    written = new_context_key(ONE, "acme", "ctx")
    body = open_cipher(ONE, "acme", "ctx", written).encrypt(b"words", "0")
    assert open_cipher(ONE, "acme", "ctx", written).decrypt(body, "0") == b"words"
    for tenant, owner in (("other", "ctx"), ("acme", "ctx2")):
        with pytest.raises(Undecipherable):
            open_cipher(ONE, tenant, owner, written)
    assert new_context_key(ONE, "acme", "ctx") != written


def test_each_altered_byte_of_a_contexts_key_is_noticed() -> None:
    """A key that was altered opens nothing, and nobody is told anything but that."""
    written = new_context_key(ONE, "acme", "ctx")
    for place in range(len(written)):
        for how in (0x01, 0x80):
            altered = bytes((*written[:place], written[place] ^ how, *written[place + 1 :]))
            with pytest.raises((Undecipherable, UnknownKey)):
                open_cipher(ONE, "acme", "ctx", altered)
    for length in range(len(written)):
        with pytest.raises((Undecipherable, UnknownKey)):
            open_cipher(ONE, "acme", "ctx", written[:length])


def test_a_rotated_key_still_opens_what_was_written_before() -> None:
    """The last key signs; what an older one wrapped still opens, and without that one it is known to be missing."""
    assert (ONE.current, TWO.current) == ("k1", "k2")
    old, new = (new_context_key(keys, "acme", "ctx") for keys in (ONE, TWO))
    assert old.startswith(b"k1:")
    assert new.startswith(b"k2:")
    body = open_cipher(ONE, "acme", "ctx", old).encrypt(b"words", "0")
    assert open_cipher(TWO, "acme", "ctx", old).decrypt(body, "0") == b"words"
    open_cipher(TWO, "acme", "ctx", new)
    with pytest.raises(UnknownKey, match="k2"):
        open_cipher(ONE, "acme", "ctx", new)


def test_each_purpose_tenant_and_key_has_a_secret_of_its_own() -> None:
    """No two derived secrets are the same, whatever the names they are derived from, and none is the key itself."""
    derived = [
        *(
            keys(tenant, key_id)
            for keys in (TWO.chain, TWO.wrap)
            for tenant in ("a", "b")
            for key_id in ("k1", "k2")
        ),
        TWO.history("a"),
        TWO.history("b"),
    ]
    assert len(set(derived)) == len(derived) == 10
    assert all(len(each) == 32 and each not in SECRET.reveal().encode() for each in derived)
    assert ONE.chain("a", "k1") == TWO.chain("a", "k1")
    assert ONE.history("a") == TWO.history("a")


def test_an_account_is_told_apart_and_not_told() -> None:
    """The digest of a credential outlives a rotation, differs by credential and by gateway, and is short."""
    assert ONE.account("sk-1") == TWO.account("sk-1") != ONE.account("sk-2")
    assert ChainKeys({"k1": OTHER}).account("sk-1") != ONE.account("sk-1")
    assert len(ONE.account("sk-1")) == 16


def test_a_signature_is_its_keys_and_its_messages() -> None:
    """Another message, another signer, or an altered signature is told apart; what is no key signs nothing."""
    signature = ONE.sign(b"message")
    assert is_signed(ONE.public, signature, b"message")
    assert not is_signed(ONE.public, signature, b"massage")
    assert not is_signed(TWO.public, signature, b"message")
    assert not is_signed(ONE.public, signature[:-1] + bytes([signature[-1] ^ 1]), b"message")
    for public in ("", "zz", "00", ONE.public[:-2], ONE.public + "00"):
        assert not is_signed(public, signature, b"message")


def test_a_gateway_trusts_itself_its_older_keys_and_those_it_is_told() -> None:
    """What this gateway signed before a rotation it still takes back; a stranger's it does not."""
    stranger = ChainKeys({"s": Secret("a-stranger's-key-0123456789abcdefghij")})
    assert TWO.trusts(TWO.public)
    assert TWO.trusts(ONE.public)
    assert not ONE.trusts(TWO.public)
    assert not TWO.trusts(stranger.public)
    assert ChainKeys({"k1": SECRET}, trusted=(stranger.public,)).trusts(stranger.public)


@pytest.mark.parametrize(
    "keys",
    [
        {}, {"k1": "short"}, {"K1": "x" * 32}, {"": "x" * 32}, {"k:1": "x" * 32}, {"k" * 33: "x" * 32},
        {"-k": "x" * 32}, {"k\n": "x" * 32},
    ],
)  # fmt: skip
def test_keys_that_cannot_be_used_are_refused(keys: dict[str, str]) -> None:
    """No key, one that can be guessed, and an id that cannot be stored are refused, and the secret is not told."""
    with pytest.raises(ValueError, match="key") as refusal:
        ChainKeys({name: Secret(secret) for name, secret in keys.items()})
    assert "short" not in str(refusal.value).replace("too short", "")


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """Without a file one is made that only its owner can read; asked again, the same is read."""
    ((name, secret),) = load_chain_keys(tmp_path).items()
    assert len(secret.reveal()) == 64
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert {name: key.reveal() for name, key in load_chain_keys(tmp_path).items()} == {name: secret.reveal()}


def test_a_key_that_takes_a_lost_ones_place_has_another_name(tmp_path: Path) -> None:
    """So that what the lost one signed is not taken for tampered with: its key is named as missing."""
    (lost,) = load_chain_keys(tmp_path)
    (tmp_path / FILE).unlink()
    (made,) = load_chain_keys(tmp_path)
    assert lost != made


def written(directory: Path, text: str) -> Path:
    """A file of keys as an operator would write it."""
    file = directory / FILE
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return directory


def test_a_file_of_keys_is_read_in_its_order(tmp_path: Path) -> None:
    """Comments and empty lines are passed over; the last line signs."""
    keys = load_chain_keys(written(tmp_path, f"# old\n\nk1 {'a' * 32}\n  k2 {'b' * 32}  \n"))
    assert ChainKeys(keys).current == "k2"
    assert keys["k2"].reveal() == "b" * 32


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no key"), ("# nothing\n", "no key"), ("k1\n", "no key; a line"), ("k1 short\n", "32 characters"),
        (f"K1 {'a' * 32}\n", "no key; a line"), (f"k1 {'a' * 32}\nk1 {'b' * 32}\n", "twice"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_good_keys_is_refused(tmp_path: Path, text: str, word: str) -> None:
    """What is wrong with a file of keys is said with its path, and none of its secrets."""
    with pytest.raises(ChainKeysError) as refusal:
        load_chain_keys(written(tmp_path, text))
    assert word in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)
    assert "a" * 32 not in str(refusal.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The fix is named."""
    written(tmp_path, f"k1 {'a' * 32}\n")
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ChainKeysError, match="chmod 600"):
        load_chain_keys(tmp_path)
