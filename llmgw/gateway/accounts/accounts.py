"""Limits, budgets and the ledger as the corridor meets them: one claim for each call, whatever becomes of it.

A call that nothing limits asks the store nothing: what it cost is written to the journal, and settled behind it. A
call with limits or budgets is admitted before a provider is asked, and settled before its last byte goes out.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.accounting.counted import Heard
from llmgw.accounting.estimate import Before
from llmgw.accounting.journal.journal import Journal, Receipt
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.status import JournalUnavailable, Refusal
from llmgw.context.aftercare import Aftercare
from llmgw.gateway.accounts.claim import Claim, Held
from llmgw.gateway.accounts.counting import Counting
from llmgw.gateway.accounts.records import charge_of, intent_bytes, result_bytes
from llmgw.gateway.accounts.settler import Settler
from llmgw.gateway.accounts.standings import Standings
from llmgw.gateway.accounts.tending import Tending
from llmgw.gateway.accounts.wanted import Wanted, counting_alone, reservation_of
from llmgw.policy.rules.rules import Rules
from llmgw.policy.signals.signals import Signals
from llmgw.policy.spending.local import LocalLimits
from llmgw.policy.spending.rooms import after_refusal, allotment
from llmgw.policy.spending.spending import Spending
from llmgw.state.identity import StoreIdentity
from llmgw.types.call import ANYBODY, AdmissionFacts, Call
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError, StoreUnavailable
from llmgw.types.invocation import Invocation
from llmgw.types.limit_errors import BudgetExceeded, JournalRefuses, LimitExceeded, StoreReset
from llmgw.types.target import Target

_log = logging.getLogger(__name__)

REOPEN_S: Final = 1.0
"""Seconds between two attempts to open a journal that could not be opened."""


class Accounts:
    """Makes claims and ends them; one per worker.

    `workers` is how many of them share this machine's part of a limit while the store is away.
    """

    def __init__(
        self,
        spending: Spending,
        journal: Journal,
        rules: Rules,
        counting: Counting,
        clock: Clock,
        identity: StoreIdentity,
        *,
        signals: Signals,
        workers: int = 1,
    ) -> None:
        self.rules = rules
        self.journal = journal
        self.identity = identity
        self.settler = Settler(spending, journal, clock, identity, signals.note_settled)
        identity.when_taken_over = self.settler.forget_books
        self.standings = Standings(spending.state, clock)
        self._signals = signals
        self._spending = spending
        self._counting = counting
        self._clock = clock
        self._local = LocalLimits(clock, workers)
        self._care = Aftercare()
        self._tending = Tending(spending, lambda: self.settler.tenants)
        self._reopening: asyncio.Task[None] | None = None
        self._opened = False

    async def start(self) -> None:
        """Open the journal, and begin to settle: first what dead workers left.

        A journal that cannot be opened refuses records, and calls go on as far as they may without it.
        """
        trouble = await self._open_journal()
        self.settler.start()
        self._tending.start()
        self.standings.start()
        if trouble:
            _log.error("the journal cannot be read or written, and is tried again: %s", trouble)
            self._reopening = asyncio.get_running_loop().create_task(self._reopen_journal())

    async def aclose(self) -> None:
        """End what is under way; what the store does not take stays in the journal."""
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.gather(self._reopening, return_exceptions=True)
        await self.standings.aclose()
        await self._tending.aclose()
        await self._care.aclose()
        await self.settler.aclose()
        await self.journal.aclose()

    async def claim(
        self,
        call: Call,
        invocation: Invocation,
        targets: Sequence[Target],
        before: Callable[[], Before] = Before,
    ) -> Claim:
        """Take what a call may need of every limit and budget; `before` tells what it continues.

        Raises:
            LimitExceeded: a limit or budget has no room.
            PriceMissing: it has a budget, and a model it may reach has no price.
            StoreUnavailable: the store cannot be asked, and its budget must not be spent unseen.
            StoreReset: the store has lost the books of its tenant.
            JournalRefuses: it has a budget, and what it costs could not be written down.
        """
        bounds = self.rules.in_force(call.caller or ANYBODY, call.tags)
        if bounds.empty:
            if not self.rules.known:
                if self.identity.lost:
                    raise self.identity.reset()
                raise _unknown_limits()
            return Claim(self, call, invocation, reservation_of(call, self._now_ms()), bound=False)
        wanted = Wanted(call, invocation, targets, bounds, before())
        reservation = wanted.reservation(self._now_ms())
        if reservation.budgets and not self.journal.ready:
            raise _journal_refuses()
        claim = Claim(self, call, wanted.asked, reservation, bound=True, degraded=bounds.degraded == "allow")
        await self._noted(claim, self._admit_or_lower(claim, wanted))
        return claim

    async def _admit_or_lower(self, claim: Claim, wanted: Wanted) -> None:
        """Have a claim admitted, with a shorter answer where the whole one does not fit and that is wanted."""
        try:
            await self._admit(claim)
        except BudgetExceeded as error:
            lowered = wanted.lowered(error.left, self._now_ms())
            if lowered is None:
                raise
            claim.reservation = lowered.reservation(self._now_ms())
            claim.invocation = lowered.asked
            await self._admit(claim)
            if claim.call.admission is not None:
                claim.call.admission.lowered = True

    @contextlib.asynccontextmanager
    async def counted(self, call: Call) -> AsyncIterator[None]:
        """Count a call that asks by calls within it alone: its request, and that it is under way.

        What these take of tokens and money they claim themselves.

        Raises:
            LimitExceeded: a limit has no room.
            StoreUnavailable: the limits in force are not known yet.
            StoreReset: the store has lost the books of its tenant.
        """
        bounds = self.rules.in_force(call.caller or ANYBODY, call.tags)
        if not self.rules.known and bounds.empty:
            raise _unknown_limits()
        reservation = counting_alone(call, bounds, self._now_ms())
        if not reservation.limits:
            yield
            return
        held = Held(call, reservation, bound=True)
        await self._noted(held, self._admit(held))
        try:
            yield
        finally:
            await asyncio.shield(self._care.begin(self._released(held)))

    async def again(self, claim: Claim) -> None:
        """Charge the attempts so far, and admit what follows as an operation of its own.

        So all attempts of a call together never cost more than what was on hold for them.

        Raises:
            GatewayError: as `claim`.
        """
        await self._charged(claim, Heard())
        before = claim.reservation
        claim.renewed(
            replace(
                before,
                operation=f"{claim.call.id}+{len(claim.call.attempts) + 1}",
                at_ms=self._now_ms(),
                limits=tuple(replace(each, requests_per_minute=None) for each in before.limits),
            )
        )
        try:
            await self._admit(claim)
        except (LimitExceeded, StoreReset) as refusal:
            self._signals.note_refused(claim.reservation, refusal)
            raise

    @property
    def refusal(self) -> Refusal | None:
        """Why calls with a budget are refused, where the journal takes no records."""
        return self.journal.state.refusal

    def sent(self, claim: Claim) -> Receipt | None:
        """Write down that a provider is about to be asked.

        Raises:
            JournalRefuses: that is not possible, and the call has a budget.
        """
        reservation = claim.reservation
        receipt = self._put(Kind.INTENT, reservation.operation, intent_bytes(reservation, "sent"))
        if receipt is None and reservation.budgets:
            raise _journal_refuses()
        return receipt

    async def durable(self, receipt: Receipt) -> None:
        """Wait until an intent is on the medium.

        Raises:
            JournalRefuses: it may not be there.
        """
        try:
            await receipt
        except JournalUnavailable as error:
            raise _journal_refuses() from error

    def settle(self, claim: Claim, heard: Heard) -> Awaitable[None]:
        """Charge a claim whose call was answered; whoever waits may be cancelled, it is charged all the same."""
        if claim.unreported(heard):
            return asyncio.shield(self._care.begin(self._charged(claim, heard)))
        return self._charge(claim)

    def fail(self, claim: Claim) -> Awaitable[None]:
        """End a claim whose call no target answered, whoever waits for that."""
        return asyncio.shield(self._care.begin(self._failed(claim)))

    def end_later(self, claim: Claim, heard: Heard) -> None:
        """End a claim behind the back of its call, whose answer broke off."""
        self._care.begin(self._charged(claim, heard) if heard.anything else self._failed(claim))

    async def _admit(self, claim: Held) -> None:
        """Have a claim admitted.

        Raises:
            GatewayError: as `claim`.
        """
        reservation = claim.reservation
        self._put(Kind.INTENT, reservation.operation, intent_bytes(reservation, "asked"))
        try:
            if not self.settler.has_opened(reservation.tenant):
                await self.settler.open_books(reservation.tenant)
            admitted = await self._spending.admit(reservation)
            claim.call.allotment = allotment(admitted)
            self.standings.admitted(reservation, admitted.lefts)
        except StoreUnavailable as error:
            self._admit_here(claim, error)
            if error.asked:
                # What it may have taken unheard it gives back; what the call costs is charged all the same.
                self.settler.release_later(reservation, goes_on=True)
        except (LimitExceeded, StoreReset) as refusal:
            # Nothing was taken.
            if isinstance(refusal, LimitExceeded):
                claim.call.allotment = after_refusal(reservation, refusal)
            if isinstance(refusal, BudgetExceeded):
                self.standings.refused(reservation, refusal)
            self._put(Kind.DONE, reservation.operation)
            raise
        except BaseException:
            self.settler.release_later(reservation)
            raise
        self._tending.begin(claim)

    async def _noted(self, held: Held, admitting: Awaitable[None]) -> None:
        """Note on a call how its admission goes, and how long that takes; have refusals told."""
        asked = held.reservation
        facts = held.call.admission = AdmissionFacts(
            limits=len(asked.limits),
            budgets=len(asked.budgets),
            estimate_nano=asked.estimate_nano,
            started_ns=self._clock.monotonic_ns(),
            ended_ns=0,
        )
        try:
            await admitting
        except (LimitExceeded, StoreReset) as refusal:
            # The first of a budget's window, and that books are gone.
            self._signals.note_refused(held.reservation, refusal)
            if isinstance(refusal, LimitExceeded):
                facts.limit = refusal.limit
            raise
        finally:
            facts.ended_ns = self._clock.monotonic_ns()
            facts.unheard = held.unheard
            facts.estimate_nano = held.reservation.estimate_nano

    def _admit_here(self, claim: Held, error: StoreUnavailable) -> None:
        """Admit a claim that the store was not heard about, within this worker's own share.

        Raises:
            StoreUnavailable: its budgets must not be spent unseen.
            LimitExceeded: the share is used up.
        """
        reservation = claim.reservation
        try:
            if reservation.budgets and not claim.degraded:
                raise error
            self._local.admit(reservation)
        except GatewayError:
            if not error.asked:
                self._put(Kind.DONE, reservation.operation)
            else:
                self.settler.release_later(reservation)
            raise
        claim.unheard = claim.local = True

    async def _failed(self, claim: Claim) -> None:
        """Charge what the attempts cost; where that is nothing, give back what was taken."""
        if claim.may_have_cost:
            await self._charged(claim, Heard())
        else:
            await self._released(claim)

    async def _released(self, claim: Held) -> None:
        """Give back what was taken."""
        self._leave(claim)
        if claim.bound:
            await self.settler.release(claim.reservation)
        else:
            self._put(Kind.DONE, claim.reservation.operation)

    async def _charged(self, claim: Claim, heard: Heard) -> None:
        """Charge what the attempts cost; returns once the store or the medium has it, if either takes it."""
        await self._counting.fill_in(claim, heard)
        await self._charge(claim)

    def _charge(self, claim: Claim) -> Awaitable[None]:
        """Charge what the attempts cost, as far as that is known.

        It is written down and handed on at once; what is returned ends when the store or the medium has it.
        """
        if claim.bound:
            self._leave(claim)
        reservation, charge = charge_of(claim.call, claim.attempts, claim.reservation)
        receipt = self._put(Kind.RESULT, reservation.operation, result_bytes(reservation, charge))
        if not claim.bound:
            return self.settler.settle_behind(reservation, charge, receipt)
        return claim.taken(charge, receipt, self.settler.settle(reservation, charge, receipt))

    def _leave(self, claim: Held) -> None:
        self._tending.end(claim)
        if claim.local:
            claim.local = False
            self._local.leave(claim.reservation)

    def _put(self, kind: Kind, operation: str, payload: bytes = b"") -> Receipt | None:
        """Tell the journal; None where it refuses."""
        try:
            return self.journal.put(Record(kind, operation, payload, self._clock.unix_ns()))
        except JournalUnavailable:
            return None

    async def _open_journal(self) -> str:
        """Open the journal and take over what dead workers left; says what is in the way."""
        try:
            if not self._opened:
                await self.journal.open()
                self._opened = True
            adoption = await self.journal.recover()
        except (OSError, JournalUnavailable) as error:
            return str(error)
        for damage in adoption.damages:
            _log.warning("journal %s: %s: %s", damage.file, damage.fault, damage.detail)
        return ""

    async def _reopen_journal(self) -> None:
        while True:
            await asyncio.sleep(REOPEN_S)
            if not await self._open_journal():
                _log.warning("the journal can be read and written again")
                self.settler.look_again()
                return

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000


def _unknown_limits() -> StoreUnavailable:
    return StoreUnavailable("the limits in force are not known yet", retry_after_s=1.0)


def _journal_refuses() -> JournalRefuses:
    return JournalRefuses("what this call costs could not be written down", retry_after_s=1.0)
