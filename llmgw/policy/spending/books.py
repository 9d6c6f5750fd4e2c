"""Proof that the books agree: what each budget says against the ledger's rows and the open holds.

What was proved once is noted as a checkpoint: what the rows up to one add up to, by window. The next proof reads
the rows after it alone. Rows that are older than they are kept make room for such a sum, the base, from which a
whole proof begins.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.archive.draft import Draft
from llmgw.policy.spending.archive.threads import in_thread
from llmgw.policy.spending.ledger import FIRST, Row, id_before, order_of, pages, rows
from llmgw.policy.spending.refusals import reset_of
from llmgw.state.connection import State
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import InternalError, StoreUnavailable
from llmgw.types.json import encode

_TRIES: Final = 10
_SWEPT: Final = 1000
"""Rows that the store lets go in one step, whose time all other callers wait for."""


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
    """A tenant's books at one instant; they agree when no account drifts.

    `rows` are all that were ever posted, of which `read` were read for this proof, and `trimmed` are no more.
    """

    accounts: tuple[Account, ...]
    rows: int
    total_nano: int
    """The sum of all rows, with those that no budget was charged for."""
    read: int = 0
    trimmed: int = 0

    @property
    def drifting(self) -> tuple[Account, ...]:
        """The accounts that are not what rows and holds add up to."""
        return tuple(each for each in self.accounts if each.drift != (0, 0))


class Sums(Struct, frozen=True, kw_only=True):
    """What rows from the first add up to; amounts are text, as JSON's numbers end before they do."""

    rows: int = 0
    total: str = "0"
    posted: dict[str, str] = {}


class Adding:
    """Sums that rows are added to, one after another."""

    def __init__(self, begun: Sums) -> None:
        self.rows = begun.rows
        self.total = int(begun.total)
        self.posted = {name: int(amount) for name, amount in begun.posted.items()}

    def add(self, row: Row) -> None:
        """Add one."""
        self.rows += 1
        self.total += row.cost
        for name in row.budgets:
            self.posted[name] = self.posted.get(name, 0) + row.cost

    def noted(self, windows: Iterable[str]) -> bytes:
        """The sums as they are stored, of these windows alone: of others nothing is asked any more."""
        posted = {name: str(self.posted[name]) for name in windows if name in self.posted}
        return encode(Sums(rows=self.rows, total=str(self.total), posted=posted))


_read_sums: Final = msgspec.json.Decoder(Sums).decode


class Noted(NamedTuple):
    """Sums up to a row, which is `0-0` before the first one."""

    row: str
    sums: Sums


class _Snapshot(NamedTuple):
    names: list[str]
    last: str
    holds: list[bytes]
    said: list[Any]
    epoch: str
    base: Noted
    proved: Noted


async def reconcile(
    state: State, tenant: str, *, clock: Clock | None = None, whole: bool = False
) -> Reconciled:
    """Prove that spent = sum(ledger) and held = sum(open holds), for one instant, while calls go on.

    Budgets and holds are read in one step that also says which row is the last by then; rows never change, so they
    are read afterwards, page by page: those after the last checkpoint, or all that are kept for a `whole` proof.
    Where all agrees, that is noted as the next checkpoint.

    Raises:
        StoreReset: the store has no books of the tenant.
        StoreUnavailable: the store cannot be asked, or new budgets came up each time it was.
        InternalError: what is stored of earlier proofs is damaged.
    """
    now = (clock or SystemClock()).unix_ns() // 1_000_000
    for _ in range(_TRIES):
        seen = await _snapshot(state, tenant, now)
        begun = seen.base if whole else max(seen.base, seen.proved, key=lambda each: order_of(each.row))
        sums = Adding(begun.sums)
        if seen.last:
            async for row in rows(state, tenant, begun.row, seen.last):
                sums.add(row)
        # Rows that were trimmed while they were read are missing: read again what there is.
        if order_of((await base_of(state, tenant)).row) <= order_of(begun.row):
            break
    else:
        raise StoreUnavailable("rows were trimmed each time the books were read", retry_after_s=1.0)
    accounts = tuple(_accounts(seen, sums))
    found = Reconciled(accounts, sums.rows, int(sums.total), sums.rows - begun.sums.rows, seen.base.sums.rows)
    if not found.drifting and order_of(seen.last or FIRST) > order_of(seen.proved.row):
        note = sums.noted(await _all_windows(state, tenant))
        await state.script(
            scripts.PROVE,
            [keys.of(tenant, "epoch"), keys.of(tenant, "proved")],
            [seen.epoch, "" if seen.proved.row == FIRST else seen.proved.row, seen.last, note],
        )
    return found


class Cut(NamedTuple):
    """Which proved rows go: those posted before a moment, and of them so many of the oldest."""

    before_ms: int
    most: int | None = None


async def base_of(state: State, tenant: str) -> Noted:
    """Read what a tenant's trimmed rows add up to.

    Raises:
        StoreUnavailable: the store cannot be asked.
        InternalError: it cannot be read.
    """
    return _noted(*await state.hash_fields(keys.of(tenant, "base"), "row", "sums"))


async def trim(state: State, tenant: str, before_ms: int, *, clock: Clock | None = None) -> int:
    """Put their sum in the place of rows that were posted before a moment and are proved; says how many went.

    Raises:
        GatewayError: as `move` lists.
    """
    return await move(state, tenant, Cut(before_ms), clock=clock)


async def move(
    state: State, tenant: str, cut: Cut, *, clock: Clock | None = None, archive: Path | None = None
) -> int:
    """Put proved rows into a file of an archive, if there is one, and then their sum in their place.

    Says how many went. Without an archive they are no more.

    Raises:
        StoreReset: the store has no books of the tenant.
        StoreUnavailable: it is not known whether they went; the same again is safe.
        InternalError: what is stored of earlier proofs is damaged.
        ArchiveError: the archive cannot be used, or another process is at it; nothing went.
        OSError: the file cannot be written; nothing went.
    """
    now = (clock or SystemClock()).unix_ns() // 1_000_000
    seen = await _snapshot(state, tenant, now)
    if archive is None:
        return await _move(state, tenant, seen, cut, None)
    draft = Draft(archive / tenant, seen.base.row)
    try:
        await in_thread(draft.open)
        return await _move(state, tenant, seen, cut, draft)
    finally:
        await in_thread(draft.close)


async def _move(state: State, tenant: str, seen: _Snapshot, cut: Cut, draft: Draft | None) -> int:
    begun, most = seen.base.row, cut.most
    last = min(seen.proved.row, id_before(cut.before_ms), key=order_of)
    if draft is not None and (first := await _first(state, tenant, begun, last)) is not None:
        end = await in_thread(draft.begun, first)
        if end is not None:
            last, most = min(seen.proved.row, end, key=order_of), None
    sums, row = Adding(seen.base.sums), begun
    async for page in pages(state, tenant, begun, last):
        taken = page if most is None else page[: most - (sums.rows - seen.base.sums.rows)]
        for each in taken:
            sums.add(each)
            row = each.id
        if draft is not None:
            await in_thread(draft.take, taken)
        if len(taken) < len(page):
            break
    if row == begun:
        return 0
    note = sums.noted(await _all_windows(state, tenant))
    if draft is not None:
        # Rows that went while they were read are missing in the draft, which is then none.
        if (await base_of(state, tenant)).row != begun:
            return 0
        await in_thread(draft.keep)
    put = await state.script(
        scripts.TRIM, [keys.of(tenant, "base")], ["" if begun == FIRST else begun, row, note]
    )
    return await sweep(state, tenant, row) if int(put) > 0 else 0


async def sweep(state: State, tenant: str, last: str) -> int:
    """Let rows up to one go that a sum stands for, some at a time, as the store does nothing else meanwhile.

    Says how many went.

    Raises:
        StoreUnavailable: some may be left; no proof counts them.
    """
    milliseconds, number = order_of(last)
    ledger, kept = keys.of(tenant, "ledger"), f"{milliseconds}-{number + 1}"
    gone = 0
    while some := int(await state.command("XTRIM", ledger, "MINID", "~", kept, "LIMIT", _SWEPT)):
        gone += some
    return gone + int(await state.command("XTRIM", ledger, "MINID", "=", kept))


async def _first(state: State, tenant: str, after: str, last: str) -> str | None:
    if order_of(last) <= order_of(after):
        return None
    found = await state.command("XRANGE", keys.of(tenant, "ledger"), f"({after}", last, "COUNT", 1)
    return found[0][0].decode() if found else None


def _accounts(seen: _Snapshot, sums: Adding) -> Iterable[Account]:
    on_hold = dict.fromkeys(seen.names, 0)
    for hold in seen.holds:
        estimate, *budgets = hold.decode().split(" ")
        for name in budgets:
            on_hold[name] = on_hold.get(name, 0) + int(estimate)
    for name, (spent, held) in zip(seen.names, seen.said, strict=True):
        yield Account(name, int(spent or 0), int(held or 0), sums.posted.get(name, 0), on_hold[name])


async def _all_windows(state: State, tenant: str) -> list[str]:
    return [each.decode() for each in await state.command("ZRANGE", keys.of(tenant, "index"), 0, -1)]


async def _snapshot(state: State, tenant: str, now: int) -> _Snapshot:
    index = keys.of(tenant, "index")
    fixed = [keys.of(tenant, part) for part in ("epoch", "open", "index", "ledger", "base", "proved")]
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
            _, last, _, holds, said, epoch, base, (row, sums, proved_in) = answer
            # Books that were begun anew are proved anew.
            proved = _noted(row, sums) if proved_in == epoch else _noted(None, None)
            return _Snapshot(
                names, last.decode(), list(holds[1::2]), list(said), epoch.decode(), _noted(*base), proved
            )
    raise StoreUnavailable("new budgets came up each time the books were read", retry_after_s=1.0)


def _noted(row: bytes | None, sums: bytes | None) -> Noted:
    if row is None:
        return Noted(FIRST, Sums())
    try:
        return Noted(row.decode(), _read_sums(sums or b""))
    except (msgspec.DecodeError, ValueError):
        raise InternalError("what is stored of earlier proofs of the books cannot be read") from None
