"""What calls cost on its way into the ledger: at once, behind the call, or when the store is back.

Every result is in the journal before it is settled, and settling goes by the operation's id. So nothing here needs
to remember what the store did not take: it is read from the journal again once the store answers.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from llmgw.accounting.detail import unverified_detail
from llmgw.accounting.journal.journal import Journal, Receipt
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.status import JournalUnavailable, Lapsed, Unsettled
from llmgw.gateway.accounts.confirming import Confirming
from llmgw.gateway.accounts.ended import Ended, EndedCalls
from llmgw.gateway.accounts.records import intent_bytes, read_intent, read_result
from llmgw.policy.spending.spending import SETTLED_AT_ONCE, Settled, Spending
from llmgw.policy.spending.values import Charge, Reservation
from llmgw.state.identity import StoreIdentity
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError, InternalError, Unavailable
from llmgw.types.limit_errors import StoreReset

_log = logging.getLogger(__name__)

TICK_S: Final = 0.5
AT_ONCE: Final = SETTLED_AT_ONCE
"""Operations that are settled side by side; those that end meanwhile are the next."""
AGAIN_S: Final = 1.0
"""Seconds between two attempts to catch up while the store is away."""
HELD_MAX: Final = 10_000
"""Results kept in memory that neither the journal nor the store would take."""


class Settler:
    """Settles operations by their id; one per worker. `hears` is told of what the store took."""

    def __init__(
        self,
        spending: Spending,
        journal: Journal,
        clock: Clock,
        identity: StoreIdentity,
        hears: Callable[[str, Settled], None] = lambda _tenant, _settled: None,
    ) -> None:
        self._hears = hears
        self._identity = identity
        self._spending = spending
        self._journal = journal
        self._clock = clock
        self._books: set[str] = set()
        self._reset: set[str] = set()
        """Tenants whose books the store was found to have lost: what they cost waits, others' does not."""
        self._queue = EndedCalls()
        self._held: deque[tuple[Reservation, Charge]] = deque(maxlen=HELD_MAX)
        self._unsaid: deque[tuple[Reservation, bool]] = deque(maxlen=HELD_MAX)
        self._confirming = Confirming(spending, clock)
        self._behind = True
        self._closing = asyncio.Event()
        self._journal_lost = 0
        self._try_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = 0
        """Results that neither the journal nor the store would take, and that memory had no room for."""

    @property
    def tenants(self) -> frozenset[str]:
        """Whose books this worker has opened."""
        return frozenset(self._books)

    @property
    def queued(self) -> int:
        """Results that wait to be settled."""
        return len(self._queue)

    @property
    def held(self) -> int:
        """Results that neither the journal nor the store has taken yet, at most `held_max`."""
        return len(self._held)

    @property
    def held_max(self) -> int:
        """Results that there is room for."""
        return HELD_MAX

    @property
    def behind(self) -> bool:
        """Whether results may wait in the journal for the store."""
        return self._behind

    def start(self) -> None:
        """Begin to work: with what dead workers left."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._tend())]

    def has_opened(self, tenant: str) -> bool:
        """Whether `open_books` has nothing to do."""
        return tenant in self._books and not self._identity.lost

    async def open_books(self, tenant: str) -> None:
        """Have a tenant's books begun that has none yet.

        Books that were there and are gone are not begun again here: that is an operator's to decide.

        Raises:
            StoreReset: the store is not the one that had them.
            StoreUnavailable: the store cannot be asked.
        """
        if self._identity.lost:
            raise self._identity.reset()
        if tenant not in self._books:
            await self._identity.require()
            await self._spending.open_books(tenant)
            self._books.add(tenant)

    def forget_books(self) -> None:
        """Ask the store about every tenant's books again: an operator has accepted that they are lost."""
        self._books.clear()
        self._fall_behind()

    def look_again(self) -> None:
        """Settle what the journal has: it could not be read before."""
        self._behind = True

    def settle(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> Awaitable[bool]:
        """Charge an operation now; False where the store did not take it, which is then done later.

        It is charged though nobody waits. `receipt` is the journal's for the result; without one, memory keeps it.
        """
        if not self._tasks or self._closing.is_set():
            return self._settle_alone(reservation, charge, receipt)
        ended = Ended(reservation, charge, receipt, bound=True)
        self._queue.add(ended)
        return ended.by_store()

    def settle_behind(
        self, reservation: Reservation, charge: Charge, receipt: Receipt | None
    ) -> Awaitable[None]:
        """Charge an operation behind its call, though nobody waits; ends as `Ended.by_either` does."""
        ended = Ended(reservation, charge, receipt, bound=False)
        self._queue.add(ended)
        return ended.by_either()

    async def _settle_alone(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> bool:
        if await self._post(reservation, charge):
            return True
        self._keep(reservation, charge, receipt)
        return False

    def release_later(self, reservation: Reservation, *, goes_on: bool = False) -> None:
        """Give back what an operation took, if it took anything: its admission was not heard of.

        Of one that `goes_on` all the same the journal must keep what it will have cost.
        """
        self._unsaid.append((reservation, goes_on))
        if not goes_on:
            # Should this worker end first, whoever takes over gives it back, and charges no estimate.
            asked = intent_bytes(reservation, "asked")
            with contextlib.suppress(JournalUnavailable):
                self._journal.put(Record(Kind.INTENT, reservation.operation, asked, self._clock.unix_ns()))
        self._fall_behind()

    async def aclose(self) -> None:
        """Settle what can be settled now, and leave the rest to the journal."""
        self._closing.set()
        self._queue.wake()
        # Not cancelled: what they have in hand is in no queue any more.
        await asyncio.gather(*self._tasks)
        while self._queue:
            await self._settle_some()
        if self._behind:
            await self._catch_up()
        await self._close_confirmed(all_now=True)

    async def _work(self) -> None:
        """Settle what waits in memory, a batch at a time."""
        while not self._closing.is_set():
            await self._queue.arrival()
            try:
                await self._settle_some()
            except Exception:  # noqa: BLE001  # logged, as what is settled later must not end with one bad record
                _log.exception("settling went wrong")

    async def _tend(self) -> None:
        """Close what is confirmed, and catch up with what waits in the journal."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), TICK_S)
            try:
                await self._close_confirmed()
                self._watch_journal()
                if self._behind and asyncio.get_running_loop().time() >= self._try_at:
                    await self._catch_up()
            except Exception:  # noqa: BLE001  # logged, as the next look must come
                _log.exception("looking after the journal went wrong")

    async def _settle_some(self) -> None:
        """Settle a batch of those that wait in memory."""
        batch = self._queue.take(AT_ONCE)
        if not batch:
            return
        try:
            for each in batch:
                if not self.has_opened(each.reservation.tenant):
                    await self.open_books(each.reservation.tenant)
            outcomes = await self._spending.settle_all([(each.reservation, each.charge) for each in batch])
        except BaseException as error:
            for each in batch:
                self._leave_to_journal(each)
            if not isinstance(error, Unavailable):
                raise
            self._fall_behind()
            return
        for each, outcome in zip(batch, outcomes, strict=True):
            if self._taken_in(each.reservation, each.charge, outcome):
                each.tell(taken=True)
            else:
                self._leave_to_journal(each)

    def _leave_to_journal(self, ended: Ended) -> None:
        """Have the medium prove what the store does not take."""
        self._keep(ended.reservation, ended.charge, ended.receipt)
        if ended.bound or ended.receipt is None:
            ended.tell(taken=False)
        else:
            ended.hurry()

    async def _post(self, reservation: Reservation, charge: Charge) -> bool:
        """Charge an operation, and close it in the journal; False where the store does not take it now."""
        outcome: Settled | Unavailable | InternalError
        try:
            await self.open_books(reservation.tenant)
            outcome = await self._spending.settle(reservation, charge)
        except (Unavailable, InternalError) as error:
            outcome = error
        return self._taken_in(reservation, charge, outcome)

    def _taken_in(
        self, reservation: Reservation, charge: Charge, outcome: Settled | Unavailable | InternalError
    ) -> bool:
        """Close an operation in the journal that the store took; False where it did not."""
        match outcome:
            case Settled():
                self._hears(reservation.tenant, outcome)
            case Unavailable():
                self._not_taken(reservation, outcome)
                return False
            case InternalError():
                # Nothing can be done about it later either, and whoever looks into it has all there is.
                _log.error(
                    "operation %s, which cost %d nano-USD, cannot be settled: %s",
                    reservation.operation,
                    charge.cost_nano,
                    outcome.message,
                )
                self._close(reservation.operation)
                return True
        self._confirming.add(reservation, charged=True)
        return True

    def _not_taken(self, reservation: Reservation, error: Unavailable) -> None:
        if isinstance(error, StoreReset):
            self._reset.add(reservation.tenant)
        self._fall_behind()

    def _fall_behind(self) -> None:
        self._behind = True
        self._try_at = asyncio.get_running_loop().time() + AGAIN_S
        # The store would refuse each of them in its turn; what the journal has is read from there.
        for each in self._queue.take_all():
            self._leave_to_journal(each)

    def _keep(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> None:
        """Remember a result that is nowhere else."""
        if receipt is not None and not receipt.refused:
            return
        if len(self._held) == HELD_MAX:
            self.lost += 1
            lost = self._held[0][0]
            _log.error("what %s cost is lost: neither journal nor store takes it", lost.operation)
        self._held.append((reservation, charge))

    def _close(self, operation: str) -> None:
        """Close an operation; where the journal refuses, it is given again and ended again, to no effect."""
        try:
            self._journal.put(Record(Kind.DONE, operation, b"", self._clock.unix_ns()))
        except JournalUnavailable:
            return

    def _watch_journal(self) -> None:
        """Settle again what may have been closed by a record that a failing disk took with it."""
        state = self._journal.state
        if state.ready and state.counts.lost != self._journal_lost:
            self._journal_lost = state.counts.lost
            self._behind = True

    async def _close_confirmed(self, *, all_now: bool = False) -> None:
        """Close what the store is sure to have on disk; what it has forgotten is settled again."""
        found = await self._confirming.look(all_now=all_now)
        for each in found.stand:
            self._close(each.reservation.operation)
        for each in found.gone:
            # What was charged is still open in the journal, with its result; of a call given back it has none.
            if not each.charged:
                self._unsaid.append((each.reservation, False))
        if found.gone:
            self._fall_behind()

    async def _catch_up(self) -> None:
        """Bring everything that waits to the store; stops where it does not answer.

        What it refuses of a tenant whose books are lost goes on waiting.
        """
        self._try_at = asyncio.get_running_loop().time() + AGAIN_S
        # Whatever falls behind from now on sets it again.
        self._behind = False
        self._reset.clear()
        for _ in range(len(self._unsaid)):
            reservation, goes_on = self._unsaid.popleft()
            if not await self._release(reservation, goes_on=goes_on):
                self._unsaid.append((reservation, goes_on))
                if reservation.tenant not in self._reset:
                    return
        for _ in range(len(self._held)):
            reservation, charge = self._held.popleft()
            if (
                not await self._settle_alone(reservation, charge, None)
                and reservation.tenant not in self._reset
            ):
                return
        try:
            async for each in self._journal.replay():
                if not await self._end(each):
                    return
        except JournalUnavailable as error:
            _log.warning("what waits in the journal could not be read: %s", error.detail)
            self._behind = error.reason != "closed"

    async def _end(self, found: Unsettled | Lapsed) -> bool:
        """End an operation that the journal gave, if that can be; False where the store does not answer."""
        if isinstance(found, Unsettled):
            result = read_result(found.payload)
            if result is not None:
                ended = await self._post(result.reservation, result.charge)
                return ended or result.reservation.tenant in self._reset
        else:
            intent = read_intent(found.payload)
            if intent is not None:
                ended = await self._lapse(intent.reservation, sent=intent.stage == "sent")
                return ended or intent.reservation.tenant in self._reset
        _log.error("the journal has a record of %s that cannot be read", found.operation)
        self._close(found.operation)
        return True

    async def _lapse(self, reservation: Reservation, *, sent: bool) -> bool:
        """End a call whose worker died before it knew what it cost, as its lapse policy says."""
        if not sent or reservation.lapse == "release":
            return await self._release(reservation)
        told = unverified_detail(reservation.operation)
        charge = Charge(cost_nano=reservation.estimate_nano, detail=told)
        return await self._post(reservation, charge)

    async def release(self, reservation: Reservation) -> None:
        """Give back what a call took that cost nothing: now, or when the store is back."""
        if not await self._release(reservation):
            self.release_later(reservation)

    async def _release(self, reservation: Reservation, *, goes_on: bool = False) -> bool:
        try:
            await self.open_books(reservation.tenant)
            await self._spending.release(reservation)
        except Unavailable as error:
            self._not_taken(reservation, error)
            return False
        except GatewayError as error:
            _log.error("operation %s cannot be released: %s", reservation.operation, error.message)
            self._close(reservation.operation)
            return True
        if not goes_on:
            self._confirming.add(reservation, charged=False)
        return True
