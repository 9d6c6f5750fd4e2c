"""What was asked and answered, at rest: compressed, encrypted by a key of its tenant's, bound to its call.

    "lc1" || key id (8) || flags (1) || nonce (12) || AES-256-GCM(deflated content) with its tag

The key of a tenant is derived from the master key (HKDF-SHA256), so that only that one is kept, and none reads
another's. The head and the call's id are proved with the content: moved to another call, or another tenant, it does
not open. The key's id stands in the head, so that an old master key still opens what it sealed.
"""

import hashlib
import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from llmgw.state.private_file import PrivateFileError, make_once, read_private

KEY_BYTES: Final = 32
"""Length of a master key."""
MAX_PLAIN: Final = 64 * 1024 * 1024
"""Bytes that a sealed content may hold: what is more is none of ours."""

_MAGIC: Final = b"lc1"
_ID: Final = 8
_NONCE: Final = 12
_HEAD: Final = len(_MAGIC) + _ID + 1
_TAG: Final = 16
_DEFLATED: Final = 1
_FILE: Final = "content-key"
_MAX_TENANTS: Final = 4096


class ContentKeyError(Exception):
    """The master key cannot be used; the message ends with what to do about it."""


class Unsealable(ValueError):
    """Sealed bytes that do not open here."""


class UnknownContentKey(Unsealable):
    """They were sealed by a master key that is not here."""


class BrokenSeal(Unsealable):
    """They were altered or cut, or belong to another call or tenant."""


class Sealer:
    """Seals and opens contents; `key` seals, it and the `older` ones open.

    Raises:
        ValueError: a key has not 32 bytes.
    """

    def __init__(self, key: bytes, older: Iterable[bytes] = ()) -> None:
        keys = [key, *older]
        if any(len(each) != KEY_BYTES for each in keys):
            raise ValueError(f"a content key has {KEY_BYTES} bytes")
        self._masters = {_id_of(each): each for each in reversed(keys)}
        self._current = _id_of(key)
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}

    def seal(self, tenant: str, call_id: str, plain: bytes) -> bytes:
        """Return a content sealed for one call of a tenant."""
        packed = zlib.compress(plain, 1)
        flags = _DEFLATED if len(packed) < len(plain) else 0
        head = _MAGIC + self._current + bytes([flags])
        nonce = os.urandom(_NONCE)
        cipher = self._cipher(self._current, tenant)
        return head + nonce + cipher.encrypt(nonce, packed if flags else plain, head + call_id.encode())

    def unseal(self, tenant: str, call_id: str, sealed: bytes) -> bytes:
        """Return the content that `seal` was given for the same call of the same tenant.

        Raises:
            UnknownContentKey: its key is not here.
            BrokenSeal: it is not that, or not as it was.
        """
        head, nonce, rest = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        if len(rest) < _TAG or not head.startswith(_MAGIC):
            raise BrokenSeal("no sealed content")
        key_id = head[len(_MAGIC) : -1]
        if key_id not in self._masters:
            raise UnknownContentKey(f"no content key {key_id.hex()} here")
        try:
            plain = self._cipher(key_id, tenant).decrypt(nonce, rest, head + call_id.encode())
        except InvalidTag:
            raise BrokenSeal("the content was altered, or is another call's") from None
        if head[-1] & _DEFLATED == 0:
            return plain
        inflate = zlib.decompressobj()
        whole = inflate.decompress(plain, MAX_PLAIN)
        if not inflate.eof:
            raise BrokenSeal(f"the content is over {MAX_PLAIN} bytes")
        return whole

    def _cipher(self, key_id: bytes, tenant: str) -> AESGCM:
        cipher = self._ciphers.get((key_id, tenant))
        if cipher is None:
            info = b"llmgw/content/1|" + tenant.encode()
            key = HKDF(SHA256(), KEY_BYTES, None, info).derive(self._masters[key_id])
            if len(self._ciphers) >= _MAX_TENANTS:
                self._ciphers.clear()
            cipher = self._ciphers[key_id, tenant] = AESGCM(key)
        return cipher


def load_content_key(directory: Path) -> bytes:
    """Read the master key in `<directory>/content-key`, made of 32 random bytes when absent.

    Several processes may do this at once: all get the same key.

    Raises:
        ContentKeyError: the file is readable by others, is no key, or cannot be read or made.
    """
    path = directory / _FILE
    try:
        make_once(path, secrets.token_hex(KEY_BYTES) + "\n")
        text = read_private(path).strip()
    except PrivateFileError as error:
        raise ContentKeyError(f"the content key {error}, or set call_log.content_key") from error
    return parse_content_key(text, f"the content key {path}")


def parse_content_key(text: str, what: str) -> bytes:
    """Read a master key from 64 hexadecimal digits; `what` names it in the error.

    Raises:
        ContentKeyError: it is none.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ContentKeyError(
            f"{what} is not {2 * KEY_BYTES} hexadecimal digits; restore it from a backup, or start with a new one, "
            "which makes every content sealed so far unreadable"
        )
    return key


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"llmgw/content-key-id/1|" + key).digest()[:_ID]
