"""Redaction of JSON: every text in it, names of members included, and what stands under a name that says secret."""

from typing import Final

from msgspec import DecodeError
from msgspec.json import decode, encode

from llmgw.redaction.text import mark, redact
from llmgw.types.json import Json

_DEEPEST: Final = 256
_FEWEST_NUMBERS: Final = 4
_SECRET_NAMES: Final = (
    *(
        "accesskey",
        "accesstoken",
        "accountkey",
        "apikey",
        "authorization",
        "authtoken",
        "clientsecret",
        "cookie",
    ),
    *(
        "connectionstring",
        "credential",
        "credentials",
        "idtoken",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
    ),
    *("pwd", "refreshtoken", "secret", "secretkey", "sessiontoken", "signingkey"),
)
"""Ends of the names of members whose text is a secret whatever it looks like, in lower case and without signs."""
_DROPPED: Final = frozenset({"logprobs", "top_logprobs"})
"""Members that tell a text again, token by token, where no pattern finds anything."""


def redact_json(value: Json) -> Json:
    """Return a document without secrets and personal data.

    Lists of whole numbers go: they are texts as tokens, bytes or samples. What is nested deeper than 256 goes.
    """
    return _redacted(value, 0)


def redact_body(body: bytes) -> bytes:
    """Return the body of a request or an answer without secrets and personal data; what is no JSON is text."""
    try:
        value = decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return redact(body.decode("utf-8", "replace")).encode("utf-8", "replace")
    return encode(redact_json(value))


def _redacted(value: Json, depth: int) -> Json:
    match value:
        case str():
            return redact(value)
        case bool() | float() | None:
            return value
        case int():
            return _number(value)
        case _ if depth >= _DEEPEST:
            return mark("depth")
        case list():
            if len(value) >= _FEWEST_NUMBERS and all(type(each) is int for each in value):
                return mark("numbers")
            return [_redacted(each, depth + 1) for each in value]
        case dict():
            return _members(value, depth + 1)


def _number(value: int) -> Json:
    text = str(value) if abs(value) < 10**20 else mark("number")
    return value if redact(text) == text else redact(text)


def _members(members: dict[str, Json], depth: int) -> dict[str, Json]:
    told: dict[str, Json] = {}
    for name, value in members.items():
        if name in _DROPPED and isinstance(value, dict | list):
            told[name] = mark(name)
            continue
        shown = _unused(redact(name), told)
        told[shown] = _hidden(value, depth) if _says_secret(name) else _redacted(value, depth)
    return told


def _hidden(value: Json, depth: int) -> Json:
    """What stands under a name that says secret: text and texts go, what is built of more is looked at."""
    match value:
        case str() if value:
            return mark("secret")
        case int() | float() if not isinstance(value, bool):
            return mark("secret")
        case list() if all(isinstance(each, str) for each in value):
            return [mark("secret") for _ in value]
        case _:
            return _redacted(value, depth)


def _says_secret(name: str) -> bool:
    plain = "".join(character for character in name.lower() if character.isalnum())
    return plain == "token" or plain.endswith(_SECRET_NAMES)


def _unused(name: str, taken: dict[str, Json]) -> str:
    """A name that nothing has yet: two secrets may get the same mark."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free
