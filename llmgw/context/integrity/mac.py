"""HMAC-SHA-256 (RFC 2104), begun once for each key, which takes as long as a short message does."""

import hmac
from functools import lru_cache


def mac(key: bytes, message: bytes) -> bytes:
    """The HMAC-SHA-256 of a message."""
    begun = _begun(key).copy()
    begun.update(message)
    return begun.digest()


@lru_cache(maxsize=4096)
def _begun(key: bytes) -> hmac.HMAC:
    """The one that has read the key and nothing else; to be copied, not to be altered."""
    return hmac.new(key, digestmod="sha256")
