"""What a stored conversation is made of: turns, who made them, and what became of them.

These structs are `schemas/context/1` in Python; tests prove that both accept the same documents.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.message import Details, Message, Part, Role
from llmgw.types.scalars import ContextId, Count, Digest, Moment, Name, Seq, TurnId

TurnStatus: TypeAlias = Literal["complete", "incomplete", "redacted"]
"""`incomplete`: the answer broke off; `redacted`: its content was taken out, its digest stays."""
Source: TypeAlias = Literal["caller", "provider", "gateway", "import", "merge"]

SUMMARY_ROLE: Final[Role] = "user"
"""The role in which a compaction is told: the one every provider takes at every place."""


PROMPT_VERSION: Final = r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,3}@[1-9][0-9]{0,6}\Z"
"""A prompt version as turns note it: `name@7`."""


class Binding(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who made an answer, as far as sealed parts are bound to it.

    `provider` is the operator's name for the endpoint, `kind` its registry row. `account` is a keyed digest of the
    credential, so that a changed one is noticed. `prefix` is a digest of what the model was given before.
    """

    provider: Name
    kind: Name
    protocol: Name
    model: Name
    account: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?\Z")] = ""
    prefix: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?\Z")] = ""


class Compaction(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """That a turn sums up others: those from `first` to `last`, as they were when the chain had come to `digest`.

    `by` is the alias that wrote the summary; empty where the caller brought it.
    """

    first: Seq
    last: Seq
    digest: Digest
    by: Name = ""

    def __post_init__(self) -> None:
        """Raises: ValueError: if the last turn comes before the first."""
        if self.last < self.first:
            raise ValueError("a compaction's `last` turn comes before its `first`")


class RawAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where the provider's own bytes of an answer are: a blob of the context.

    A stream's are all its bytes as they came, `deflate`d (zlib, RFC 1950). `size` is in bytes, unpacked.
    """

    blob: Digest
    size: Count
    encoding: Literal["identity", "deflate"] = "identity"


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which turn of which other context this one is a copy of."""

    context: ContextId
    seq: Seq


class Turn(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One stored message.

    `protocol` names the dialect whose members `provider_details` hold, here and in the parts. Only a redacted or
    incomplete turn may have no parts, and it then sums up no others. `call` is the gateway's id of the call that
    stored it. `prompt` is the prompt version that an answer was asked for with, `name@7`: what it said before the
    conversation is not stored.
    """

    id: TurnId
    seq: Seq
    role: Role
    created_at: Moment
    parts: tuple[Part, ...] = ()
    status: TurnStatus = "complete"
    source: Source = "caller"
    name: Name | None = None
    protocol: Name = ""
    provider_details: Details = {}
    pinned: bool = False
    produced_by: Binding | None = None
    finish_reason: Name | None = None
    call: Name | None = None
    prompt: Annotated[str, Meta(pattern=PROMPT_VERSION)] | None = None
    compaction: Compaction | None = None
    raw: RawAnswer | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        """Raises: ValueError: if there are no parts and there must be."""
        if not self.parts and (self.status == "complete" or self.compaction is not None):
            raise ValueError("a complete turn, and one that sums up others, has at least one part")

    @property
    def message(self) -> Message:
        """The turn as a provider is told it."""
        return Message(
            role=self.role,
            parts=self.parts,
            name=self.name,
            protocol=self.protocol,
            provider_details=self.provider_details,
        )
