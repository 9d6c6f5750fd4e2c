"""Keeps the books of all tenants in order: proves them from time to time, and moves old rows that are proved.

Rows go to the archive first, if there is one, and leave the store only when they are on the disk.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.archive.draft import ArchiveBusy, ArchiveError
from llmgw.policy.spending.books import Cut, Reconciled, base_of, move, reconcile, sweep
from llmgw.policy.spending.ledger import order_of
from llmgw.policy.spending.usage import tenants
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError

FILE_ROWS: Final = 20_000
"""Rows that go at once, into one file."""
FILES: Final = 20
"""Files that one look makes for a tenant."""
LEASE_MS: Final = 120_000
"""How long one worker may be at a tenant's books without a sign."""
_FRESH_ROUNDS: Final = 3
"""After so many rounds another worker has looked, if this one has not."""
_EVER_MS: Final = 2**52
_SHOWN: Final = 5
"""Windows that one line of the log names."""

_log = logging.getLogger(__name__)


class Keep(NamedTuple):
    """What stays in the store: rows as old as `ms`, and `slack_ms` more, so that they go a day at a time, say.

    Beyond `rows`, the oldest go to nine tenths of it, however young they are. `archive` is where they go. For
    `rest_ms` after a look, no worker looks again.
    """

    ms: int
    slack_ms: int = 0
    rows: int | None = None
    archive: Path | None = None
    rest_ms: int = 0


class _Found(NamedTuple):
    """Windows of a tenant's books that do not agree, and when that was found, by the monotonic clock."""

    spent: int
    held: int
    at_ns: int


class Upkeep:
    """One task; `jitter` draws from 0 to 1, so that workers do not all come at once.

    One at a time is at a tenant's books, by a lease; several do no harm, as each step is checked against what it
    was made of.
    """

    def __init__(
        self, state: State, clock: Clock, keep: Keep, *, every_s: float, jitter: Callable[[], float]
    ) -> None:
        self._state = state
        self._clock = clock
        self._keep = keep
        self._every_s = every_s
        self._jitter = jitter
        self._holder = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._found: dict[str, _Found] = {}

    @property
    def violations(self) -> dict[str, int]:
        """Windows in which what is `spent`, or `held`, is not what it adds up to, as far as this worker found it.

        What others may have found to be so or otherwise since then is forgotten. May be asked from another thread.
        """
        fresh = self._clock.monotonic_ns() - int(_FRESH_ROUNDS * self._every_s * 1e9)
        found = [each for each in self._found.copy().values() if each.at_ns >= fresh]
        return {"spent": sum(each.spent for each in found), "held": sum(each.held for each in found)}

    def start(self) -> None:
        """Begin, after a while."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def round(self) -> int:
        """Look after every tenant's books once, but for those that another worker is at.

        Says how many do not agree, or could not be asked.

        Raises:
            StoreUnavailable: it is not known which tenants there are.
        """
        bad = 0
        for tenant in await tenants(self._state):
            try:
                bad += not await self._look_alone(tenant)
            except GatewayError as error:
                # One tenant's must not keep the others' from being looked after.
                bad += 1
                _log.warning("the books of %s could not be proved: %s", tenant, error)
        return bad

    async def _look_alone(self, tenant: str) -> bool:
        if not await self._lease(tenant):
            return True
        try:
            return await self._look_after(tenant)
        finally:
            # Nobody has it then: the books have been looked at, by whomever.
            with contextlib.suppress(GatewayError):
                await self._lease(tenant, "nobody", self._keep.rest_ms)

    async def _look_after(self, tenant: str) -> bool:
        found = await reconcile(self._state, tenant, clock=self._clock)
        self._note(tenant, found)
        if found.drifting:
            names = ", ".join(each.name for each in found.drifting[:_SHOWN])
            _log.error(
                "the books of %s do not agree in %d windows (%s): llmgw reconcile --tenant %s",
                tenant,
                len(found.drifting),
                names,
                tenant,
            )
            return False
        try:
            await self._make_room(tenant)
        except ArchiveBusy:
            pass  # another process of this machine does it
        except (OSError, ArchiveError) as error:
            _log.warning("the rows of %s stay in the store, as they cannot be archived: %s", tenant, error)
        return True

    def _note(self, tenant: str, found: Reconciled) -> None:
        drifts = [each.drift for each in found.drifting]
        if drifts:
            spent, held = (sum(map(bool, each)) for each in zip(*drifts, strict=True))
            self._found[tenant] = _Found(spent, held, self._clock.monotonic_ns())
        else:
            self._found.pop(tenant, None)

    async def _make_room(self, tenant: str) -> None:
        # A writer that died may have left rows that a sum already stands for.
        await sweep(self._state, tenant, (await base_of(self._state, tenant)).row)
        for _ in range(FILES):
            cut = await self._due(tenant)
            if cut is None or not await self._lease(tenant):
                return
            if not await move(self._state, tenant, cut, clock=self._clock, archive=self._keep.archive):
                return

    async def _due(self, tenant: str) -> Cut | None:
        """What has to go, for there is too much of it, or it is too old."""
        ledger = keys.of(tenant, "ledger")
        length = int(await self._state.command("XLEN", ledger))
        if self._keep.rows is not None and length > self._keep.rows:
            return Cut(_EVER_MS, min(length - self._keep.rows * 9 // 10, FILE_ROWS))
        first = await self._state.command("XRANGE", ledger, "-", "+", "COUNT", 1)
        before_ms = self._clock.unix_ns() // 1_000_000 - self._keep.ms
        if not first or order_of(first[0][0].decode())[0] >= before_ms - self._keep.slack_ms:
            return None
        return Cut(before_ms, FILE_ROWS)

    async def _lease(self, tenant: str, holder: str | None = None, ms: int = LEASE_MS) -> bool:
        lease = keys.of(tenant, "upkeep")
        return bool(
            await self._state.script(scripts.LEASE, [lease], [self._holder, holder or self._holder, ms])
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * (0.5 + self._jitter()))
            try:
                await self.round()
            except GatewayError as error:
                _log.warning("the books could not be proved: %s", error)
            except Exception:  # noqa: BLE001 - one bad round must not be the last one
                _log.exception("looking after the books failed")
