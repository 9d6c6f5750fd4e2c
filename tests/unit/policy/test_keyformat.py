"""The form of API keys."""

import re

from hypothesis import given
from hypothesis import strategies as st
from llmgw.policy import keyformat


def test_a_drawn_key_reads_back() -> None:
    """The id inside a key is found, and the whole has the documented shape."""
    key = keyformat.draw()
    assert keyformat.key_id(key.token) == key.id
    assert re.fullmatch(r"llmgw_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", key.token)


def test_keys_differ() -> None:
    """Two draws share neither id nor secret."""
    keys = [keyformat.draw() for _ in range(100)]
    assert len({key.id for key in keys}) == 100
    assert len({key.token for key in keys}) == 100


def test_the_environment_is_part_of_the_key() -> None:
    """Keys say where they belong."""
    assert keyformat.draw("test").token.startswith("llmgw_test_")


def test_a_known_key() -> None:
    """The format never changes under issued keys: this one stays valid."""
    assert keyformat.key_id("llmgw_live_0123456789ab_" + "A" * 43 + "3y5V4I") == "0123456789ab"


@given(position=st.integers(0, 72), char=st.sampled_from(keyformat.ALPHABET))
def test_any_changed_character_is_noticed(position: int, char: str) -> None:
    """One wrong character anywhere makes it no key, before any look-up."""
    body = "llmgw_live_0123456789ab_" + "A" * 43
    token = body + keyformat.checksum(body)
    wrong = token[:position] + char + token[position + 1 :]
    assert keyformat.key_id(wrong) == ("0123456789ab" if wrong == token else None)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a caller sends is either a key or not."""
    assert keyformat.key_id(text) is None


def test_trailing_newlines_and_other_digits_are_no_key() -> None:
    """Neither a newline at the end nor other scripts' digits slip through."""
    token = keyformat.draw().token
    assert keyformat.key_id(token + "\n") is None
    assert keyformat.key_id(token.replace(token[12], "\u0663", 1)) is None


def test_a_fresh_key_does_not_print_itself() -> None:
    """The secret part is not in the repr."""
    key = keyformat.draw()
    assert key.token not in repr(key)
