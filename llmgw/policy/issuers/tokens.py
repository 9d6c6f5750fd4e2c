"""A token, read: nothing of it is believed yet, and what could be read in two ways is not read at all."""

import base64
import binascii
import json
import re
from typing import Any, Final, NamedTuple

from llmgw.policy.issuers.rules import Issuer
from llmgw.types.errors import InvalidJson
from llmgw.types.json import decode

TOKEN_MAX: Final = 8 * 1024
"""Longest token, in bytes."""
KID_MAX: Final = 256
SUBJECT_MAX: Final = 255
TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What `typ` may say, in any case; RFC 7519 lets it be left out."""

_PART: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LATEST_S: Final = 253_402_300_799


class BadToken(Exception):
    """A token is not to be believed; the text says why and holds nothing of it."""


class Token(NamedTuple):
    """A token's parts; `signed` is what `signature` is said to be of."""

    kid: str
    algorithm: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def looks_like_one(text: str) -> bool:
    """Whether a text is meant as a token: three parts, and the first begins as a JSON object does."""
    return text.count(".") == 2 and text.startswith("e")


def read(text: str) -> Token:
    """Take a token apart.

    Raises:
        BadToken: it is not one JWS in its compact form, with claims, that every reader would read alike.
    """
    if len(text) > TOKEN_MAX:
        raise BadToken("too long")
    parts = text.split(".")
    if len(parts) != 3:
        raise BadToken("not three parts")
    header, claims = _members(parts[0], "header"), _members(parts[1], "claims")
    # None of what a header can lead to is followed: jku, x5u, jwk and x5c are passed over.
    if "crit" in header or "b64" in header:
        raise BadToken("the header asks for something that is not known here")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in TYPES:
        raise BadToken("the type is another one's")
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_MAX:
        raise BadToken("no key id")
    if not isinstance(algorithm, str):
        raise BadToken("no algorithm")
    return Token(
        kid=kid,
        algorithm=algorithm,
        claims=claims,
        signed=f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature=_bytes(parts[2], "signature"),
    )


def check_claims(claims: dict[str, Any], issuer: Issuer, now_s: float) -> float:
    """Return when a token of this issuer ends, in unix seconds.

    Raises:
        BadToken: it is meant for somebody else, or not for now, or for too long, or says not whom it is about.
    """
    audience = claims.get("aud")
    meant_for = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(each, str) for each in meant_for) or issuer.audience not in meant_for:
        raise BadToken("another audience")
    ends, began = _moment(claims, "exp"), _moment(claims, "iat")
    if ends is None or began is None:
        raise BadToken("exp or iat is missing")
    if ends + issuer.leeway_s <= now_s:
        raise BadToken("expired")
    not_before = _moment(claims, "nbf")
    if began - issuer.leeway_s > now_s or (not_before or 0) - issuer.leeway_s > now_s:
        raise BadToken("not valid yet")
    if not 0 < ends - began <= issuer.max_age_s:
        raise BadToken("valid for longer than the settings allow, or for no time")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX:
        raise BadToken("no subject")
    return ends


def _moment(claims: dict[str, Any], name: str) -> float | None:
    moment = claims.get(name)
    if moment is None and name not in claims:
        return None
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment <= _LATEST_S:
        raise BadToken(f"{name} is no time")
    return moment


def _members(part: str, what: str) -> dict[str, Any]:
    raw = _bytes(part, what)
    try:
        members = decode(raw)
        # A second look, for what the first one takes in silence: members that are there twice.
        _TWICE.decode(raw.decode())
    except (InvalidJson, ValueError, RecursionError):
        raise BadToken(f"the {what} cannot be read") from None
    if not isinstance(members, dict):
        raise BadToken(f"the {what} cannot be read")
    return members


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is there twice")
    return members


_TWICE: Final = json.JSONDecoder(object_pairs_hook=_once)


def _bytes(part: str, what: str) -> bytes:
    """Base64url without padding, in the one way in which these bytes are written."""
    if not _PART.fullmatch(part):
        raise BadToken(f"the {what} cannot be read")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise BadToken(f"the {what} cannot be read") from None
    # The last character may have bits that say nothing: whoever changes them must not have another good token.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode("ascii"):
        raise BadToken(f"the {what} cannot be read")
    return raw
