"""What can be asked of the registry, and what it answers, as values."""

from typing import Any

from msgspec import Struct

from llmgw.types.prompt import GitSource, PromptContent, StickyBy, VersionInfo


class Push(Struct, frozen=True, kw_only=True):
    """A content to be kept as a version; `parent` is the newest version its author has seen."""

    content: PromptContent
    message: str = ""
    parent: int | None = None
    source: GitSource = GitSource()
    author: str = ""
    """Who wrote it, where that is not the key that pushes it."""


class Pushed(Struct, frozen=True, kw_only=True):
    """The version that a content is; `created` is false where it was there before."""

    info: VersionInfo
    created: bool


class LabelMove(Struct, frozen=True, kw_only=True):
    """A label shall lead to a version. `if_match` is its entity tag as last seen, 0 for no such label."""

    version: int
    reason: str = ""
    break_glass: bool = False
    """Whether it shall be done without an evaluation that passed; asks for a reason."""
    if_match: str | None = None


class Back(Struct, frozen=True, kw_only=True):
    """A label shall lead again to where it led before: to the last such version, or `to` one of them."""

    to: int | None = None
    reason: str = ""
    if_match: str | None = None


class Start(Struct, frozen=True, kw_only=True):
    """A rollout shall begin: with `steps` in basis points, or at one `weight`, or with the usual steps."""

    candidate: int
    steps: tuple[int, ...] = ()
    weight: int | None = None
    sticky_by: StickyBy = "context"
    reason: str = ""
    break_glass: bool = False
    if_match: str | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """A rollout shall go on, or not; `weight` is for a step to a share that is not the next one."""

    weight: int | None = None
    reason: str = ""
    if_match: str | None = None


class Deprecate(Struct, frozen=True, kw_only=True):
    """A version, or all of them, shall be called no more, and `sunset_ms` is when that ends."""

    version: int | None = None
    sunset_ms: int | None = None
    successor: str | None = None


class Retire(Struct, frozen=True, kw_only=True):
    """A version, or all of them, shall be served no more; `force` does so to those who still call it."""

    version: int | None = None
    successor: str | None = None
    force: bool = False


class CallerUse(Struct, frozen=True, kw_only=True):
    """Who calls a version, and how much."""

    version: int
    key_id: str
    key_name: str
    calls: int
    failed: int = 0
    invalid_outputs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    duration_ms: int = 0
    last_seen_ms: int = 0


class ArmUse(Struct, frozen=True, kw_only=True):
    """How the calls of one side of a rollout went."""

    calls: int = 0
    failed: int = 0
    invalid_outputs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    mean_ms: float = 0.0


class Gate(Struct, frozen=True, kw_only=True):
    """An evaluation as it is kept: `details` is any JSON of its maker's."""

    at_ms: int
    by: str
    hash: str
    details: Any
