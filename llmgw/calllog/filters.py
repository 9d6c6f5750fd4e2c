"""Which calls are asked for, as columns and values; the same words for a page, an export and a search."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

Order: TypeAlias = Literal["newest", "oldest"]

TEXTS: Final = (
    "key_id", "team", "alias", "target", "provider", "model", "context", "verdict", "outcome", "error", "trace_id",
    "endpoint",
)  # fmt: skip
"""Columns that are compared as they are."""


class Filters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Calls that ended in `[from_us, to_us)` and match all the rest; a tenant of None is every tenant.

    `prompt` is a version, `name@7`, or a name alone for all of its versions.
    """

    from_us: int
    to_us: int
    tenant: str | None = None
    texts: dict[str, str] = {}
    """Values of columns of `TEXTS`."""
    prompt: str | None = None
    tag: str | None = None
    status: int | None = None
    min_us: int | None = None
    min_cost_nano: int | None = None

    def where(self) -> tuple[str, list[object]]:
        """The condition as SQL with question marks, and what stands for them."""
        terms: list[tuple[str, list[object]]] = [
            ("ended_us >= ?", [self.from_us]),
            ("ended_us < ?", [self.to_us]),
        ]
        if self.tenant is not None:
            terms.append(("tenant = ?", [self.tenant]))
        terms += [(f"{name} = ?", [self.texts[name]]) for name in TEXTS if name in self.texts]
        if self.prompt is not None:
            terms.append(_prompt(self.prompt))
        if self.tag is not None:
            terms.append(("list_contains(tags, ?)", [self.tag]))
        if self.status is not None:
            terms.append(("status = ?", [self.status]))
        if self.min_us is not None:
            terms.append(("duration_us >= ?", [self.min_us]))
        if self.min_cost_nano is not None:
            terms.append(("cost_nano >= ?", [self.min_cost_nano]))
        return " AND ".join(term for term, _ in terms), [value for _, values in terms for value in values]


def _prompt(asked: str) -> tuple[str, list[object]]:
    if "@" in asked:
        return "prompt = ?", [asked]
    return "starts_with(prompt, ?)", [f"{asked}@"]
