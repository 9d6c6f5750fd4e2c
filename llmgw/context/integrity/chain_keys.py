"""The secrets by which stored turns are signed and encrypted: outside the store, told apart by ids, rotated.

The last key signs what is stored from now on; the others still prove what was signed with them. Without a key
in the settings the gateway makes one of its own in `context.keys` in its state directory: one line a key, `id
secret`.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from llmgw.state.private_file import PrivateFileError, make_once, read_private
from llmgw.types.secret import Secret

FILE: Final = "context.keys"
MIN_LENGTH: Final = 32
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

_LABEL: Final = b"llmgw/context/1/"


class ChainKeysError(Exception):
    """The keys cannot be used; the message ends with what to do about it."""


class UnknownKey(LookupError):
    """Something is signed with a key this gateway does not have."""


class ChainKeys:
    """Derives what each tenant's turns are signed and encrypted with.

    `keys` maps ids to secrets, oldest first. `trusted` are the public keys (hex) of other gateways whose exported
    contexts this one takes over.
    """

    def __init__(self, keys: Mapping[str, Secret], trusted: tuple[str, ...] = ()) -> None:
        """Take the keys.

        Raises:
            ValueError: there is none, or one is too short or has an id that cannot be stored.
        """
        if not keys:
            raise ValueError("there is no key for stored contexts")
        for name, secret in keys.items():
            if not KEY_ID.fullmatch(name) or len(secret.reveal()) < MIN_LENGTH:
                raise ValueError(
                    f"the context key {name!r} needs an id of a-z, 0-9 and {MIN_LENGTH} characters"
                )
        self._keys = {name: secret.reveal().encode() for name, secret in keys.items()}
        self.current = next(reversed(self._keys))
        """Id of the key that signs."""
        self._derived = lru_cache(maxsize=4096)(self._derive)
        self._private = Ed25519PrivateKey.from_private_bytes(self._derive(self.current, "sign", ""))
        self.public = _hex(self._private.public_key())
        """By which other gateways know what this one exported."""
        # What older keys of this gateway signed, it still takes back.
        older = (Ed25519PrivateKey.from_private_bytes(self._derive(name, "sign", "")) for name in self._keys)
        self._trusted = frozenset({*trusted, *(_hex(key.public_key()) for key in older)})

    def chain(self, tenant: str, key_id: str) -> bytes:
        """The key of a tenant's chains.

        Raises:
            UnknownKey: there is no such key.
        """
        return self._derived(key_id, "chain", tenant)

    def wrap(self, tenant: str, key_id: str) -> bytes:
        """The key under which a tenant's contexts keep their own keys: 32 bytes.

        Raises:
            UnknownKey: there is no such key.
        """
        return self._derived(key_id, "wrap", tenant)

    def account(self, credential: str) -> str:
        """A digest of a provider's credential, by which a changed one is noticed and nothing is learned."""
        return self._derived(next(iter(self._keys)), "account", credential)[:8].hex()

    def history(self, tenant: str) -> bytes:
        """The key under which digests of callers' own histories are made."""
        return self._derived(next(iter(self._keys)), "history", tenant)

    def sign(self, message: bytes) -> bytes:
        """Sign an exported context."""
        return self._private.sign(message)

    def trusts(self, public: str) -> bool:
        """Whether contexts that this key signed are taken over."""
        return public in self._trusted

    def _derive(self, key_id: str, purpose: str, of: str) -> bytes:
        secret = self._keys.get(key_id)
        if secret is None:
            raise UnknownKey(key_id)
        return hmac.digest(secret, _LABEL + f"{purpose}\0{of}".encode(), "sha256")


def is_signed(public: str, signature: bytes, message: bytes) -> bool:
    """Whether the holder of a public key (hex) signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_chain_keys(directory: Path) -> dict[str, Secret]:
    """Read `<directory>/context.keys`, made with one random key when absent.

    Several processes may do this at once: all get the same keys.

    Raises:
        ChainKeysError: the file is readable by others, holds no keys, or cannot be read or made.
    """
    path = directory / FILE
    try:
        # An id of its own: should the file be lost, what the lost key signed is told from what was tampered with.
        make_once(path, f"k{secrets.token_hex(4)} {secrets.token_hex(32)}\n")
        text = read_private(path)
    except PrivateFileError as error:
        raise ChainKeysError(f"{error}, or set contexts.keys") from error
    keys: dict[str, Secret] = {}
    for line in text.splitlines():
        name, _, secret = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if not KEY_ID.fullmatch(name) or len(secret) < MIN_LENGTH:
            raise ChainKeysError(
                f"{path} has a line that is no key; a line is an id of a-z and 0-9, a space, and a secret of "
                f"{MIN_LENGTH} characters or more"
            )
        if name in keys:
            raise ChainKeysError(f"{path} has the key {name} twice; what either signed would need both")
        keys[name] = Secret(secret)
    if not keys:
        raise ChainKeysError(
            f"{path} holds no key: restore it from a backup, or delete it to start with a new one, which makes "
            "every context stored so far unprovable"
        )
    return keys


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
