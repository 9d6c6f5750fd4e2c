"""What somebody thinks of an answer, and of which call that was."""

from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.types.links import SpanPlace

FeedbackSource: TypeAlias = Literal["user", "human", "code", "judge"]
"""Who judged: whoever asked, somebody who reads answers, a program, or a model."""
FeedbackKind: TypeAlias = Literal["bool", "number", "text"]


class KnownCall(Struct, frozen=True, kw_only=True):
    """A finished call as it is remembered; what did not apply to it is empty.

    `place` is that of its root span, None where its trace is not known. `prompt` is the version that served it,
    `name@7`. `ended_us` is unix time in microseconds.
    """

    id: str
    ended_us: int
    place: SpanPlace | None = None
    alias: str = ""
    target: str = ""
    prompt: str = ""
    prompt_label: str = ""
    prompt_arm: str = ""
    context: str = ""
    verdict: str = ""
    error: str = ""


class FeedbackEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judgement, as it is kept beside the calls; members are columns.

    A value that is a number is the `score`, a text the `label`; true and false are both: 1 and 0, `true` and
    `false`. `call_ended_us` and what follows is of the call, as it was known then. Times are unix time in
    microseconds.
    """

    ended_us: int
    id: str
    tenant: str
    key_id: str
    call: str
    name: str
    """What was judged: `helpful`, `relevance`."""
    kind: FeedbackKind
    source: FeedbackSource
    score: float | None = None
    label: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()
    call_ended_us: int = 0
    trace_id: str = ""
    span_id: str = ""
    alias: str = ""
    target: str = ""
    prompt: str = ""
    prompt_label: str = ""
    prompt_arm: str = ""
    context: str = ""
    verdict: str = ""
    error: str = ""
