"""Chance from the system, drawn for many at a time: asking it gives up the interpreter, for each of them."""

import os
import struct
from typing import Final

SIZE: Final = 16
"""Bytes of one draw."""
_AT_ONCE: Final = 256
_CUT: Final = struct.Struct(f"{SIZE}s").iter_unpack

_ahead: list[bytes] = []


def drawn() -> bytes:
    """Draw 16 bytes that nobody else is given."""
    try:
        # One step, so that no two threads get the same.
        return _ahead.pop()
    except IndexError:
        draws: list[bytes] = [draw for (draw,) in _CUT(os.urandom(SIZE * _AT_ONCE))]
        first = draws.pop()
        _ahead.extend(draws)
        return first


# A child process would else be given what its parent is given, too.
os.register_at_fork(after_in_child=_ahead.clear)
