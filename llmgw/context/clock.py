"""Times of day as they are stored and shown."""

from datetime import UTC, datetime
from functools import lru_cache


def moment(unix_ms: int) -> str:
    """Write unix milliseconds as RFC 3339 in UTC."""
    seconds, ms = divmod(unix_ms, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=64)
def _second(unix_s: int) -> str:
    """Write a second, which thousands of turns share."""
    # `strftime` takes twice as long as this.
    return datetime.fromtimestamp(unix_s, UTC).isoformat()[:19]
