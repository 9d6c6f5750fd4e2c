"""A stored audit read: a list of events, and beside it where that is to end."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeVar

from llmgw.state.audit_chain import Chain, Linked, head_of
from llmgw.state.connection import State

EVENTS_MAX: Final = 1000
"""Events that are told at once."""
_PAGE: Final = 500
"""Events that are read in one step."""


class OfTenant(Linked, Protocol):
    """An event that is a tenant's."""

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...


E = TypeVar("E", bound=OfTenant)


class Place(NamedTuple):
    """The key of the list of events, and of where it ends."""

    events: str
    tail: str


async def last_events(
    state: State, place: Place, decode: Callable[[bytes], E], tenant: str | None
) -> tuple[list[E], str]:
    """Examine a chain whole; give the last events of a tenant, or of all, the newest first, and what is wrong.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    chain, events = Chain(decode), list[E]()
    # The end first: events that come meanwhile are not looked at.
    head = head_of(await state.command("GET", place.tail))
    for start in range(0, max(head.events, 0), _PAGE):
        last = min(start + _PAGE, head.events) - 1
        page = chain.follow(await state.command("LRANGE", place.events, start, last))
        events = [*events, *(each for each in page if tenant in {None, each.tenant})][-EVENTS_MAX:]
    chain.end(head)
    return events[::-1], chain.problem
