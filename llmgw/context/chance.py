"""Chance from the system, drawn for many at a time: asking it gives up the interpreter, for each of them."""

import os
from typing import Final

SIZE: Final = 16
"""Bytes of one draw."""
_AT_ONCE: Final = 256

_ahead: list[bytes] = []


def drawn() -> bytes:
    """Draw 16 bytes that nobody else is given."""
    try:
        # One step, so that no two threads get the same.
        return _ahead.pop()
    except IndexError:
        block = os.urandom(SIZE * _AT_ONCE)
        _ahead.extend(block[at : at + SIZE] for at in range(SIZE, len(block), SIZE))
        return block[:SIZE]


# A child process would else be given what its parent is given, too.
os.register_at_fork(after_in_child=_ahead.clear)
