"""What operators are told of: budgets, refusals, spikes, a store that lost its books."""

from typing import Literal, TypeAlias

from msgspec import Struct

EventKind: TypeAlias = Literal["budget.threshold", "budget.exceeded", "spend.spike", "store.reset"]
"""Kinds that may be asked for; a newer gateway's store may have others."""


class Event(Struct, frozen=True, kw_only=True):
    """One fact; `id` is made of what it says, so that a fact told twice has one id within its tenant.

    `numbers` are whole: nano-USD where the name ends in `_nano`, unix milliseconds where it ends in `_ms`.
    """

    id: str
    kind: str
    at_ms: int
    tenant: str
    subject: str
    """The budget's window, or `<dimension>:<name>`."""
    numbers: dict[str, int]
    message: str
    """A sentence for people, made of the rest."""
