"""Events on their way to one webhook: in order, at least once, each again until it is taken or a day has passed.

How far it is stands in the store, so that another worker goes on where one died. What it had delivered but not yet
written down is then delivered again, under the same `webhook-id`.
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from llmgw.policy.signals import scripts
from llmgw.policy.signals.events import EventLog, Place
from llmgw.policy.signals.leases import signal_lease
from llmgw.policy.signals.webhook import Webhook, body_of, message_id, signed_headers
from llmgw.state.connection import Argument, State
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError
from llmgw.types.signal import Event

_log = logging.getLogger(__name__)

FIRST_MS: Final = 5_000
LONGEST_MS: Final = 3_600_000
"""Waits between two attempts: each twice the one before."""
GIVEN_UP_MS: Final = 86_400_000
"""How long a webhook may take nothing before what is as old as that is no longer sent to it."""
PAGE: Final = 50
IDLE_MS: Final = 10_000
"""How often it looks for events of which it was not told."""
_GONE: Final = 410


class Answer(Protocol):
    """What answered a post."""

    @property
    def status(self) -> int:
        """HTTP's."""

    @property
    def retry_after_s(self) -> float | None:
        """How long it wants to be left alone."""


class Post(Protocol):
    """Sends a body to an address that the operator configured."""

    async def __call__(
        self, url: str, headers: tuple[tuple[str, str], ...], body: bytes, *, who: str
    ) -> Answer:
        """Post it.

        Raises:
            GatewayError: nothing answers.
        """


class Record(Struct, frozen=True, kw_only=True):
    """How far a webhook is, as the store has it; times are unix milliseconds, 0 for none."""

    place: str = ""
    tries: int = 0
    """Attempts without success since the last one that had it."""
    failing_ms: int = 0
    """Since when."""
    next_ms: int = 0
    last_ms: int = 0
    last_status: int = 0
    last_error: str = ""
    last_event: str = ""
    delivered: int = 0
    given_up: int = 0
    given_up_event: str = ""
    given_up_ms: int = 0
    gone_ms: int = 0

    @property
    def state(self) -> str:
        """How it is, in one word."""
        if self.gone_ms:
            return "disabled"
        if self.tries:
            return "failing"
        return "active" if self.last_ms else "idle"


class Means(NamedTuple):
    """What delivering takes."""

    state: State
    log: EventLog
    post: Post
    clock: Clock
    jitter: Callable[[], float]
    """Draws from 0 to 1."""


def record_key(hook: Webhook) -> str:
    """The hash of a webhook's record, in the slot of the leases."""
    return f"llmgw:{{signals}}:webhook:{hook.id}"


async def record_of(state: State, hook: Webhook) -> Record:
    """Read how far a webhook is.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    names = Record.__struct_fields__
    found = await state.hash_fields(record_key(hook), *names)
    texts = {name: value.decode() for name, value in zip(names, found, strict=True) if value is not None}
    words = {"place", "last_error", "last_event", "given_up_event"}
    return Record(**{name: text if name in words else int(text) for name, text in texts.items()})  # type: ignore[arg-type]  # the words are the texts


class Delivery:
    """One webhook's deliveries by one worker; `step` is all that happens."""

    def __init__(self, hook: Webhook, means: Means) -> None:
        self.hook = hook
        self._means = means
        self._lease = signal_lease(means.state, f"webhook:{hook.id}")

    async def step(self) -> int:
        """Deliver what is due, unless another worker does; says in how many milliseconds to come again.

        Raises:
            StoreUnavailable: the store cannot be asked; nothing is lost.
        """
        if not await self._lease.hold():
            return IDLE_MS
        record = await record_of(self._means.state, self.hook)
        if record.gone_ms:
            return IDLE_MS
        if not record.place:
            # What was told before there was such a webhook is not for it.
            await self._note(place=str(await self._means.log.end()))
            return IDLE_MS
        if record.next_ms > self._now() and not self._hopeless(record):
            return self._until(record)
        tenants = self.hook.tenants or await self._means.log.tenants()
        page = await self._means.log.page(tenants, Place.read(record.place), PAGE, self.hook.kinds)
        for place, event in page.items:
            if not await self._lease.hold() or not await self._deliver(place, event):
                return self._until(await record_of(self._means.state, self.hook))
        if not page.items or not page.more:
            await self._note(place=str(page.last))
        return 0 if page.more else IDLE_MS

    async def let_go(self) -> None:
        """Leave the rest to another worker.

        Raises:
            StoreUnavailable: it has to wait for the lease to end.
        """
        await self._lease.let_go()

    async def revive(self) -> None:
        """Try a webhook again that had said that it is gone.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        await self._means.state.command("HDEL", record_key(self.hook), "gone_ms")

    async def _deliver(self, place: Place, event: Event) -> bool:
        """Make one attempt; whether to go on with the next event."""
        record = await record_of(self._means.state, self.hook)
        now = self._now()
        if record.next_ms > now:
            # Those before were given up just now: this one is as old, or waits its turn.
            return now - event.at_ms >= GIVEN_UP_MS and await self._give_up(place, event, record)
        status, error, retry_after_s = await self._attempt(event)
        last: dict[str, Argument] = {
            "last_ms": now,
            "last_status": status,
            "last_error": error,
            "last_event": event.id,
        }
        if 200 <= status < 300:
            done: dict[str, Argument] = {"place": str(place), "tries": 0, "failing_ms": 0, "next_ms": 0}
            return await self._note(**last, **done, delivered=record.delivered + 1)
        if status == _GONE:
            _log.warning("webhook %s is gone: it gets nothing until a restart or reload", self.hook.id)
            await self._note(**last, gone_ms=now)
            return False
        failing_ms = record.failing_ms or now
        wait_ms = self._wait_ms(record.tries, retry_after_s)
        kept = await self._note(**last, tries=record.tries + 1, failing_ms=failing_ms, next_ms=now + wait_ms)
        if kept and now - failing_ms >= GIVEN_UP_MS and now - event.at_ms >= GIVEN_UP_MS:
            return await self._give_up(place, event, record)
        return False

    async def _give_up(self, place: Place, event: Event, record: Record) -> bool:
        _log.error("webhook %s did not take %s within a day: given up", self.hook.id, event.id)
        return await self._note(
            place=str(place),
            given_up=record.given_up + 1,
            given_up_event=event.id,
            given_up_ms=self._now(),
        )

    async def _attempt(self, event: Event) -> tuple[int, str, float | None]:
        """Status, error and wish to be left alone; status 0 where nothing answered."""
        body = body_of(event)
        at_s = self._now() // 1000
        headers = signed_headers(self.hook.secret, message_id(event), at_s, body)
        try:
            answer = await self._means.post(self.hook.url, headers, body, who=f"webhook {self.hook.id}")
        except GatewayError as error:
            return 0, error.code, error.retry_after_s
        if 200 <= answer.status < 300:
            return answer.status, "", None
        return answer.status, f"answered {answer.status}", answer.retry_after_s

    def _hopeless(self, record: Record) -> bool:
        return record.failing_ms > 0 and self._now() - record.failing_ms >= GIVEN_UP_MS

    def _until(self, record: Record) -> int:
        wait_ms = record.next_ms - self._now()
        return min(wait_ms, IDLE_MS) if wait_ms > 0 else IDLE_MS

    def _wait_ms(self, tries: int, retry_after_s: float | None) -> int:
        longest = min(FIRST_MS << min(tries, 20), LONGEST_MS)
        # Never less than the first wait; receivers that failed together are not asked again together.
        wait = max(FIRST_MS, round(longest * (1 - self._means.jitter() / 4)))
        if retry_after_s is not None:
            wait = max(wait, round(1000 * min(retry_after_s, LONGEST_MS / 1000)))
        return wait

    async def _note(self, **fields: Argument) -> bool:
        pairs = [part for pair in fields.items() for part in pair]
        noted = await self._means.state.script(
            scripts.NOTE, [self._lease.key, record_key(self.hook)], [self._lease.token, *pairs]
        )
        return bool(noted)

    def _now(self) -> int:
        return self._means.clock.unix_ns() // 1_000_000
