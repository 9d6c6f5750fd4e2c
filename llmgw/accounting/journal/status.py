"""How a journal is, as values that a caller can ask for, and how it refuses."""

from typing import Literal

from msgspec import Struct

Reason = Literal["disk_full", "io_error", "full", "backlog", "stalled", "closed"]
"""Why records are refused: no space; the disk or its rights; the journal's own bounds on disk
or in memory; the disk does not answer; ended."""

Fault = Literal["torn", "truncated", "damaged", "missing", "foreign", "unreadable"]
"""What is wrong with a file: its last record was cut by a death; a segment that others follow lacks its end; bytes
in it are not those that were written; a segment between two others is gone; it is not this gateway's; an error."""


class JournalUnavailable(Exception):
    """A record is not, or may not be, on disk; `reason` says why.

    It may be found again all the same, so that an operation whose result was refused is settled at most late.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"the journal refuses records: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Damage(Struct, frozen=True):
    """A place that is not what was written; nothing of it was read as a record. `size` is in bytes."""

    file: str
    fault: Fault
    detail: str
    offset: int = 0
    size: int = 0


class Refusal(Struct, frozen=True):
    """Why a journal refuses records, and since when."""

    reason: Reason
    detail: str
    since_unix_ns: int


class Counts(Struct, frozen=True):
    """What a journal has done since it was opened, and what it holds."""

    records: int = 0
    commits: int = 0
    bytes: int = 0
    """Written, heads and ends of segments aside."""
    refused: int = 0
    """Records that were not taken."""
    lost: int = 0
    """Records that were taken and could not be made durable; whoever waited for one was told."""
    failures: int = 0
    """Times the disk refused."""
    segments: int = 0
    segment_bytes: int = 0
    open_operations: int = 0
    quarantined: int = 0
    """Damaged segments of dead workers, put aside for the operator."""


class JournalState(Struct, frozen=True):
    """Whether records are taken now, and the counts; `refusal` is what /readyz can tell."""

    refusal: Refusal | None
    counts: Counts

    @property
    def ready(self) -> bool:
        """Whether a call that needs the journal can be let in."""
        return self.refusal is None


class Adoption(Struct, frozen=True):
    """What was taken over of dead workers; `operations` are open and come with the next replay."""

    workers: int = 0
    operations: int = 0
    damages: tuple[Damage, ...] = ()


class Unsettled(Struct, frozen=True):
    """An operation with a result and no `done`: settle it again, by its id, and append `done`."""

    operation: str
    payload: bytes
    unix_ns: int


class Lapsed(Struct, frozen=True):
    """An operation of a dead worker without a result: what it cost is unknown beyond what its last intent says."""

    operation: str
    payload: bytes
    unix_ns: int
