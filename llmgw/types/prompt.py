"""Prompts as values: what a version says, who published it, and which version a name leads to."""

import hashlib
import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from llmgw.types.json import Json, encode
from llmgw.types.scalars import Count

PROMPT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(?:/[a-z0-9][a-z0-9_-]{0,63}){0,3}", re.ASCII)
"""What a prompt may be called: up to four words with slashes between them."""
LABEL: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
"""What a label may be called."""
SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
"""What an API may be called in its address."""
RESERVED: Final = frozenset({
    "approve", "callers", "completions", "deprecate", "diff", "evaluate", "file", "gates", "history", "labels",
    "publish", "render", "retire", "rollback", "rollout", "versions",
})  # fmt: skip
"""Words that no part of a prompt's name may be, because they are steps of our own addresses."""

DEFAULT_LABEL: Final = "production"
"""The label that a call means when it names none."""
LATEST: Final = "latest"
"""The newest published version; computed, never moved by hand."""

PromptRole: TypeAlias = Literal["system", "developer", "user", "assistant"]
VersionState: TypeAlias = Literal["draft", "published", "deprecated", "retired"]
"""`draft` may be rendered and evaluated and is served to nobody; `deprecated` is served with a warning;
`retired` is refused."""
SERVED: Final[frozenset[VersionState]] = frozenset({"published", "deprecated"})
"""States of versions that callers may have."""
StickyBy: TypeAlias = Literal["context", "user", "tenant", "call"]
Arm: TypeAlias = Literal["stable", "candidate"]
Verdict: TypeAlias = Literal["pass", "fail", "insufficient_data"]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
"""A version's number: 1, 2, 3 …"""
BasisPoints: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]
"""A share in hundredths of a percent."""


class TemplateMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of a version: its role is fixed before anything is rendered, its text is a template."""

    role: PromptRole
    """Who speaks."""
    text: Annotated[str, Meta(max_length=65_536)]
    """A template."""


class Include(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partial as it was when the version was pushed: a template that others name in `{% include "…" %}`."""

    version: Number
    hash: str
    text: Annotated[str, Meta(max_length=65_536)]


class PromptTool(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    """What the model calls it."""
    description: str | None = None
    """What it does, for the model."""
    parameters: Json = None
    """The JSON Schema of its arguments."""
    strict: bool | None = None
    """Whether arguments must fit the schema exactly, where a provider can see to that."""


class PromptConfig(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the model is asked; what a call says itself wins over these."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """How freely the next token is drawn, from 0 to 2."""
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    """The share of likely tokens that is drawn from."""
    top_k: Annotated[int, Meta(ge=1)] | None = None
    """The number of likely tokens that is drawn from."""
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    """The most tokens of an answer."""
    stop: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Texts at which an answer ends."""
    seed: int | None = None
    """Drawn alike each time, as far as a provider can."""
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    """How much a token is avoided for each time it was said."""
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    """How much a token is avoided once it was said."""
    reasoning_effort: str | None = None
    """How much to think before the answer: low, medium, high and what else a model knows."""


class ApiExample(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One exchange shown in the API's description."""

    summary: str = ""
    """What it shows."""
    input: dict[str, Json]
    """A body."""
    output: Json = None
    """What is answered to it."""


class PromptApi(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A prompt served at an address of its own, `/v1/apis/{slug}`; `major` counts incompatible changes."""

    slug: Annotated[str, Meta(pattern=rf"^{SLUG.pattern}\Z")]
    """Its name in the address."""
    major: Annotated[int, Meta(ge=1, le=999)] = 1
    """Counts changes that break callers; each major version has an address."""
    summary: str = ""
    """What it does, in a few words."""
    examples: Annotated[tuple[ApiExample, ...], Meta(max_length=20)] = ()
    """Shown in its description; inputs and outputs fit the schemas."""
    repair: bool = False
    """Whether an answer that breaks the output schema is sent back to the model once."""


class PromptGate(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an evaluation must come to, in shares; `max_drop` is against the version now behind the label."""

    min_pass: Annotated[float, Meta(ge=0, le=1)] = 0.95
    """The least share of cases that pass."""
    max_drop: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """The most that the share of passed cases may be less than that of the version behind the label."""
    max_cost_increase: Annotated[float, Meta(ge=0)] | None = None
    """The most that the cost may be greater than that of the version behind the label, as a share."""


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the alias' model costs, in US dollars for a million tokens."""

    input: Annotated[float, Meta(ge=0)]
    """For a million tokens of input."""
    output: Annotated[float, Meta(ge=0)]
    """For a million tokens of output."""


class PromptTests(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a version is tried: cases beside it, a dataset by its path in the author's repository, and the gate."""

    dataset: str | None = None
    """The file of cases, beside the prompt."""
    cases: Annotated[tuple[dict[str, Json], ...], Meta(max_length=1000)] = ()
    """Cases that are part of the version."""
    gate: PromptGate = PromptGate()
    """What an evaluation must come to."""
    prices: Prices | None = None
    """What tokens cost, for assertions about cost."""


class PromptContent(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that a version says; two versions with the same content are the same version.

    `history` is the place of the conversation among the `messages`: how many of them come before it. Without a
    place the conversation follows them all. A partial has one message-less `partial` text instead of messages.
    """

    messages: Annotated[tuple[TemplateMessage, ...], Meta(max_length=200)] = ()
    history: Count | None = None
    partial: Annotated[str, Meta(max_length=65_536)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    config: PromptConfig = PromptConfig()
    tools: Annotated[tuple[PromptTool, ...], Meta(max_length=128)] = ()
    tool_choice: Annotated[str, Meta(max_length=128)] | None = None
    """`auto`, `none`, `required`, or the name of a tool."""
    input_schema: dict[str, Json] | None = None
    output_schema: dict[str, Json] | None = None
    includes: dict[str, Include] = {}
    api: PromptApi | None = None
    tests: PromptTests | None = None
    description: Annotated[str, Meta(max_length=4096)] = ""
    metadata: Annotated[dict[str, Json], Meta(max_length=64)] = {}


class GitSource(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a version came from."""

    kind: Literal["api", "cli", "import", "sample"] = "api"
    repo: Annotated[str, Meta(max_length=512)] = ""
    commit: Annotated[str, Meta(max_length=64)] = ""
    path: Annotated[str, Meta(max_length=512)] = ""


class GateSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the last evaluation of exactly this content came to."""

    verdict: Verdict
    cases: int
    passed: int
    dataset: str
    """SHA-256 of the dataset; empty where there was none."""
    at_ms: int
    reasons: tuple[str, ...] = ()


class VersionInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version without its content; `sunset_ms` is when it will be retired, `successor` what to call then."""

    number: Number
    hash: str
    author: str
    created_ms: int
    message: str = ""
    parent: int = 0
    source: GitSource = GitSource()
    state: VersionState = "draft"
    deprecated_ms: int | None = None
    sunset_ms: int | None = None
    successor: str | None = None
    gate: GateSummary | None = None
    api: PromptApi | None = None
    """Kept here, so that an address is found without reading contents."""
    model: str | None = None
    partial: bool = False
    """Whether it is a text for others to include, which nobody is served and no evaluation can judge."""


class Rollout(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share of a label's calls goes to another version; `step` counts into `steps`, shares in basis points."""

    id: str
    candidate: Number
    steps: tuple[BasisPoints, ...]
    step: int = 0
    weight: BasisPoints = 0
    sticky_by: StickyBy = "context"
    state: Literal["running", "paused"] = "running"
    started_ms: int = 0
    started_by: str = ""


class Move(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a label led to a version until it was moved on."""

    version: Number
    at_ms: int
    by: str


class PendingMove(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A move of a protected label that waits for a second person."""

    version: Number
    by: str
    at_ms: int
    reason: str = ""
    break_glass: bool = False


class Label(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name that leads to a version; `rev` rises with its changes, `before` are the last 100 versions it led to.

    `version` is 0 while its first move waits for a second person: until then it leads nowhere.
    """

    version: Annotated[int, Meta(ge=0, le=1_000_000)]
    rev: int
    moved_ms: int
    moved_by: str
    rollout: Rollout | None = None
    pending: PendingMove | None = None
    before: tuple[Move, ...] = ()


class PromptInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One prompt without its contents: its versions by number and its labels; `rev` counts all changes."""

    name: str
    rev: int
    created_ms: int
    updated_ms: int
    versions: dict[int, VersionInfo] = {}
    labels: dict[str, Label] = {}

    @property
    def newest(self) -> int:
        """The number of the last version pushed; 0 for none."""
        return max(self.versions, default=0)

    @property
    def latest(self) -> int | None:
        """The number of the newest version that callers may have; None for none."""
        served = [each.number for each in self.versions.values() if each.state in SERVED]
        return max(served, default=None)


class PromptRef(Struct, frozen=True, kw_only=True):
    """What a call says of the prompt it wants: by name or by the address of its API.

    `version` and `label` exclude each other; without both the label `production` is meant.
    """

    name: str = ""
    slug: str = ""
    major: int | None = None
    version: int | None = None
    label: str | None = None
    variables: dict[str, Json] = {}


class PromptFacts(Struct, kw_only=True):
    """Which version served a call, how it was chosen, and how long that took (`time.monotonic_ns`)."""

    name: str
    version: int
    hash: str
    label: str = ""
    arm: Arm | None = None
    source: Literal["memory", "disk"] = "memory"
    deprecated_ms: int | None = None
    sunset_ms: int | None = None
    successor: str | None = None
    output: Literal["", "valid", "repaired", "invalid"] = ""
    started_ns: int = 0
    ended_ns: int = 0

    @property
    def served(self) -> str:
        """The version as it is written: `name@7`."""
        return f"{self.name}@{self.version}"


def is_prompt_name(name: str) -> bool:
    """Whether a prompt may be called so."""
    return PROMPT_NAME.fullmatch(name) is not None and RESERVED.isdisjoint(name.split("/"))


_decode_content = msgspec.json.Decoder(PromptContent).decode
_CONFIG: Final = PromptContent().config
_GATE: Final = PromptTests().gate


def content_bytes(content: PromptContent) -> bytes:
    """The canonical bytes of a content: compact JSON, defaults left out, those written out, too.

    Members of schemas stay in their author's order: it is the order in which many models write their answers.
    """
    # The encoder leaves out a struct only if it is the very default, and not one that equals it.
    if content.config == _CONFIG:
        content = replace(content, config=_CONFIG)
    if content.tests is not None and content.tests.gate == _GATE:
        content = replace(content, tests=replace(content.tests, gate=_GATE))
    if content.includes:
        content = replace(content, includes=dict(sorted(content.includes.items())))
    return encode(content)


def decode_content(stored: bytes) -> PromptContent:
    """Read a content from its bytes.

    Raises:
        ValueError: they are none.
    """
    return _decode_content(stored)


def content_hash(content: PromptContent | bytes) -> str:
    """The name of a content: `sha256:` and the digest of its canonical bytes."""
    canonical = content if isinstance(content, bytes) else content_bytes(content)
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"
