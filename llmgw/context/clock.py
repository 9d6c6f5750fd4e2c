"""Times of day as they are stored and shown."""

from datetime import UTC, datetime


def moment(unix_ms: int) -> str:
    """Write unix milliseconds as RFC 3339 in UTC."""
    seconds, ms = divmod(unix_ms, 1000)
    # `strftime` takes twice as long as this.
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{ms:03d}Z"
