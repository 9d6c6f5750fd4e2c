"""Times in a query: RFC 3339, or a length of time before now such as `7d`."""

import re
from datetime import UTC, datetime
from typing import Final

from llmgw.http.asked import HttpRequest
from llmgw.types.errors import InvalidRequest

_SPAN: Final = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_STAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?",
    re.ASCII,
)


def moment_of(request: HttpRequest, name: str, now_ms: int, default: int) -> int:
    """Read a moment of the query, in unix ms; a date alone begins in UTC.

    Raises:
        InvalidRequest: it is none.
    """
    written = request.query_params.get(name)
    if written is None:
        return default
    span = _SPAN.fullmatch(written)
    if span is not None:
        return max(0, now_ms - int(span[1]) * _UNIT_MS[span[2]])
    # A plus sign in a query that was not quoted arrives as a space.
    stamp = re.sub(r" (?=[0-9]{2}:[0-9]{2}\Z)", "+", written)
    if _STAMP.fullmatch(stamp):
        try:
            found = datetime.fromisoformat(stamp.upper())
            whole = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
            return max(0, int(whole.timestamp() * 1000))
        except (ValueError, OverflowError):
            pass
    raise InvalidRequest(
        f"{name} is a time like 2026-11-27T00:00:00Z, or as long ago as 24h or 7d", param=name
    )


def stamp(unix_ms: int) -> str:
    """A moment as RFC 3339, to the second."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
