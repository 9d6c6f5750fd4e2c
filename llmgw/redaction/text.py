"""Redaction of a text: what looks like a secret, or like personal data, becomes a mark that says what it was."""

from collections.abc import Iterable
from typing import Final

from llmgw.redaction.finding import Shape, replaced, signs, spans
from llmgw.redaction.personal_shapes import PERSONAL
from llmgw.redaction.secret_shapes import EAGER, KEYS, NAMED

_SHORTEST: Final = 6
"""Characters below which nothing is anything."""

_SHORT: Final = 512
"""Characters up to which one look for all beginnings is faster than one for each."""

_RANKED: Final = tuple(enumerate((*KEYS, *NAMED, *PERSONAL)))
_SECRETS: Final = _RANKED[: len(KEYS) + len(NAMED)]
_SIGNS: Final = signs(_SECRETS)
_CREDENTIALS: Final = (*_SECRETS, *enumerate(EAGER, len(_RANKED)))


def redact(text: str) -> str:
    """Return a text with `[redacted:kind]` in the place of secrets and personal data."""
    return _without(text, _RANKED)


def is_plain(text: str) -> bool:
    """Whether a short text has nothing in it that any secret begins with; what is long is not looked at."""
    return len(text) < _SHORT and _SIGNS.search(text.lower().encode("utf-8", "surrogatepass")) is None


def redact_secrets(text: str) -> str:
    """Return a text with `[redacted:kind]` in the place of secrets."""
    return text if is_plain(text) else _without(text, _SECRETS)


def hide_credentials(text: str) -> str:
    """Return a text with `***` in the place of all that might be a secret in a line of a log."""
    return _without(text, _CREDENTIALS, "***")


def mark(kind: str) -> str:
    """What stands in the place of something of a kind."""
    return f"[redacted:{kind}]"


def _without(text: str, shapes: Iterable[tuple[int, Shape]], instead: str | None = None) -> str:
    if len(text) < _SHORTEST:
        return text
    data = text.encode("utf-8", "surrogatepass")
    found = spans(shapes, data, data.lower())
    if not found:
        return text
    told = replaced(data, found, lambda kind: (instead or mark(kind)).encode())
    return told.decode("utf-8", "surrogatepass")
