"""What the call log is told."""

from typing import Literal

from msgspec import Struct


class CallLogSettings(Struct, frozen=True, kw_only=True):
    """Bounds of what waits in the store, when a segment is written, and how long segments are kept."""

    buffer_events: int = 100_000
    content_buffer_bytes: int = 64 * 1024 * 1024
    when_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    segment_s: float = 60.0
    segment_events: int = 20_000
    keep_days: int = 90
    content_keep_days: int = 14
