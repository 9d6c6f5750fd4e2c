"""The simulator's tokenizer."""

from hypothesis import given
from hypothesis import strategies as st
from llmgw.simulator.tokens import count, pieces


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    """Joined, the tokens of any text are the text, none is empty, and counting agrees with cutting."""
    cut = pieces(text)
    assert text == "".join(cut)
    assert all(cut)
    assert len(cut) == count(text)


def test_words_keep_their_space() -> None:
    """A word's token has the space before it, punctuation stands alone, long words and numbers are cut."""
    assert pieces("Hello world!  x1234567") == ["Hello", " world", "!", "  ", "x", "123456", "7"]
    assert pieces("a" * 20) == ["a" * 12, "a" * 8]
