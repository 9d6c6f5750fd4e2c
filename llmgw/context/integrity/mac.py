"""HMAC-SHA-256 (RFC 2104), begun once for each key, which takes longer than a short message does."""

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def mac(key: bytes, message: bytes) -> bytes:
    """The HMAC-SHA-256 of a message."""
    inner, outer = _begun(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=4096)
def _begun(key: bytes) -> "tuple[_Hash, _Hash]":
    """The two digests that have read the key and nothing else; to be copied, not to be altered."""
    short = key if len(key) <= _BLOCK else hashlib.sha256(key).digest()
    block = short.ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
