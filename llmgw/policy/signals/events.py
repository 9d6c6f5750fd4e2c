"""The events of all tenants: told once each, read in one order, page by page."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from llmgw.policy.signals import scripts
from llmgw.policy.signals.sentences import sentence
from llmgw.policy.spending import keys
from llmgw.state.connection import Argument, State
from llmgw.types.signal import Event

CHANNEL: Final = "llmgw:signals"
"""Where a tenant's name is sent when it has a new event: to be quick, not to be sure."""
KEPT: Final = 5000
"""Events that are kept of each tenant, the newest ones; about as many, for the store trims whole blocks."""
FINAL_MS: Final = 250
"""How old an event is before it is read: by then none can come that belongs before it."""

_PLACE: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15}):([a-z0-9][a-z0-9_-]{0,62})?", re.ASCII)
_FIXED: Final = ("id", "kind", "at", "subject")
_AT_ONCE: Final = 50
"""Tenants that are asked for side by side."""


class Place(NamedTuple):
    """Where an event stands in the order of all: by the store's time, then by its tenant."""

    ms: int
    number: int
    tenant: str

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}:{self.tenant}"

    @classmethod
    def read(cls, written: str) -> "Place":
        """Read what `str` writes.

        Raises:
            ValueError: it is no place.
        """
        found = _PLACE.fullmatch(written)
        if found is None:
            raise ValueError("no place among events")
        return cls(int(found[1]), int(found[2]), found[3] or "")

    @classmethod
    def at(cls, ms: int) -> "Place":
        """Before all events from a moment on."""
        return cls(ms, 0, "")


class Page(NamedTuple):
    """Events in their order; `last` is where to go on, `more` tells that there is something already."""

    items: list[tuple[Place, Event]]
    last: Place
    more: bool


class EventLog:
    """What the store has of events, with a reader and a writer for all of it."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def tell(self, event: Event, kept_ms: int) -> bool:
        """Write an event down; False where one of its id was told within the last `kept_ms`.

        Its message is not written: it is made of the rest when it is read.

        Raises:
            StoreUnavailable: it is not known whether it was; the same again is safe.
        """
        fields: list[Argument] = ["id", event.id, "kind", event.kind, "at", event.at_ms]
        fields += ["subject", event.subject]
        for name, number in event.numbers.items():
            fields += [name, number]
        stream = keys.events(event.tenant)
        # A store that has lost all it had does not know the tenant either.
        await self._state.command("SADD", keys.TENANTS, event.tenant)
        told = await self._state.script(
            scripts.TELL, [f"{stream}:told:{event.id}", stream], [kept_ms, KEPT, *fields]
        )
        return bool(told)

    async def ring(self, tenant: str) -> None:
        """Let all who wait know that a tenant has a new event; nothing depends on it but how soon.

        Raises:
            StoreUnavailable: some may not have heard it.
        """
        await self._state.command("PUBLISH", CHANNEL, tenant)

    async def tenants(self) -> list[str]:
        """The tenants that may have events, in order of their names.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return sorted(each.decode() for each in await self._state.members(keys.TENANTS))

    async def end(self) -> Place:
        """Where the events end that can be read now; all later ones come after it.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        seconds, micros = await self._state.command("TIME")
        return Place.at(int(seconds) * 1000 + int(micros) // 1000 - FINAL_MS)

    async def page(
        self, tenants: Sequence[str], after: Place, limit: int, kinds: Collection[str] = ()
    ) -> Page:
        """Read up to `limit` events of some kinds, or all, that come after a place.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        end, items, more = await self.end(), list[tuple[Place, Event]](), True
        while more and len(items) < limit:
            found, more = await self._merged(tenants, after, end, limit)
            for number, (place, event) in enumerate(found):
                after = place
                if not kinds or event.kind in kinds:
                    items.append((place, event))
                    if len(items) == limit:
                        return Page(items, after, more or number + 1 < len(found))
        return Page(items, max(after, end), more=False)

    async def _merged(
        self, tenants: Sequence[str], after: Place, end: Place, count: int
    ) -> tuple[list[tuple[Place, Event]], bool]:
        """The next events of all tenants in order; whether there are more."""
        found: list[tuple[Place, Event]] = []
        bound: Place | None = None
        for first in range(0, len(tenants), _AT_ONCE):
            some = tenants[first : first + _AT_ONCE]
            for one in await asyncio.gather(*(self._one(each, after, end, count) for each in some)):
                found += one
                if len(one) == count and (bound is None or one[-1][0] < bound):
                    # This tenant may have more: what the others have after that must wait.
                    bound = one[-1][0]
        found.sort(key=lambda item: item[0])
        if bound is None:
            return found, False
        return [item for item in found if item[0] <= bound], True

    async def _one(self, tenant: str, after: Place, end: Place, count: int) -> list[tuple[Place, Event]]:
        start = f"{after.ms}-{after.number}"
        if tenant <= after.tenant:
            start = f"({start}"
        rows = await self._state.command("XRANGE", keys.events(tenant), start, f"({end.ms}-0", "COUNT", count)
        return [_event(tenant, row, _texts(fields)) for row, fields in rows]


def _event(tenant: str, row: bytes, fields: Mapping[str, str]) -> tuple[Place, Event]:
    ms, _, number = row.decode().partition("-")
    numbers = {
        name: int(text) for name, text in fields.items() if name not in _FIXED and text.lstrip("-").isdigit()
    }
    kind, subject = fields.get("kind", ""), fields.get("subject", "")
    event = Event(
        id=fields.get("id", ""),
        kind=kind,
        at_ms=int(fields.get("at", ms)),
        tenant=tenant,
        subject=subject,
        numbers=numbers,
        message=sentence(kind, subject, numbers),
    )
    return Place(int(ms), int(number), tenant), event


def _texts(fields: Any) -> dict[str, str]:
    pairs: Iterable[tuple[bytes, bytes]] = (
        fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
    )
    return {name.decode(): text.decode() for name, text in pairs}
