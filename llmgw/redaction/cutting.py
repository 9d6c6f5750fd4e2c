"""Words cut to a number of bytes: text at the end of a character, JSON so that it stays JSON."""

from collections.abc import Iterable
from typing import Final

from msgspec.json import encode

from llmgw.types.json import Json

CUT: Final = "…[cut]"
"""What a text ends with that was cut."""

_LEAST: Final = 32
_DEEPEST: Final = 64


def cut_text(text: str, limit: int) -> str:
    """Return `text` as valid Unicode of at most `limit` UTF-8 bytes, with a mark at its end where it was longer."""
    data = text[: limit + 1].encode("utf-8", "replace")
    if len(data) <= limit and len(text) <= limit:
        return data.decode()
    room = limit - len(CUT.encode())
    return data[: max(0, room)].decode("utf-8", "ignore") + CUT if room >= 0 else ""


def cut_bytes(data: bytes, limit: int) -> bytes:
    """Return the first `limit` bytes at most, none of a character that does not fit whole."""
    if len(data) <= limit:
        return data
    end = limit
    while end > limit - 4 and end > 0 and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]


def shorten(value: Json, room: int) -> Json:
    """Return a document whose texts have `room` bytes together at most; what comes first has it first.

    Lists and objects end where nothing is left, and what is nested deeper than 64 goes.
    """
    return _Shortening(room).of(value, 0)


def encode_within(value: Json, limit: int) -> tuple[bytes, bool]:
    """Write a document in `limit` bytes at most, and say whether something of it was cut; b"" where none fits."""
    written = encode(value)
    if len(written) <= limit:
        return written, False
    room = limit - limit // 8
    while room >= _LEAST:
        written = encode(shorten(value, room))
        if len(written) <= limit:
            return written, True
        room //= 2
    return b"", True


def encode_list(values: Iterable[Json], limit: int, *, mark: Json, from_end: bool = False) -> bytes:
    """Write as many of the values as have room in `limit` bytes, as a list with `mark` where others are missing.

    `values` come in the order in which they are wanted, the last first where they are kept `from_end`; the one for
    which there is no room any more is cut. No more of them are asked for than have room.
    """
    spent = len(encode(mark)) + 4
    pieces: list[bytes] = []
    whole = True
    for value in values:
        room = limit - spent
        if not whole or room < _LEAST:
            whole = False
            break
        piece, shortened = encode_within(value, room)
        whole = not shortened
        if piece:
            pieces.append(piece)
            spent += len(piece) + 1
    if not whole:
        pieces.append(encode(mark))
    return b"[" + b",".join(reversed(pieces) if from_end else pieces) + b"]"


class _Shortening:
    """Shares out room among the texts of one document."""

    def __init__(self, room: int) -> None:
        self._left = room

    def of(self, value: Json, depth: int) -> Json:
        match value:
            case str():
                told = cut_text(value, max(0, self._left))
                self._left -= len(told.encode()) + 2
                return told
            case list() | dict() if depth >= _DEEPEST:
                return CUT
            case list():
                return [self.of(each, depth + 1) for each in value if self._has_room()]
            case dict():
                return {
                    cut_text(name, 256): self.of(each, depth + 1)
                    for name, each in value.items()
                    if self._has_room(len(name))
                }
            case _:
                self._left -= 4
                return value

    def _has_room(self, more: int = 0) -> bool:
        self._left -= min(more, 256)
        return self._left > 0
