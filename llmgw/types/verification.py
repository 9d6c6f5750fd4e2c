"""What became of a history that its caller keeps: the findings of one call, and the report of a session.

These structs are `schemas/context/1/session.json` in Python; tests prove that both accept the same documents.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.preservation import Verdict
from llmgw.types.scalars import Count, Moment, Name, Seq
from llmgw.types.violation import Pointer, Weight

FindingCode: TypeAlias = Literal["lost", "edited", "reordered", "foreign", "regenerated"]
"""`lost`: a turn is not there any more. `edited`: another stands in its place. `reordered`: it stands elsewhere.
`foreign`: a turn stands amid the history that was not there, or an answer that was never given here. `regenerated`:
the end was taken back and is asked for again."""
FindingDetail: TypeAlias = Literal["history.compacted", "instructions.changed", "session.unknown"]
"""`history.compacted`: the caller put a summary in the place of these turns. `instructions.changed`: it is the
instructions that differ. `session.unknown`: nothing is known of the session, or no longer, so that what was
answered before cannot be told from what was not."""

MAX_FINDINGS: Final = 32
"""Findings of one call that are kept and shown."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that is not as it was.

    `pointer` leads into the request: to the turn, or for one that is not there to what now stands in its place.
    `index` is the number of the turn among those known before, from 0; of a foreign one among those sent. Of a run
    of turns `through` is the number of the last. The instructions have no number.
    """

    code: FindingCode
    severity: Weight
    message: str
    pointer: Pointer | None = None
    index: Seq | None = None
    through: Seq | None = None
    detail: FindingDetail | None = None

    @property
    def turns(self) -> int:
        """How many turns it is about."""
        if self.index is None or self.through is None:
            return 1
        return self.through - self.index + 1


class SessionCheck(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one call found; `turns` is how many it sent."""

    call: Name
    at: Moment
    verdict: Verdict
    score: Annotated[float, Meta(ge=0, le=1)]
    turns: Count
    findings: tuple[Finding, ...] = ()
    more: Count = 0
    """Findings beyond those shown."""


class SessionBranch(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One course that the history took: the caller went back, asked anew, or talks in several threads at once."""

    turns: Count
    used_at: Moment


class SessionReport(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of a session, which is nothing that was said in it; `branches` with the last used one first.

    `forgotten` counts branches that made room for others.
    """

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    v: Literal[1]
    created_at: Moment
    updated_at: Moment
    expires_at: Moment
    calls: Count
    branches: tuple[SessionBranch, ...]
    forgotten: Count = 0
    last: SessionCheck | None = None
    """The last call."""
    found: SessionCheck | None = None
    """The last call that found something."""


class SessionReceipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was erased of a session, by number."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    erased_at: Moment
    calls: Count
    branches: Count
    turns: Count
