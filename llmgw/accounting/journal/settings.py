"""The bounds of a journal."""

from typing import Final

from msgspec import Struct

MIB: Final = 1024 * 1024
_HEADROOM: Final = 64 * 1024
"""Bytes beside records that a segment may have."""


class JournalSettings(Struct, frozen=True, kw_only=True):
    """How much a journal may hold, and how long it may wait."""

    gateway: str = "llmgw"
    """Whose journal it is: segments of another gateway are left alone and reported."""
    linger_s: float = 0.025
    """Longest that a record nobody waits for is held back to be written with others."""
    pace_s: float = 0.005
    """Shortest time from one commit to the next: a lone result is committed at once, many share a commit."""
    segment_bytes: int = 16 * MIB
    """Size from which a segment is ended; it may be longer by one commit."""
    disk_bytes: int = 1024 * MIB
    """Size of all of a worker's segments from which calls are refused; at twice that, results are, too."""
    open_operations: int = 200_000
    """Operations not yet done from which calls are refused; at twice that, results are, too."""
    backlog_bytes: int = 32 * MIB
    """Payload that may wait for the disk; the largest single payload, too."""
    probe_s: float = 1.0
    """Seconds between attempts to write after the disk refused."""
    stall_s: float = 2.0
    """Seconds after which a commit that does not come back counts as refused."""

    @property
    def longest_segment(self) -> int:
        """Bytes that no segment exceeds: one commit, or what a dead worker left in one, may come on top."""
        return self.segment_bytes + 2 * self.backlog_bytes + _HEADROOM
