"""What is wrong with a document, and where; and how an error is told outside the callers' dialects.

These structs are `schemas/context/1` in Python; tests prove that both accept the same documents.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Level: TypeAlias = Literal["off", "observe", "warn", "repair", "strict"]
"""`off` does not look, `observe` writes into the report, `warn` tells the caller too, `repair` mends what can be
mended and refuses the rest, `strict` refuses."""
Weight: TypeAlias = Literal["info", "minor", "major", "fatal"]
Pointer: TypeAlias = Annotated[str, Meta(pattern=r"^(/([^~/]|~[01])*)*\Z")]
"""A JSON Pointer (RFC 6901)."""


class Violation(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule that does not hold, and where; `repaired` says what was done about it.

    `pointer` leads into the document that was sent, `schema_pointer` to the keyword of the schema it breaks.
    """

    rule: Annotated[str, Meta(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)*\Z")]
    pointer: Pointer
    message: str
    severity: Weight = "major"
    level: Level | None = None
    schema_pointer: Pointer | None = None
    repairable: bool = False
    repaired: str | None = None


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 tells it; `code` is ours, stable, for programs.

    Members it does not know pass, as that standard asks: a problem is read and never stored.
    """

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    code: Annotated[str, Meta(pattern=r"^[a-z][a-z_]*\Z")]
    violations: tuple[Violation, ...] = ()


def pointer_to(*steps: str | int) -> str:
    """Write a JSON Pointer to the member or item these steps lead to."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
