"""Moments as people write and read them: RFC 3339, a date, or a length of time before now such as `7d`."""

import re
from datetime import UTC, datetime
from typing import Final

_SPAN: Final = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_STAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?",
    re.ASCII,
)


def moment(written: str, now_ms: int) -> int:
    """Read a moment, in unix ms; a date alone begins in UTC.

    Raises:
        ValueError: it is none.
    """
    span = _SPAN.fullmatch(written)
    if span is not None:
        return max(0, now_ms - int(span[1]) * _UNIT_MS[span[2]])
    if not _STAMP.fullmatch(written):
        raise ValueError("it is no moment")
    found = datetime.fromisoformat(written.upper())
    whole = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    try:
        return max(0, int(whole.timestamp() * 1000))
    except OverflowError as error:
        raise ValueError("it is out of reach") from error


def stamp(unix_ms: int) -> str:
    """A moment as RFC 3339, to the second."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
