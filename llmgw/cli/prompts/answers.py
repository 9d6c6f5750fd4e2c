"""What a gateway answers about prompts, as far as the command line reads it; other members are passed over."""

from typing import Annotated

from msgspec import Meta, Struct, field

from llmgw.types.json import Json
from llmgw.types.prompt import Label, PromptContent, Rollout, VersionInfo

Many = Annotated[int, Meta(ge=0)]


class Listed(Struct, frozen=True, kw_only=True):
    """One line of the list of prompts."""

    name: str
    labels: dict[str, Label] = {}
    newest: int = 0
    latest: int | None = None
    updated_ms: int | None = None


class Prompts(Struct, frozen=True, kw_only=True):
    """The list of prompts."""

    prompts: list[Listed]


class Version(Struct, frozen=True, kw_only=True):
    """One version, whole."""

    info: VersionInfo
    content: PromptContent


class Remark(Struct, frozen=True, kw_only=True):
    """Something found by the lint or a check; `rule` names it, `line` is of the `.prompt` file."""

    rule: str = ""
    pointer: str = ""
    message: str = ""
    severity: str = ""
    line: int | None = None


class Pushed(Struct, frozen=True, kw_only=True):
    """What became of a push; `created` is false where the content was there."""

    name: str
    version: int
    hash: str
    created: bool
    findings: list[Remark] = []


class Difference(Struct, frozen=True, kw_only=True):
    """What two versions differ in."""

    start: int = field(name="from")
    end: int = field(name="to")
    text: str
    changed: list[str] = []
    breaking: list[Remark] = []


class Message(Struct, frozen=True, kw_only=True):
    """A rendered message."""

    role: str
    content: str


class Rendering(Struct, frozen=True, kw_only=True):
    """A version with its variables filled in; `history` is the place of the conversation."""

    messages: list[Message]
    prompt: str = ""
    model: str | None = None
    history: int | None = None


class Case(Struct, frozen=True, kw_only=True):
    """How one case of an evaluation went."""

    name: str
    ok: bool
    failures: list[Json] = []
    output: Json = None
    latency_ms: float | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """The same cases with the version that is to be replaced."""

    against: Json
    wins: Many
    losses: Many
    ties: Many
    p_value: float | None = None
    pass_rate: float | None = None
    baseline_pass_rate: float | None = None


class Gate(Struct, frozen=True, kw_only=True):
    """What an evaluation came to."""

    verdict: str
    cases: Many
    passed: Many
    reasons: list[str] = []
    dataset: str | None = None
    model: str | None = None
    comparison: Comparison | None = None
    results: list[Case] = []


class Counts(Struct, frozen=True, kw_only=True):
    """What the calls of one arm came to."""

    calls: Many = 0
    failed: Many = 0
    invalid_outputs: Many = 0
    input_tokens: Many = 0
    output_tokens: Many = 0
    mean_ms: float | None = None


class Arms(Struct, frozen=True, kw_only=True):
    """Both arms of a rollout."""

    stable: Counts = Counts()
    candidate: Counts = Counts()


class Progress(Struct, frozen=True, kw_only=True):
    """A rollout under way, or none."""

    rollout: Rollout | None = None
    arms: Arms = Arms()


class Event(Struct, frozen=True, kw_only=True):
    """One change: `subject` is the label or the version that changed, `before` and `after` what it was and is."""

    at_ms: int
    who: str
    op: str
    subject: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    detail: str = ""


class History(Struct, frozen=True, kw_only=True):
    """What was done with a prompt; `problem` says what is wrong with the record where it is not `intact`."""

    events: list[Event]
    intact: bool = True
    problem: str = ""


class Caller(Struct, frozen=True, kw_only=True):
    """Who still calls a version."""

    version: int
    key_id: str = ""
    key_name: str = ""
    calls: Many = 0
    last_seen_ms: int | None = None


class Callers(Struct, frozen=True, kw_only=True):
    """Who called a prompt in the last 30 days."""

    callers: list[Caller]
