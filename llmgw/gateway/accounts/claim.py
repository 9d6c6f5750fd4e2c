"""One call's claim on what its caller may use: made before a provider is asked, ended once it has answered."""

import contextlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from llmgw.accounting.counted import Heard
from llmgw.accounting.journal.journal import Receipt
from llmgw.accounting.journal.status import JournalUnavailable
from llmgw.policy.spending.rooms import after_settling
from llmgw.policy.spending.values import Charge, Reservation
from llmgw.types.call import Attempt, Call
from llmgw.types.errors import (
    ClientGone,
    DeadlineExceeded,
    ProviderBadResponse,
    ProviderBadStream,
    ProviderTimeout,
    ProviderTooLarge,
    StreamInterrupted,
)
from llmgw.types.invocation import CountInvocation, Invocation
from llmgw.types.target import Target

if TYPE_CHECKING:
    from llmgw.gateway.accounts.accounts import Accounts

_MAY_BILL = frozenset(
    error.code
    for error in (
        ClientGone,
        DeadlineExceeded,
        ProviderBadResponse,
        ProviderBadStream,
        ProviderTimeout,
        ProviderTooLarge,
        StreamInterrupted,
    )
)
"""Ends of attempts after which a provider that had begun may bill for what it did, without having said so."""


class Permit(Protocol):
    """What a target may be asked under."""

    async def before(self, target: Target) -> None:
        """Be sure that one more attempt is allowed, and that its cost cannot be forgotten.

        Raises:
            GatewayError: it is not.
        """

    async def durable(self) -> None:
        """Return once a death would leave a trace of the call, where it has a budget.

        Raises:
            JournalRefuses: it would leave none.
        """


class Held:
    """What one operation of a call took of limits and budgets, until it ends.

    `bound` tells that any are in force, `degraded`, that budgets may be spent unseen while the store is away;
    `unheard`, that the store could not be asked about them, so that what the call takes is only charged; `local`,
    that this worker's own share of them was taken instead.
    """

    __slots__ = ("bound", "call", "degraded", "local", "reservation", "unheard")

    def __init__(self, call: Call, reservation: Reservation, *, bound: bool, degraded: bool = False) -> None:
        self.call = call
        self.reservation = reservation
        self.bound = bound
        self.degraded = degraded
        self.unheard = False
        self.local = False


class Claim(Held):
    """Ends once: by `settle`, `fail` or `abandon`. `invocation` is what may be asked under it."""

    __slots__ = ("_accounts", "_answering", "_ended", "_receipt", "first", "invocation")

    def __init__(
        self,
        accounts: "Accounts",
        call: Call,
        invocation: Invocation,
        reservation: Reservation,
        *,
        bound: bool,
        degraded: bool = False,
    ) -> None:
        super().__init__(call, reservation, bound=bound, degraded=degraded)
        self.invocation = invocation
        self.first = 0
        """Which of the call's attempts is the first that this claim is charged for."""
        self._accounts = accounts
        self._answering: list[Target] = []
        self._receipt: Receipt | None = None
        self._ended = False

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts that this claim is charged for."""
        attempts = self.call.attempts
        return attempts[self.first :] if self.first else attempts

    @property
    def free(self) -> bool:
        """Whether no provider charges for such a call: counting tokens."""
        return isinstance(self.invocation, CountInvocation)

    @property
    def may_have_cost(self) -> bool:
        """Whether an attempt cost money, or may have."""
        return not self.free and any(
            each.charge is not None or each.usage is not None or billed(each) for each in self.attempts
        )

    def unreported(self, heard: Heard) -> list[tuple[Attempt, Target]]:
        """Attempts that may have cost what their providers did not say, and whom they asked.

        Of the last one this was `heard`, perhaps more than its provider had counted when it broke off.
        """
        attempts = self.call.attempts
        if len(attempts) == 1 and attempts[0].usage is not None and attempts[0].error is None:
            # As nearly always: one target answered, and said what it used.
            return []
        targets = self._answering[self.first :]
        answered = attempts[-1] if attempts else None
        return [
            (attempt, target)
            for attempt, target in zip(self.attempts, targets, strict=False)
            if (
                billed(attempt) or (attempt is answered and (attempt.error is None or heard.anything))
                if attempt.usage is None
                else attempt is answered and attempt.error is not None and heard.more
            )
        ]

    async def before(self, target: Target) -> None:
        """See `Permit.before`."""
        if self.call.attempts and self.reservation.budgets and self.may_have_cost:
            await self._accounts.again(self)
        if self._receipt is None:
            self._receipt = self._accounts.sent(self)
        # Attempts are made in the order in which they were allowed, but for those that found no slot.
        del self._answering[len(self.call.attempts) :]
        self._answering.append(target)

    async def durable(self) -> None:
        """See `Permit.durable`."""
        # Where the store was heard, its hold is that trace.
        if self.unheard and self.reservation.budgets and self._receipt is not None:
            await self._accounts.durable(self._receipt)

    def settle(self, heard: Heard) -> Awaitable[None] | None:
        """Charge an answer that is whole; `heard` is what it says, for providers that do not count.

        It is charged at once; what is returned ends when the store or the disk has it. None where this had ended.
        """
        if not self._end():
            return None
        return self._accounts.fail(self) if self.free else self._accounts.settle(self, heard)

    async def fail(self) -> None:
        """End a call that no target answered: give back what it took, or charge what the attempts cost."""
        if self._end():
            await self._accounts.fail(self)

    def abandon(self, heard: Heard | None = None) -> None:
        """End a call whose answer broke off or that nobody waits for, behind its back."""
        if self._end():
            self._accounts.end_later(self, heard or Heard())

    async def taken(self, charge: Charge, receipt: Receipt | None, taking: Awaitable[bool]) -> None:
        """Return once the store has taken the charge, and tell the call what it leaves; or once the medium has."""
        if await taking:
            told, reservation = self.call.allotment, self.reservation
            if told is not None:
                unused = reservation.tokens - charge.input_tokens - charge.output_tokens
                self.call.allotment = after_settling(
                    told, unused, reservation.estimate_nano - charge.cost_nano
                )
        elif receipt is not None:
            with contextlib.suppress(JournalUnavailable):
                await receipt

    def renewed(self, reservation: Reservation) -> None:
        """Go on under another reservation, for the attempts that follow."""
        self.reservation = reservation
        self.first = len(self.call.attempts)
        self.unheard = False
        self._receipt = None

    def _end(self) -> bool:
        ended, self._ended = self._ended, True
        return not ended


def billed(attempt: Attempt) -> bool:
    """Whether a provider that broke off may bill for an attempt of which it did not say what it used."""
    if attempt.usage is not None or attempt.error not in _MAY_BILL:
        return False
    return attempt.status is None or attempt.status < 300
