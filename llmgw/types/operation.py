"""The facts of one operation on stored conversations that is no call, gathered while it runs, told at its end."""

from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.types.content import CaptureLevel
from llmgw.types.links import SpanLink
from llmgw.types.preservation import Check, CheckResult

OperationName: TypeAlias = Literal[
    "create",
    "read",
    "append",
    "fork",
    "merge",
    "redact",
    "erase",
    "verify",
    "export",
    "import",
    "patch_state",
    "replace_state",
    "read_back",
]
"""What can be done with a context: a short list, as spans and metrics are named by it. Summing one up asks a model,
and is a call. `read_back` is check C8, made behind a call's answer for a sample of them."""


class ContextOperation(Struct, kw_only=True):
    """One operation, from its beginning to its end.

    Times are `time.monotonic_ns`; `started_unix_ns` anchors them to the wall clock. What is known at the beginning
    stays; the members from `ended_ns` on are noted as they become known.
    """

    name: OperationName
    tenant: str
    context: str
    """The id of the context; empty where it is none yet, or where they are several."""
    trace_id: int
    span_id: int
    started_ns: int
    started_unix_ns: int
    parent_span_id: int | None = None
    sampled: bool = False
    trace_state: str = ""
    key_id: str | None = None
    ended_ns: int | None = None
    error: str | None = None
    """The code of the error that ended it."""
    failed: bool = False
    """Whether that was a failure of the house, not a refusal."""
    rev: int | None = None
    """The revision it left."""
    turns: int | None = None
    """How many turns it was about."""
    contexts: int = 1
    """How many contexts it was about: with a subject's erasure, or forks that go too, several."""
    forked_from: str | None = None
    """The context of which it made a fork."""
    call: str | None = None
    """The call it is about, where it is about one."""
    links: tuple[SpanLink, ...] = ()
    """Calls of other traces whose work it came upon."""
    checks: dict[Check, CheckResult] = {}
    """What it found out about stored bytes being what was stored."""
    capture: CaptureLevel = "metadata"
    """How much of it may be told."""

    @property
    def broken(self) -> bool:
        """Whether it found that something is not as it was stored."""
        return "fail" in self.checks.values()

    @property
    def total_ns(self) -> int:
        """Nanoseconds from beginning to end; 0 until it has ended."""
        return 0 if self.ended_ns is None else max(0, self.ended_ns - self.started_ns)
