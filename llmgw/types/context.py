"""Stored conversations as values: what a context is, how it wants to be treated, and how a call names one.

These structs are `schemas/context/1` in Python; tests prove that both accept the same documents.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from llmgw.types.errors import InvalidRequest
from llmgw.types.json import Json
from llmgw.types.scalars import MAX_COUNT, ContextId, Count, Digest, Moment, Name, Seq
from llmgw.types.violation import Level

Rule: TypeAlias = Literal[
    "tool.pairing",
    "role.order",
    "system.changed",
    "toolset.changed",
    "opaque.binding",
    "media.resolvable",
    "pinned.kept",
    "window.fit",
    "preservation.min",
]
"""What is checked of each call with a context; `docs/context-protocol.md` says what each means."""

FitMode: TypeAlias = Literal["error", "drop_oldest", "middle_out", "summarise", "provider_native"]
OnConflict: TypeAlias = Literal["reject", "fork", "queue"]
SCHEMA_REF: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}/[1-9][0-9]{0,5}\Z"
SchemaRef: TypeAlias = Annotated[str, Meta(pattern=SCHEMA_REF)]
"""A registered schema: `name/version`."""
Subject: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
"""Whom a conversation is about: all of a person's contexts are found, and erased, by it."""
Head: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Metadata: TypeAlias = Annotated[dict[str, Json], Meta(max_length=16)]

ContextStatus: TypeAlias = Literal["active", "quarantined", "erased"]
"""`quarantined`: the stored bytes are not what was stored; readable, and continued by nobody."""


class Policy(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a context wants to be treated; what it leaves open its alias, its tenant and then the gateway decide."""

    enforcement: Level | None = None
    """The level of rules that `rules` does not name."""
    rules: dict[Rule, Level] = {}
    """Levels of single rules."""
    min_preservation: Annotated[float, Meta(ge=0, le=1)] | None = None
    """The least score of preservation; a target that cannot be told so much is not asked."""
    fit: FitMode | None = None
    """What is done with a conversation that has outgrown the model's window: `error` refuses the call,
    `drop_oldest` and `middle_out` leave turns out, `summarise` tells a summary in their place,
    `provider_native` leaves it to the provider where that can do it."""
    fit_target: Annotated[float, Meta(gt=0, le=1)] | None = None
    """The share of the window to which an overfull view is cut, so that not every call cuts again."""
    keep_first: Annotated[int, Meta(ge=0, le=1000)] | None = None
    """How many units `middle_out` keeps at the beginning."""
    summary_alias: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """The alias that writes summaries."""
    on_conflict: OnConflict | None = None
    """What becomes of a call while another one is under way: `reject` answers 409, `queue` waits, `fork` goes on in
    a context of its own."""
    ttl_s: Annotated[int, Meta(ge=60, le=3_153_600_000)] | None = None
    """Seconds from the last write until the context is gone; for ever without it."""
    max_bytes: Annotated[int, Meta(ge=1024, le=MAX_COUNT)] | None = None
    """The most bytes the context may take in the store."""
    require_if_match: bool | None = None
    """Whether each call must name the revision it follows."""
    state_schema: SchemaRef | None = None
    """The registered schema of the state document."""
    metadata_schema: SchemaRef | None = None
    """The registered schema of the metadata."""
    keep_raw: bool | None = None
    """Whether the provider's own bytes of each answer are kept beside it."""

    def over(self, base: "Policy") -> "Policy":
        """This policy with what it leaves open taken from `base`; rules are joined one by one."""
        if self == _OPEN:
            return base
        chosen = {name: value for name in _MEMBERS if (value := getattr(self, name)) is not None}
        chosen["rules"] = base.rules | self.rules if self.rules else base.rules
        return replace(base, **chosen)

    def level(self, rule: Rule) -> Level:
        """How a rule is enforced."""
        return self.rules.get(rule) or self.enforcement or DEFAULT_LEVEL.get(rule, "repair")


_OPEN: Final = Policy()
"""The policy that leaves everything open, as most contexts' own does."""
_MEMBERS: Final = Policy.__struct_fields__

DEFAULT_LEVEL: Final[dict[Rule, Level]] = {
    "system.changed": "observe",
    "toolset.changed": "observe",
    "opaque.binding": "observe",
    "media.resolvable": "warn",
    "preservation.min": "strict",
}
"""Levels of rules that are about what providers can take rather than about mistakes; the others `repair`."""

BASE_POLICY: Final = Policy(
    fit="error",
    fit_target=0.6,
    keep_first=1,
    on_conflict="reject",
    max_bytes=64 * 1024 * 1024,
    require_if_match=False,
    keep_raw=True,
)
"""What is left open by everybody."""


class Parent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a fork began: before turn `at_seq` of another context, whose chain had come to `head`."""

    id: ContextId
    at_seq: Seq
    head: Head


class StateDoc(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an application remembers beside the conversation; `rev` counts its changes."""

    rev: Count
    data: dict[str, Json]
    schema: SchemaRef | None = None


class ContextInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One context, without its turns.

    `rev` counts commits, `turns` the turns stored; `head` is the digest in which the chain of them ends. `bytes`
    is what they take, blobs included.
    """

    id: ContextId
    v: Literal[1]
    rev: Count
    head: Head
    turns: Count
    status: ContextStatus
    created_at: Moment
    updated_at: Moment
    bytes: Count = 0
    expires_at: Moment | None = None
    parent: Parent | None = None
    subject: Subject | None = None
    policy: Policy = Policy()
    metadata: Metadata = {}
    toolset_digest: Digest | None = None
    encrypted: bool = False
    imported_from: Name | None = None

    @property
    def etag(self) -> str:
        """The entity tag of this revision, without quotes."""
        return etag(self.rev, self.head)


class ContextOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stored conversation a call continues, and on what terms.

    Without an `id`, `create` makes a new one. `subject`, `metadata` and `policy` are for a context that is made.
    `pin` keeps the turns of this call in every view.
    """

    id: str | None = None
    create: bool = False
    if_match: str | None = None
    on_conflict: OnConflict | None = None
    subject: Subject | None = None
    metadata: Metadata = {}
    policy: Policy | None = None
    pin: bool = False


MOST_AT_ONCE: Final = 2000
"""Messages that one request may add to a context: more would keep a worker from everybody else."""


class Idempotency(Struct, frozen=True, kw_only=True):
    """A call's own name, as a digest, and a digest of what it asks: so that the name stands for nothing else."""

    key: str
    fingerprint: str


def etag(rev: int, head: str) -> str:
    """The entity tag of a revision: its number and the first 16 digits of its head."""
    return f"{rev}-{head[:16]}"


def plain_tag(tag: str | None) -> str:
    """Read an entity tag, quoted or not; empty for none, and for `*`, which names no revision.

    Raises:
        InvalidRequest: there is nothing in it, so that whoever sent it believes to be safe and is not.
    """
    if tag is None:
        return ""
    plain = tag.strip().removeprefix('"').removesuffix('"')
    if not plain:
        raise InvalidRequest(
            "If-Match is empty: it names a revision as ETag has it, or is *", param="if_match"
        )
    return "" if plain == "*" else plain
