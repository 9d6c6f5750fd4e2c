"""Turns at rest, encrypted by a key of the context's own: whoever destroys that key destroys the content."""

import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from llmgw.context.chance import drawn
from llmgw.context.integrity.chain_keys import ChainKeys

_NONCE: Final = 12
_KEY: Final = 32
_OWN_KEY: Final = "key"


class Undecipherable(ValueError):
    """Bytes that this key did not encrypt, at this place."""


class Cipher:
    """AES-256-GCM over one context's bodies and blobs; each is bound to its place by `place`."""

    def __init__(self, key: bytes, owner: str) -> None:
        self._cipher = AESGCM(key)
        self._owner = owner.encode()

    def encrypt(self, plain: bytes, place: str) -> bytes:
        """Encrypt under a new random nonce, which comes first."""
        nonce = drawn()[:_NONCE]
        return nonce + self._cipher.encrypt(nonce, plain, self._bound(place))

    def decrypt(self, stored: bytes, place: str) -> bytes:
        """Decrypt what `encrypt` wrote for the same place.

        Raises:
            Undecipherable: it did not, or the bytes were altered.
        """
        try:
            return self._cipher.decrypt(stored[:_NONCE], stored[_NONCE:], self._bound(place))
        except (InvalidTag, ValueError):
            raise Undecipherable("stored bytes do not decrypt") from None

    def _bound(self, place: str) -> bytes:
        return self._owner + b"|" + place.encode()


def wrapped(keys: ChainKeys, tenant: str, owner: str, plain: bytes, place: str) -> bytes:
    """Encrypt something of a context by its tenant's key, for when its own is not at hand: `id:nonce+bytes`."""
    key_id, nonce = keys.current, drawn()[:_NONCE]
    sealed = _wrapping(keys.wrap(tenant, key_id)).encrypt(nonce, plain, f"{owner}|{place}".encode())
    return b"%b:%b%b" % (key_id.encode(), nonce, sealed)


@lru_cache(maxsize=256)
def _wrapping(key: bytes) -> AESGCM:
    """What encrypts by a tenant's key, which takes longer to begin than a message does."""
    return AESGCM(key)


def new_context_key(keys: ChainKeys, tenant: str, owner: str) -> bytes:
    """Draw a context's key and write it down encrypted by the tenant's."""
    return wrapped(keys, tenant, owner, os.urandom(_KEY), _OWN_KEY)


def open_cipher(keys: ChainKeys, tenant: str, owner: str, written: bytes) -> Cipher:
    """Open a context's cipher by its written-down key.

    Raises:
        UnknownKey: the tenant's key it was written down with is not here.
        Undecipherable: it was altered, or is another context's.
    """
    return Cipher(unwrapped(keys, tenant, owner, written, _OWN_KEY), owner)


def unwrapped(keys: ChainKeys, tenant: str, owner: str, written: bytes, place: str) -> bytes:
    """Decrypt what `wrapped` wrote.

    Raises:
        UnknownKey: the tenant's key it was written with is not here.
        Undecipherable: it was altered, or is another context's.
    """
    key_id, _, encrypted = written.partition(b":")
    if not key_id.isascii():
        raise Undecipherable("a key's id that is none")
    return Cipher(keys.wrap(tenant, key_id.decode("ascii")), owner).decrypt(encrypted, place)
