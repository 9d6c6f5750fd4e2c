"""What calls cost on its way into the ledger: at once, behind the call, or when the store is back.

Every result is in the journal before it is settled, and settling goes by the operation's id. So nothing here needs
to remember what the store did not take: it is read from the journal again once the store answers.
"""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final, NamedTuple

from llmgw.accounting.detail import unverified_detail
from llmgw.accounting.journal.journal import Journal, Receipt
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.status import JournalUnavailable, Lapsed, Unsettled
from llmgw.gateway.accounts.records import intent_bytes, read_intent, read_result
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Charge, Reservation
from llmgw.state.identity import StoreIdentity
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError, InternalError, Unavailable

_log = logging.getLogger(__name__)

TICK_S: Final = 0.5
AT_ONCE: Final = 16
"""Operations that are settled side by side behind the calls."""
FORCED_NS: Final = 2_000_000_000
"""How long after the store took a result it is surely on the store's disk, which is forced each second.

Until then the journal keeps it: a store that dies may forget what it has answered.
"""
LOOKED_AT: Final = 500
"""Operations that the store is asked about at once."""
_GIVEN_BACK: Final = frozenset({"released", "lapsed", "settled"})
PATIENCE_S: Final = 0.003
"""How long the store may take before the medium is hurried to prove a result instead."""
AGAIN_S: Final = 1.0
"""Seconds between two attempts to catch up while the store is away."""
HELD_MAX: Final = 10_000
"""Results kept in memory that neither the journal nor the store would take."""


class _Ended(NamedTuple):
    """A call that has ended, the journal's receipt for that, and who waits until one of the two has it."""

    reservation: Reservation
    charge: Charge
    receipt: Receipt | None
    proven: "asyncio.Future[None]"


class _Taken(NamedTuple):
    """An operation that the store has ended, when that is to be on its disk, and how it is to stand there."""

    due_ns: int
    reservation: Reservation
    charged: bool

    def stands(self, state: str) -> bool:
        """Whether a state that the store tells is what it was told."""
        return state == "settled" if self.charged else state in _GIVEN_BACK


class Settler:
    """Settles operations by their id; one per worker."""

    def __init__(self, spending: Spending, journal: Journal, identity: StoreIdentity, clock: Clock) -> None:
        self._identity = identity
        self._spending = spending
        self._journal = journal
        self._clock = clock
        self._books: set[str] = set()
        self._queue: deque[_Ended] = deque()
        self._held: deque[tuple[Reservation, Charge]] = deque(maxlen=HELD_MAX)
        self._unsaid: deque[Reservation] = deque(maxlen=HELD_MAX)
        self._taken: deque[_Taken] = deque()
        self._look_at = 0.0
        self._wake = asyncio.Event()
        self._behind = True
        self._closing = False
        self._journal_lost = 0
        self._try_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        """Results that neither the journal nor the store would take, and that memory had no room for."""

    @property
    def tenants(self) -> frozenset[str]:
        """Whose books this worker has opened."""
        return frozenset(self._books)

    @property
    def behind(self) -> bool:
        """Whether results may wait in the journal for the store."""
        return self._behind

    def start(self) -> None:
        """Begin to work: with what dead workers left."""
        self._task = asyncio.get_running_loop().create_task(self._work())

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

    async def settle(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> bool:
        """Charge an operation now; False where the store did not take it, which is then done later.

        `receipt` is the journal's for the result; without one, memory keeps it.
        """
        if await self._post(reservation, charge):
            return True
        self._keep(reservation, charge, receipt)
        return False

    async def settle_behind(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> None:
        """Charge an operation behind its call; returns once the store or the medium has it, whichever comes first.

        And also where neither takes it, which nothing can be done about here.
        """
        loop = asyncio.get_running_loop()
        ended = _Ended(reservation, charge, receipt, loop.create_future())
        self._queue.append(ended)
        self._wake.set()
        if receipt is None:
            await ended.proven
            return
        receipt.tell(ended.proven)
        hurrying = loop.call_later(PATIENCE_S, receipt.hurry)
        try:
            with contextlib.suppress(JournalUnavailable):
                await ended.proven
        finally:
            hurrying.cancel()

    def release_later(self, reservation: Reservation) -> None:
        """Give back what an operation took, if it took anything: its admission was not heard of."""
        self._unsaid.append(reservation)
        # Should this worker end first, whoever takes over gives it back, and does not charge what it might cost.
        intent = Record(
            Kind.INTENT, reservation.operation, intent_bytes(reservation, "asked"), self._clock.unix_ns()
        )
        with contextlib.suppress(JournalUnavailable):
            self._journal.put(intent)
        self._fall_behind()

    async def aclose(self) -> None:
        """Settle what can be settled now, and leave the rest to the journal."""
        self._closing = True
        if self._task is not None:
            # Not cancelled: what it has in hand is in no queue any more.
            self._wake.set()
            await self._task
        while self._queue:
            await self._settle_some()
        if self._behind:
            await self._catch_up()
        await self._close_taken(all_now=True)

    async def _work(self) -> None:
        while not self._closing:
            if not self._queue:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), TICK_S)
            try:
                await self._settle_some()
                await self._close_taken()
                self._watch_journal()
                if self._behind and asyncio.get_running_loop().time() >= self._try_at:
                    await self._catch_up()
            except Exception:  # noqa: BLE001  # logged, as what is settled later must not end with one bad record
                _log.exception("settling went wrong")

    async def _settle_some(self) -> None:
        """Settle a batch of those that wait in memory."""
        batch = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
        if batch:
            await asyncio.gather(*map(self._settle_queued, batch))

    async def _settle_queued(self, ended: _Ended) -> None:
        if await self._post(ended.reservation, ended.charge):
            if not ended.proven.done():
                ended.proven.set_result(None)
        else:
            self._leave_to_journal(ended)

    def _leave_to_journal(self, ended: _Ended) -> None:
        """Have the medium prove what the store does not take."""
        self._keep(ended.reservation, ended.charge, ended.receipt)
        if ended.receipt is not None:
            ended.receipt.hurry()
        elif not ended.proven.done():
            ended.proven.set_result(None)

    async def _post(self, reservation: Reservation, charge: Charge) -> bool:
        """Charge an operation, and close it in the journal; False where the store does not take it now."""
        try:
            await self.open_books(reservation.tenant)
            await self._spending.settle(reservation, charge)
        except Unavailable:
            self._fall_behind()
            return False
        except InternalError as error:
            # Nothing can be done about it later either, and whoever looks into it has all there is.
            _log.error(
                "operation %s, which cost %d nano-USD, cannot be settled: %s",
                reservation.operation,
                charge.cost_nano,
                error.message,
            )
            self._close(reservation.operation)
            return True
        self._done(reservation, charged=True)
        return True

    def _fall_behind(self) -> None:
        self._behind = True
        self._try_at = asyncio.get_running_loop().time() + AGAIN_S
        # The store would refuse each of them in its turn; what the journal has is read from there.
        while self._queue:
            self._leave_to_journal(self._queue.popleft())

    def _keep(self, reservation: Reservation, charge: Charge, receipt: Receipt | None) -> None:
        """Remember a result that is nowhere else."""
        if receipt is not None and not receipt.refused:
            return
        if len(self._held) == HELD_MAX:
            self.lost += 1
            lost = self._held[0][0]
            _log.error("what %s cost is lost: neither journal nor store takes it", lost.operation)
        self._held.append((reservation, charge))

    def _done(self, reservation: Reservation, *, charged: bool) -> None:
        """Close an operation in the journal, once the store is sure to have it on disk."""
        due_ns = self._clock.monotonic_ns() + FORCED_NS
        self._taken.append(_Taken(due_ns, reservation, charged))

    def _close(self, operation: str) -> None:
        """Close an operation; where the journal refuses, it is given again and ended again, to no effect."""
        with contextlib.suppress(JournalUnavailable):
            self._journal.put(Record(Kind.DONE, operation, b"", self._clock.unix_ns()))

    def _watch_journal(self) -> None:
        """Settle again what may have been closed by a record that a failing disk took with it."""
        state = self._journal.state
        if state.ready and state.counts.lost != self._journal_lost:
            self._journal_lost = state.counts.lost
            self._behind = True

    async def _close_taken(self, *, all_now: bool = False) -> None:
        """Close what the store has on disk; what it has forgotten, or cannot be asked about, is settled again."""
        now_s, now_ns = asyncio.get_running_loop().time(), self._clock.monotonic_ns()
        if not all_now and now_s < self._look_at:
            return
        self._look_at = now_s + TICK_S
        due: dict[str, list[_Taken]] = {}
        while self._taken and (all_now or now_ns >= self._taken[0].due_ns):
            each = self._taken.popleft()
            due.setdefault(each.reservation.tenant, []).append(each)
        looks = [
            self._close_those(tenant, taken[start : start + LOOKED_AT])
            for tenant, taken in due.items()
            for start in range(0, len(taken), LOOKED_AT)
        ]
        for start in range(0, len(looks), AT_ONCE):
            await asyncio.gather(*looks[start : start + AT_ONCE])

    async def _close_those(self, tenant: str, taken: list[_Taken]) -> None:
        try:
            states = await self._spending.states(tenant, [each.reservation.operation for each in taken])
        except Unavailable:
            states = [""] * len(taken)
            self._fall_behind()
        for each, state in zip(taken, states, strict=True):
            if each.stands(state):
                self._close(each.reservation.operation)
                continue
            # What was charged is still open in the journal, with its result; of a call given back it has none.
            self._behind = True
            if not each.charged:
                self._unsaid.append(each.reservation)

    async def _catch_up(self) -> None:
        """Bring everything that waits to the store; stops at the first that it does not take."""
        self._try_at = asyncio.get_running_loop().time() + AGAIN_S
        # Whatever falls behind from now on sets it again.
        self._behind = False
        while self._unsaid:
            if not await self._release(self._unsaid[0]):
                return
            self._unsaid.popleft()
        for _ in range(len(self._held)):
            reservation, charge = self._held.popleft()
            if not await self.settle(reservation, charge, None):
                return
        try:
            async for each in self._journal.replay():
                if not await self._end(each):
                    return
        except JournalUnavailable as error:
            _log.warning("what waits in the journal could not be read: %s", error.detail)
            self._behind = error.reason != "closed"

    async def _end(self, found: Unsettled | Lapsed) -> bool:
        """End an operation that the journal gave; False where the store does not answer."""
        if isinstance(found, Unsettled):
            result = read_result(found.payload)
            if result is not None:
                return await self._post(result.reservation, result.charge)
        else:
            intent = read_intent(found.payload)
            if intent is not None:
                return await self._lapse(intent.reservation, sent=intent.stage == "sent")
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

    async def _release(self, reservation: Reservation) -> bool:
        try:
            await self.open_books(reservation.tenant)
            await self._spending.release(reservation)
        except Unavailable:
            self._fall_behind()
            return False
        except GatewayError as error:
            _log.error("operation %s cannot be released: %s", reservation.operation, error.message)
            self._close(reservation.operation)
            return True
        self._done(reservation, charged=False)
        return True
