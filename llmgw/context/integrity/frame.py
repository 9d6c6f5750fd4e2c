"""How one turn lies in the store: a header in the clear, what the chain needs, and the turn's own bytes.

    1   version (1)
    1   flags: 1 redacted, 2 encrypted
    1   length of the key id, then the key id (ASCII)
    2   length of the meta, then the meta: compact JSON, `FrameMeta`
    16  salt
    32  digest  = SHA-256(salt, body)
    32  link    = HMAC-SHA-256(chain key, "llmgw/context/1", link before, digest, meta)
    *   body: the turn's JSON as it was encoded once, or its encryption

Numbers are big-endian. A redacted frame has a salt of zeros and no body: its digest stays, so that the chain
still holds, and nobody can check a guess against it.
"""

import hashlib
from functools import lru_cache
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from llmgw.context.integrity.mac import mac
from llmgw.types.message import Role
from llmgw.types.scalars import Count, Seq, TurnId
from llmgw.types.turn import TurnStatus

VERSION: Final = 1
SALT: Final = 16
DIGEST: Final = 32

UnixMs: TypeAlias = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""A time that can be written with four digits for its year."""

_REDACTED: Final = 1
_ENCRYPTED: Final = 2
_FLAGS: Final = _REDACTED | _ENCRYPTED
_LABEL: Final = b"llmgw/context/1"
_NO_SALT: Final = bytes(SALT)


class Damaged(ValueError):
    """Stored bytes that are no frame."""


class LaterVersion(Damaged):
    """Stored bytes that say they are a frame of a later version, which a later gateway reads."""


class Header(Struct, frozen=True, gc=False):
    """What is read of the meta of a turn that was proven, and so was written by a gateway; see `FrameMeta`."""

    id: str
    seq: int
    size: int


class FrameMeta(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of a turn whatever becomes of its content; `at` is unix milliseconds, `size` bytes of JSON.

    `summary` tells that it sums up others: nobody misses it where its content is gone.
    """

    id: TurnId
    seq: Seq
    role: Role
    at: UnixMs
    size: Count
    status: TurnStatus = "complete"
    pinned: bool = False
    summary: bool = False


class Frame(Struct, frozen=True, gc=False):
    """One stored turn, taken apart; `meta` and `body` are the bytes as they lie."""

    key_id: str
    meta: bytes
    salt: bytes
    digest: bytes
    link: bytes
    body: bytes
    encrypted: bool = False

    @property
    def redacted(self) -> bool:
        """Whether the content was taken out."""
        return self.salt == _NO_SALT

    @property
    def head(self) -> str:
        """The link as contexts name it."""
        return self.link.hex()


_encode_meta = msgspec.json.Encoder().encode
_decode_meta = msgspec.json.Decoder(FrameMeta).decode
_decode_header = msgspec.json.Decoder(Header).decode


def link_of(key: bytes, before: bytes, digest: bytes, meta: bytes) -> bytes:
    """Chain a turn to the one before it: the first three parts have one length each, so nothing can be shifted."""
    return mac(key, b"".join((_LABEL, before, digest, meta)))


def digest_of(salt: bytes, body: bytes) -> bytes:
    """The digest of stored bytes; without the salt nobody can check what they were."""
    return hashlib.sha256(salt + body).digest()


def sealed(
    meta: FrameMeta, body: bytes, salt: bytes, *, key_id: str, key: bytes, before: bytes, encrypted: bool
) -> Frame:
    """Make the frame of a turn that follows the link `before`."""
    written = _encode_meta(meta)
    digest = digest_of(salt, body)
    return Frame(
        key_id=key_id,
        meta=written,
        salt=salt,
        digest=digest,
        link=link_of(key, before, digest, written),
        body=body,
        encrypted=encrypted,
    )


def chained(
    meta: FrameMeta, body: bytes, salt: bytes, *, key_id: str, key: bytes, before: bytes, encrypted: bool
) -> tuple[bytes, bytes]:
    """Write the frame that `sealed` makes as it is stored; returns it and its link."""
    written = _encode_meta(meta)
    digest = hashlib.sha256(salt + body).digest()
    link = mac(key, b"".join((_LABEL, before, digest, written)))
    opening = _opening(key_id, _ENCRYPTED if encrypted else 0)
    return b"".join((opening, len(written).to_bytes(2), written, salt, digest, link, body)), link


@lru_cache(maxsize=64)
def _opening(key_id: str, flags: int) -> bytes:
    """What frames that are signed with one key begin with."""
    return bytes((VERSION, flags, len(key_id))) + key_id.encode("ascii")


def redacted(meta: FrameMeta, digest: bytes, *, key_id: str, key: bytes, before: bytes) -> Frame:
    """Make the frame of a turn whose content is gone, of which the digest is known."""
    written = _encode_meta(meta)
    return Frame(
        key_id=key_id,
        meta=written,
        salt=_NO_SALT,
        digest=digest,
        link=link_of(key, before, digest, written),
        body=b"",
    )


def encode(frame: Frame) -> bytes:
    """Write a frame as it is stored."""
    flags = (_REDACTED if frame.redacted else 0) | (_ENCRYPTED if frame.encrypted else 0)
    return b"".join(
        (
            _opening(frame.key_id, flags),
            len(frame.meta).to_bytes(2),
            frame.meta,
            frame.salt,
            frame.digest,
            frame.link,
            frame.body,
        )
    )


def decode(stored: bytes) -> Frame:
    """Read a frame.

    Raises:
        LaterVersion: a later gateway wrote these bytes, as far as they say.
        Damaged: these bytes are none.
    """
    try:
        version, flags, length = stored[0], stored[1], stored[2]
        if version != VERSION:
            raise (LaterVersion if version > VERSION else Damaged)(f"a frame of version {version}")
        if flags & ~_FLAGS:
            raise Damaged("a frame with marks that its version does not have")
        key_end = 3 + length
        meta_at = key_end + 2
        salt_at = meta_at + (stored[key_end] << 8) + stored[key_end + 1]
        key_id = stored[3:key_end].decode("ascii")
    except (IndexError, UnicodeDecodeError):
        raise Damaged("bytes that are no frame") from None
    digest_at = salt_at + SALT
    link_at = digest_at + DIGEST
    body_at = link_at + DIGEST
    if len(stored) < body_at:
        raise Damaged("a frame that breaks off")
    salt, body = stored[salt_at:digest_at], stored[body_at:]
    redacted = salt == _NO_SALT
    if redacted != bool(flags & _REDACTED) or (redacted and body):
        raise Damaged("a frame that is redacted and is not")
    # By place: thousands are read at a time, and names would take as long again.
    return Frame(
        key_id,
        stored[meta_at:salt_at],
        salt,
        stored[digest_at:link_at],
        stored[link_at:body_at],
        body,
        flags & _ENCRYPTED != 0,
    )


def meta_of(frame: Frame) -> FrameMeta:
    """Read a frame's header.

    Raises:
        Damaged: it is none.
    """
    try:
        return _decode_meta(frame.meta)
    except (ValueError, RecursionError):
        raise Damaged("a frame whose header cannot be read") from None


def header_of(frame: Frame) -> Header:
    """Read the header of a frame that was proven.

    Raises:
        Damaged: it is none.
    """
    try:
        return _decode_header(frame.meta)
    except (ValueError, RecursionError):
        raise Damaged("a frame whose header cannot be read") from None


def without_content(frame: Frame) -> Frame:
    """The frame with its content taken out."""
    return msgspec.structs.replace(frame, salt=_NO_SALT, body=b"")
