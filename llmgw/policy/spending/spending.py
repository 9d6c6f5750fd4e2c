"""Admission, settlement and the end of holds: one round trip each, each repeatable by the operation's id."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.arguments import charging, settling, taking, user, windows
from llmgw.policy.spending.crossing import THRESHOLDS, Spent
from llmgw.policy.spending.lines import Lines
from llmgw.policy.spending.refusals import damaged, refusal, reset_of
from llmgw.policy.spending.values import Budget, Charge, Dimension, Limit, Reservation
from llmgw.state.connection import Argument, Run, State
from llmgw.state.scripts import Script
from llmgw.types.clock import Clock
from llmgw.types.errors import InternalError, StoreUnavailable, Unavailable
from llmgw.types.json import encode
from llmgw.types.limit_errors import TooLate

HOLD_MS: Final = 600_000
LEASE_MS: Final = 30_000
OPERATION_KEPT_MS: Final = 3 * 86_400_000
"""How long a step of an ended operation may come again; a budget's window is kept longer than that."""
SETTLED_WITHIN_MS: Final = OPERATION_KEPT_MS - 3_600_000
"""How long after it began a call can be settled of which the store knows nothing; clocks may differ by an hour."""
ROLLUPS_KEPT_MS: Final = (2 * 86_400_000, 35 * 86_400_000, 400 * 86_400_000)
_ROLLUPS_LIVE_MS: Final = tuple(
    kept + period for kept, period in zip(ROLLUPS_KEPT_MS, (60_000, 3_600_000, 86_400_000), strict=True)
)
"""Lifetimes of rollups from their first cell on, which is written within their own window, or later."""
SETTLED_AT_ONCE: Final = 16
"""Operations that one step of the store settles at most, as all others wait for it."""
DUE: Final = 200
"""Holds that one sweep ends at most."""

Outcome: TypeAlias = Literal["charged", "duplicate", "adjusted"]

_POSTED: Final[Mapping[bytes, Outcome]] = {b"CHARGED": "charged", b"ADJUSTED": "adjusted"}
"""What a settlement says that wrote a row of the ledger."""

_decode_reservation = msgspec.json.Decoder(Reservation).decode


class Room(Struct, frozen=True):
    """What a limit leaves after a call was admitted; None where it does not limit that."""

    limit: Limit
    requests: int | None
    tokens: int | None
    concurrent: int | None


class Left(NamedTuple):
    """Nano-USD that a budget leaves after a call's estimate was put on hold."""

    budget: Budget
    nano: int


class Admitted(Struct, frozen=True):
    """A call that may go on; `again` says that it had been admitted before, with what is left unsaid."""

    reservation: Reservation
    rooms: tuple[Room, ...] = ()
    lefts: tuple[Left, ...] = ()
    again: bool = False


class Settled(NamedTuple):
    """What settling did; `posted_nano` is the cost of the new ledger row, signed, and 0 for a duplicate.

    `spents` has each budget that was charged.
    """

    outcome: Outcome
    posted_nano: int
    spents: tuple[Spent, ...] = ()


class Spending:
    """The steps of a call through its tenant's limits, budgets and ledger.

    Leases, rates and holds go by the store's clock, which all gateways share, unless a `clock` is handed in.
    """

    def __init__(
        self,
        state: State,
        *,
        clock: Clock | None = None,
        hold_ms: int = HOLD_MS,
        lease_ms: int = LEASE_MS,
        thresholds: tuple[int, ...] = THRESHOLDS,
    ) -> None:
        self.thresholds = thresholds
        """Percentages of a budget that an event is written for; whoever reads its configuration again sets them."""
        self._state = state
        self._clock = clock
        self._hold_ms = hold_ms
        self._lease_ms = lease_ms
        self._lines = Lines(self._admissions)

    @property
    def state(self) -> State:
        """The store that has the books."""
        return self._state

    async def open_books(self, tenant: str) -> bool:
        """Begin a tenant's books, or accept that they begin anew; False where they are there.

        The tenant is listed first: one with books that reports do not know of must not exist.

        Raises:
            StoreUnavailable: it is not known whether they were begun.
        """
        await self._state.command("SADD", keys.TENANTS, tenant)
        answer = await self._state.command("SET", keys.of(tenant, "epoch"), secrets.token_hex(8), "NX")
        return answer is not None

    async def some_tenants(self, count: int) -> frozenset[str]:
        """Draw tenants that have books, at most so many.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        drawn: list[bytes] = await self._state.command("SRANDMEMBER", keys.TENANTS, count)
        return frozenset(each.decode() for each in drawn)

    async def epoch(self, tenant: str) -> str | None:
        """What was drawn when the tenant's books began; None where the store has none.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        found: bytes | None = await self._state.command("GET", keys.of(tenant, "epoch"))
        return None if found is None else found.decode()

    async def admit(self, asked: Reservation) -> Admitted:
        """Take what a call needs of every limit and budget, or nothing at all.

        Raises:
            RateLimited: its requests or tokens do not fit into the last minute.
            NeverFits: the call alone is larger than a limit.
            ConcurrencyExceeded: too many calls are under way.
            BudgetExceeded: its estimate does not fit into a budget.
            StoreReset: the store has no books of the tenant.
            StoreUnavailable: it is not known whether it was admitted; `release` undoes it.
            InternalError: the operation has ended already.
        """
        answer = _heard(asked, await self._lines.ask(asked))
        match answer[0]:
            case b"OK":
                return Admitted(asked, _rooms(asked, answer[1]), _lefts(asked, answer[2]))
            case b"AGAIN":
                return Admitted(asked, again=True)
            case b"FINISHED":
                raise InternalError("a call asked to be admitted after it had ended")
            case b"FAILED":
                raise damaged()
        raise refusal(asked, answer)

    async def _admissions(self, asking: Sequence[Reservation]) -> Sequence[list[Any]]:
        """Admit operations that have limits, budgets and windows in common, one after the other."""
        first = asking[0]
        own = [self._hold_ms, self._lease_ms, *taking(first.limits, first.budgets)]
        for asked in asking:
            own += (asked.operation, asked.estimate_nano, asked.tokens, encode(asked))
        more = [asked.operation for asked in asking[1:]]
        answer = await self._state.script(*self._step(scripts.ADMIT, first, own, *more))
        return answer[1:] if answer[0] == b"DONE" else [answer] * len(asking)

    async def settle(self, asked: Reservation, charge: Charge) -> Settled:
        """Charge what a call cost, exactly once, and give back the rest; also if it was never admitted.

        After a hold that lapsed or was released, one row posts what the cost differs by from what was charged.

        Raises:
            StoreReset: the store has no books of the tenant.
            StoreUnavailable: it is not known whether it was charged; the same again is safe.
            TooLate: it began so long ago that the store may have forgotten that it was charged already.
            InternalError: the operation was admitted with other budgets.
        """
        answer = _heard(asked, await self._state.script(*self._settlement([(asked, charge)])))
        return _settled(asked, answer[1])

    async def settle_all(
        self, ended: Sequence[tuple[Reservation, Charge]]
    ) -> list[Settled | Unavailable | InternalError]:
        """Settle several operations that are sent all at once, each as `settle` does; says what came of each.

        Those that have their limits, budgets and windows in common are one step of the store.

        Raises:
            StoreUnavailable: it is not known whether any was charged; the same again is safe.
        """
        if len(ended) == 1:
            try:
                alone = await self._state.script(*self._settlement(ended))
            except StoreUnavailable as error:
                return [error]
            return [_came_of(ended[0][0], alone, 1)]
        together: dict[object, list[int]] = {}
        for place, (asked, _) in enumerate(ended):
            # Within a minute all windows are the same.
            common = (asked.tenant, asked.at_ms // 60_000, asked.limits, asked.budgets)
            together.setdefault(common, []).append(place)
        steps = [
            places[start : start + SETTLED_AT_ONCE]
            for places in together.values()
            for start in range(0, len(places), SETTLED_AT_ONCE)
        ]
        runs = [self._settlement([ended[place] for place in places]) for places in steps]
        found: dict[int, Settled | Unavailable | InternalError] = {}
        for places, answer in zip(steps, await self._state.scripts(runs), strict=True):
            for number, place in enumerate(places, 1):
                found[place] = _came_of(ended[place][0], answer, number)
        return [found[place] for place in range(len(ended))]

    def _settlement(self, ended: Sequence[tuple[Reservation, Charge]]) -> Run:
        """The step that settles operations which have limits, budgets and windows in common."""
        first, charged = ended[0]
        common = charging(_ROLLUPS_LIVE_MS, first.budgets, self.thresholds)
        if len(ended) == 1:
            own = [*common, 1, *user(first.used_by), *settling(first, charged, SETTLED_WITHIN_MS, 1)]
            return self._step(scripts.SETTLE, first, own)
        users: dict[tuple[tuple[Dimension, str], ...], int] = {}
        each: list[Argument] = []
        for asked, charge in ended:
            each += settling(
                asked, charge, SETTLED_WITHIN_MS, users.setdefault(asked.used_by, len(users) + 1)
            )
        own = [*common, len(users)]
        for used_by in users:
            own += user(used_by)
        own += each
        return self._step(scripts.SETTLE, first, own, *[asked.operation for asked, _ in ended[1:]])

    async def release(self, asked: Reservation) -> bool:
        """Give back all that a call took which cost nothing; False where it had ended.

        That it was made still counts as a request.

        An `admit` of it that is still on its way to the store is then refused.

        Raises:
            StoreReset: the store has no books of the tenant.
            StoreUnavailable: it is not known whether it was released; the same again is safe.
            InternalError: the operation was admitted with other budgets.
        """
        return bool((await self._run(scripts.RELEASE, asked, [asked.tokens]))[0] == b"OK")

    async def extend(self, asked: Reservation) -> bool:
        """Let the hold and the leases of a long call run on from now; False where the hold has ended.

        Raises:
            StoreReset: the store has no books of the tenant.
            StoreUnavailable: it is not known whether they were; the same again is safe.
        """
        leased = ["" if each.concurrent is None else 1 for each in asked.limits]
        answer = await self._run(scripts.EXTEND, asked, [self._hold_ms, self._lease_ms, *leased])
        return bool(answer[0] == b"OK")

    async def states(self, tenant: str, operations: Sequence[str]) -> list[str]:
        """How operations of a tenant stand: `held`, `settled`, `lapsed` or `released`; empty where unknown.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        head = keys.operation(tenant, "")
        names = [head + each for each in operations]
        return [each.decode() for each in await self._state.script(scripts.STATES, names)]

    async def lapse_due(self, tenant: str) -> int:
        """End the holds of a tenant whose time is over, at most `DUE` of them; says how many this call ended.

        Raises:
            StoreReset: the store has no books of the tenant.
            StoreUnavailable: some may have been ended; the same again is safe.
            InternalError: what is stored of some holds is damaged; all others were ended.
        """
        now = self._now() or (await self._store_ms())
        await self._state.command("ZREMRANGEBYSCORE", keys.of(tenant, "index"), "-inf", now)
        due = await self._state.command(
            "ZRANGEBYSCORE", keys.of(tenant, "holds"), "-inf", now, "LIMIT", 0, DUE
        )
        ended, damaged = 0, []
        for operation in due:
            (stored,) = await self._state.hash_fields(keys.operation(tenant, operation.decode()), "r")
            # Without a reservation it has just ended. One that is damaged must not keep the others from ending.
            if stored is not None:
                try:
                    ended += await self._lapse(stored)
                except (msgspec.DecodeError, InternalError):
                    damaged.append(operation.decode())
        if damaged:
            raise InternalError(
                f"holds that cannot be ended, for what is stored of them: {', '.join(damaged)}"
            )
        return ended

    async def _lapse(self, stored: bytes) -> bool:
        asked = _decode_reservation(stored)
        own = [
            asked.lapse,
            *charging(_ROLLUPS_LIVE_MS, asked.budgets, self.thresholds),
            1,
            *user(asked.used_by),
        ]
        answer = await self._run(scripts.LAPSE, asked, own)
        return answer[0] in {b"CHARGED", b"RELEASED"}

    def _now(self) -> str:
        return "" if self._clock is None else str(self._clock.unix_ns() // 1_000_000)

    async def _store_ms(self) -> str:
        seconds, micros = await self._state.command("TIME")
        return str(int(seconds) * 1000 + int(micros) // 1000)

    async def _run(self, script: Script, asked: Reservation, own: list[Argument]) -> list[Any]:
        return _heard(asked, await self._state.script(*self._step(script, asked, own)))

    def _step(self, script: Script, asked: Reservation, own: list[Argument], *more: str) -> Run:
        budgets = asked.budgets
        common: list[Argument] = [
            asked.operation,
            self._now(),
            len(asked.limits),
            len(budgets),
            asked.estimate_nano,
            OPERATION_KEPT_MS,
            *(windows(budgets, asked.at_ms // 60_000) if budgets else ()),
            *own,
        ]
        return script, keys.all_of(asked, *more), common


def _heard(asked: Reservation, answer: list[Any]) -> list[Any]:
    """Take an answer that is no failure.

    Raises:
        StoreReset: the store has no books of the tenant.
        InternalError: the operation was admitted otherwise.
    """
    if answer[0] == b"RESET":
        raise reset_of(asked.tenant)
    if answer[0] == b"MISMATCH":
        raise InternalError(f"the operation {asked.operation} was admitted with another estimate or budgets")
    return answer


def _settled(asked: Reservation, answer: list[Any]) -> Settled:
    """Read what settling did.

    Raises:
        TooLate: nobody knows whether it had been charged.
        InternalError: it was admitted otherwise.
        StoreUnavailable: what the store has of it is damaged.
    """
    outcome = _POSTED.get(answer[0])
    if outcome is None:
        _heard(asked, answer)
        if answer[0] == b"FAILED":
            raise damaged()
        if answer[0] == b"TOO_LATE":
            raise TooLate(
                f"the operation {asked.operation} began too long ago to tell whether it was charged"
            )
        return Settled("duplicate", 0)
    posted, budgets = int(answer[1]), asked.budgets
    if not budgets:
        return Settled(outcome, posted)
    spents = [
        Spent(budget, int(after), posted) for budget, after in zip(budgets, answer[2], strict=True) if after
    ]
    return Settled(outcome, posted, tuple(spents))


def _came_of(
    asked: Reservation, answer: list[Any] | StoreUnavailable, number: int
) -> Settled | Unavailable | InternalError:
    """What came of one operation of a step."""
    if isinstance(answer, StoreUnavailable):
        return answer
    try:
        return _settled(asked, _heard(asked, answer)[number])
    except (Unavailable, InternalError) as error:
        return error


def _rooms(asked: Reservation, answer: list[bytes]) -> tuple[Room, ...]:
    counts = iter([int(each) if each else None for each in answer])
    # Three of each limit: requests, tokens, calls under way.
    return tuple(map(Room, asked.limits, counts, counts, counts))


def _lefts(asked: Reservation, answer: list[bytes]) -> tuple[Left, ...]:
    return tuple([Left(budget, int(nano)) for budget, nano in zip(asked.budgets, answer, strict=True)])
