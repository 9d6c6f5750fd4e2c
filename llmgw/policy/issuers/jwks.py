"""A key set (RFC 7517), read: only keys that can be meant for the issuer's one algorithm."""

import hashlib
from collections import Counter
from typing import Any, Final

from msgspec import Struct

from llmgw.policy.issuers.rules import Algorithm
from llmgw.policy.issuers.tokens import KID_MAX, Token
from llmgw.types.errors import InvalidJson
from llmgw.types.json import decode, encode

SET_MAX: Final = 64 * 1024
"""Longest key set, in bytes."""
KEYS_MAX: Final = 100
RSA_MIN: Final = 2048
RSA_MAX: Final = 8192
"""Bits of an RSA key: fewer can be broken, more cost too much to check with."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_KINDS: Final[dict[str, tuple[str, str | None]]] = {
    "RS": ("RSA", None),
    "PS": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


class BadKeySet(Exception):
    """What an issuer publishes is no key set, or none of its keys is of use; the text says why."""


class Key(Struct, frozen=True, kw_only=True, eq=False):
    """One public key; `digest` is that of what it was read from."""

    kid: str
    algorithm: Algorithm
    public: Any
    digest: bytes

    def signed(self, token: Token) -> bool:
        """Whether this key's owner signed the token."""
        if token.algorithm != self.algorithm:
            return False
        # Loaded by the key set that this key is of.
        from jwt import get_algorithm_by_name  # noqa: PLC0415

        checker = get_algorithm_by_name(self.algorithm)
        return bool(checker.verify(token.signed, self.public, token.signature))


class KeySetRead(Struct, frozen=True, kw_only=True):
    """The keys of use by their ids, and why others are none."""

    keys: dict[str, Key]
    problems: tuple[str, ...]


def read_key_set(body: bytes, algorithm: Algorithm) -> KeySetRead:
    """Read a key set.

    Raises:
        BadKeySet: it is too large, is none, or has no key for this algorithm.
    """
    if len(body) > SET_MAX:
        raise BadKeySet(f"the key set is larger than {SET_MAX} bytes")
    try:
        listed = decode(body)["keys"]
    except (InvalidJson, KeyError, TypeError):
        raise BadKeySet("what is there is no JSON Web Key Set") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadKeySet("what is there is no JSON Web Key Set")
    if len(listed) > KEYS_MAX:
        raise BadKeySet(f"the key set has more than {KEYS_MAX} keys")
    keys, problems = dict[str, Key](), list[str]()
    named = Counter(each["kid"] for each in listed if isinstance(each.get("kid"), str))
    for place, members in enumerate(listed):
        kid = members.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX:
            problems.append(f"key {place} has no id")
        elif named[kid] > 1:
            problems.append(f"key {place} has the id of another key")
        elif isinstance(read := _read(kid, members, algorithm), Key):
            keys[kid] = read
        elif read:
            problems.append(f"key {place} {read}")
    if not keys:
        raise BadKeySet("; ".join([f"there is no key for {algorithm}", *problems[:5]]))
    return KeySetRead(keys=keys, problems=tuple(problems))


def _read(kid: str, members: dict[str, Any], algorithm: Algorithm) -> Key | str:
    """Read a key, or say why not; nothing is said of keys that are meant for something else."""
    # Costs a worker nothing that trusts no issuer.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from jwt import PyJWTError, get_algorithm_by_name  # noqa: PLC0415

    kind, curve = _KINDS.get(algorithm) or _KINDS[algorithm[:2]]
    if members.get("use", "sig") != "sig" or members.get("alg", algorithm) != algorithm:
        return ""
    operations = members.get("key_ops", ["verify"])
    if members.get("kty") != kind or members.get("crv") != curve:
        return ""
    if not isinstance(operations, list) or "verify" not in operations:
        return ""
    if _PRIVATE & set(members):
        return "is a private one: its issuer has given it away"
    public = {name: members.get(name) for name in _MEMBERS[kind]}
    if not all(isinstance(each, str) for each in public.values()):
        return "cannot be read"
    try:
        key = get_algorithm_by_name(algorithm).from_jwk(public)
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return "cannot be read"
    if isinstance(key, RSAPublicKey) and not RSA_MIN <= key.key_size <= RSA_MAX:
        return f"has {key.key_size} bits, not {RSA_MIN} to {RSA_MAX}"
    return Key(kid=kid, algorithm=algorithm, public=key, digest=hashlib.sha256(encode(public)).digest())
