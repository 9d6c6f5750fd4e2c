"""Strings of others, made fit to leave."""

from hypothesis import example, given
from hypothesis import strategies as st
from llmgw.types.text import cut, printable

anything = st.text(st.characters(codec=None, exclude_categories=()))


@given(anything, st.integers(0, 50))
@example("\ud800" * 3, 2)
@example("é" * 3, 3)
def test_cut_is_valid_utf8_within_its_bound(text: str, limit: int) -> None:
    """No character is split, no surrogate survives."""
    assert len(cut(text, limit).encode("utf-8")) <= limit


@given(st.text(max_size=20))
def test_cut_leaves_short_text_alone(text: str) -> None:
    """What fits is not touched."""
    assert text == cut(text, 80)


@given(anything)
@example("a\nb\r\u2028\x85\x1b[31m\x9b\u202e\ud800")
def test_printable_is_one_harmless_line(text: str) -> None:
    """No line break of any kind, no terminal control, no lone surrogate."""
    shown = printable(text, 100)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_printable_says_what_was_there() -> None:
    """The escapes are Python's."""
    assert printable("a\nb\x1b[31m\u2028", 100) == r"a\nb\x1b[31m\u2028"
