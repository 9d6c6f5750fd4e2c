"""What of a stored conversation really reached the model: the report of one call.

These structs are `schemas/context/1` in Python; tests prove that both accept the same documents.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.scalars import ContextId, Count, Digest, Moment, Name, Seq, TurnId
from llmgw.types.turn import Binding
from llmgw.types.violation import Pointer, Violation, Weight

Verdict: TypeAlias = Literal["preserved", "degraded", "lost", "unverified"]
"""`preserved`: all of it, as it was said. `degraded`: told otherwise, or left out as the policy chose. `lost`:
something was not told that should have been. `unverified`: nothing is known to be wrong, and a check is missing."""
LossSource: TypeAlias = Literal["render", "fit", "upstream", "storage"]
CheckResult: TypeAlias = Literal["pass", "fail", "skip"]
Check: TypeAlias = Literal["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]

WEIGHTS: Final[dict[Weight, float]] = {"info": 0.0, "minor": 0.05, "major": 0.5, "fatal": 1.0}
"""What a loss takes off the score, as a share of one part."""


class PartLoss(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that was not told as it is stored: `/turns/3/parts/0` of the context.

    Of a run of whole turns `pointer` leads to the first and `through` is the number of the last.
    """

    code: Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z_]+\Z")]
    severity: Weight
    pointer: Pointer
    source: LossSource
    turn: TurnId | None = None
    through: Seq | None = None
    detail: str | None = None


class Counts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many turns and parts are stored, and what became of the parts; the last four add up to `parts`."""

    turns: Count
    turns_sent: Count
    parts: Count
    carried: Count
    transformed: Count
    dropped: Count
    truncated: Count


class TokenFacts(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Tokens of the request: a bound or an estimate of ours, and what the provider reported."""

    estimated: Count
    exact: bool = False
    """Whether `estimated` was counted; else it is an estimate."""
    reported: Count | None = None
    window: Count | None = None


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What became of a context in one call; the same view gives the same report.

    `rev` is the revision that the call made. `sent` are the turns told, as ranges of their numbers. `input_digest`
    is that of the request's body.
    """

    context: ContextId
    rev: Count
    target: Binding
    verdict: Verdict
    score: Annotated[float, Meta(ge=0, le=1)]
    counts: Counts
    checks: dict[Check, CheckResult]
    losses: tuple[PartLoss, ...] = ()
    violations: tuple[Violation, ...] = ()
    sent: tuple[tuple[Seq, Seq], ...] = ()
    input_digest: Digest | None = None
    tokens: TokenFacts | None = None
    fit: Name | None = None
    """How the view was fitted into the window, where it was."""


class ReportRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored report: which call it is about, and when that was."""

    call: Name
    at: Moment
    report: Report
