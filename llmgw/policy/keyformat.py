"""What an API key looks like: `llmgw_<env>_<12 id><_><43 secret><6 checksum>`, all parts free of `_`.

The checksum lets secret scanners tell real keys from look-alikes and catches typos before any look-up; it
protects nothing. The secret's 43 base62 digits hold 256 bits.
"""

import re
import secrets
import string
import zlib

from msgspec import Struct

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

_SHAPE = re.compile(
    rf"llmgw_[a-z0-9]{{1,16}}_([0-9A-Za-z]{{{ID_LENGTH}}})_"
    rf"[0-9A-Za-z]{{{SECRET_LENGTH}}}([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})",
    re.ASCII,
)


class FreshKey(Struct, frozen=True, kw_only=True):
    """A key just drawn; `token` is the whole key, to be shown once."""

    id: str
    token: str

    def __repr__(self) -> str:
        return f"FreshKey(id={self.id!r})"


def draw(env: str = "live", *, key_id: str | None = None) -> FreshKey:
    """Draw a new key from the system's randomness, or a new secret for the id of one."""
    key_id = key_id or _digits(ID_LENGTH)
    body = f"llmgw_{env}_{key_id}_{_digits(SECRET_LENGTH)}"
    return FreshKey(id=key_id, token=body + checksum(body))


def key_id(token: str) -> str | None:
    """Read the id out of a key; None for anything that no gateway can have issued."""
    match = _SHAPE.fullmatch(token)
    if match is None or checksum(token[:-CHECKSUM_LENGTH]) != match[2]:
        return None
    return match[1]


def checksum(body: str) -> str:
    """The CRC-32 of everything before it, as base62 padded to six digits."""
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        digits = ALPHABET[rest] + digits
    return digits


def _digits(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
