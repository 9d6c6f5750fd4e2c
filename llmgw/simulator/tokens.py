"""The simulator's tokens: pieces of letters, digits or punctuation, which together are the text."""

import re

_PIECE = re.compile(r" ?[^\W\d_]{1,12}| ?\d{1,6}| ?[^\w\s]| ?_|\s+")


def pieces(text: str) -> list[str]:
    """Cut a text into tokens.

    A token is up to 12 letters, up to 6 digits or one other character, with one space before it where there is
    one, or a run of white space. Joined, they are the text again.
    """
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return len(_PIECE.findall(text))
