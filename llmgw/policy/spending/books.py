"""Proof that the books agree: what each budget says against the ledger's rows and the open holds."""

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.spending import reset_of
from llmgw.state.connection import State
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import StoreUnavailable

PAGE: Final = 1000
"""Ledger rows read at once."""
_TRIES: Final = 10


class Account(NamedTuple):
    """One window of one budget in nano-USD: what it says, and what the rows and the holds add up to."""

    name: str
    spent: int
    held: int
    posted: int
    on_hold: int

    @property
    def drift(self) -> tuple[int, int]:
        """What is said less what is proved: of spent, and of held."""
        return self.spent - self.posted, self.held - self.on_hold


class Reconciled(NamedTuple):
    """A tenant's books at one instant; they agree when no account drifts."""

    accounts: tuple[Account, ...]
    rows: int
    total_nano: int
    """The sum of all rows, with those that no budget was charged for."""

    @property
    def drifting(self) -> tuple[Account, ...]:
        """The accounts that are not what rows and holds add up to."""
        return tuple(each for each in self.accounts if each.drift != (0, 0))


async def reconcile(state: State, tenant: str, *, clock: Clock | None = None) -> Reconciled:
    """Prove that spent = sum(ledger) and held = sum(open holds), for one instant, while calls go on.

    Budgets and holds are read in one step that also says which row is the last by then; rows never change, so they
    are read afterwards, page by page.

    Raises:
        StoreReset: the store has no books of the tenant.
        StoreUnavailable: the store cannot be asked, or new budgets came up each time it was.
    """
    now = (clock or SystemClock()).unix_ns() // 1_000_000
    names, last, holds, said = await _snapshot(state, tenant, now)
    posted = dict.fromkeys(names, 0)
    rows = total = 0
    async for budgets, cost in _rows(state, tenant, last):
        rows += 1
        total += cost
        for name in budgets:
            if name in posted:
                posted[name] += cost
    on_hold = dict.fromkeys(names, 0)
    for hold in holds:
        estimate, *budgets = hold.decode().split(" ")
        for name in budgets:
            on_hold[name] = on_hold.get(name, 0) + int(estimate)
    accounts = [
        Account(name, int(spent or 0), int(held or 0), posted[name], on_hold[name])
        for name, (spent, held) in zip(names, said, strict=True)
    ]
    return Reconciled(tuple(accounts), rows, total)


async def _snapshot(state: State, tenant: str, now: int) -> tuple[list[str], bytes, list[bytes], list[Any]]:
    index = keys.of(tenant, "index")
    fixed = [keys.of(tenant, part) for part in ("epoch", "open", "index", "ledger")]
    for _ in range(_TRIES):
        found = await state.command("ZRANGEBYSCORE", index, f"({now}", "+inf")
        names = [each.decode() for each in found]
        answer = await state.script(
            scripts.SNAPSHOT, [*fixed, *(keys.budget(tenant, name) for name in names)], [now]
        )
        if answer[0] == b"RESET":
            raise reset_of(tenant)
        # A budget that came up in between would be missing: read again which there are.
        if int(answer[2]) == len(names):
            return names, answer[1], list(answer[3][1::2]), list(answer[4])
    raise StoreUnavailable("new budgets came up each time the books were read", retry_after_s=1.0)


async def _rows(state: State, tenant: str, last: bytes) -> AsyncIterator[tuple[list[str], int]]:
    start = "-"
    while last:
        page = await state.command("XRANGE", keys.of(tenant, "ledger"), start, last, "COUNT", PAGE)
        for row, fields in page:
            values = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
            yield values[b"budgets"].decode().split(), int(values[b"cost"])
            start = f"({row.decode()}"
        if len(page) < PAGE:
            return
