"""Events on a real store, and deliveries of them by a clock that moves when a test says so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

from llmgw.policy.signals.delivery import Delivery, Means, Post, Record, record_of
from llmgw.policy.signals.events import EventLog, Place
from llmgw.policy.signals.webhook import Webhook
from llmgw.state.connection import State
from llmgw.types.secret import Secret
from llmgw.types.signal import Event
from llmgw.upstream import Upstream
from llmgw.upstream.posting import post
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S, until_async
from tests.webhook_receiver import SECRET

DAY_MS = 86_400_000


class Watch:
    """One worker's worth of events and deliveries."""

    def __init__(self, state: State, upstream: Upstream) -> None:
        self.state = state
        self.clock = ManualClock()
        self.log = EventLog(state)
        self.post: Post = partial(post, upstream)

    @property
    def now_ms(self) -> int:
        """Unix ms of the clock."""
        return self.clock.unix_ns() // 1_000_000

    def event(self, name: str, *, tenant: str = "acme", kind: str = "budget.exceeded") -> Event:
        """An event of now."""
        return Event(
            id=name,
            kind=kind,
            at_ms=self.now_ms,
            tenant=tenant,
            subject="team:red:month:2026-01",
            numbers={"left_nano": 1, "amount_nano": 10**10, "asked_nano": 5 * 10**8},
            message="",
        )

    async def tell(self, *names: str, tenant: str = "acme", kind: str = "budget.exceeded") -> None:
        """Tell of events, and return once all of them can be read."""
        for name in names:
            assert await self.log.tell(self.event(name, tenant=tenant, kind=kind), DAY_MS)
        await until_async(self._sees(names[-1]), "the last event", unless=OSError)

    async def ids(self, kinds: Sequence[str] = ()) -> list[str]:
        """The ids of all events, in their order."""
        page = await self.log.page(await self.log.tenants(), Place.at(0), 1000, kinds)
        return [event.id for _, event in page.items]

    def delivery(self, url: str, *, kinds: tuple[str, ...] = (), tenants: tuple[str, ...] = ()) -> Delivery:
        """A worker's deliveries to a webhook."""
        means = Means(self.state, self.log, self.post, self.clock, lambda: 0.5)
        return Delivery(Webhook(url=url, secret=Secret(SECRET), kinds=kinds, tenants=tenants), means)

    async def record(self, delivery: Delivery) -> Record:
        """How far a webhook is."""
        return await record_of(self.state, delivery.hook)

    async def away(self, delivery: Delivery) -> None:
        """Let pass what the delivery wants to wait."""
        self.clock.advance(((await self.record(delivery)).next_ms - self.now_ms) / 1000)

    def _sees(self, name: str) -> Callable[[], Awaitable[bool]]:
        async def sees() -> bool:
            return name in await self.ids()

        return sees


def on_watch(url: str, scene: Callable[[Watch], Awaitable[None]]) -> None:
    """Play a scene."""

    async def play() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state, aclosing(Upstream()) as upstream:
            await scene(Watch(state, upstream))

    asyncio.run(play())
