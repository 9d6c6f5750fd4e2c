"""Keeps the books of all tenants in order: proves them from time to time, and lets old rows go that are proved."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from llmgw.policy.spending.books import reconcile, trim
from llmgw.policy.spending.usage import tenants
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import GatewayError

_SHOWN: Final = 5
"""Windows that one line of the log names."""

_log = logging.getLogger(__name__)


class Upkeep:
    """One task; `jitter` draws from 0 to 1, so that workers do not all come at once.

    Several may run at the same time: each step is checked against what it was made of.
    """

    def __init__(
        self, state: State, clock: Clock, *, keep_ms: int, every_s: float, jitter: Callable[[], float]
    ) -> None:
        self._state = state
        self._clock = clock
        self._keep_ms = keep_ms
        self._every_s = every_s
        self._jitter = jitter
        self._task: asyncio.Task[None] | None = None

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
        """Look after every tenant's books once; says how many do not agree, or could not be asked.

        Raises:
            StoreUnavailable: it is not known which tenants there are.
        """
        bad = 0
        for tenant in await tenants(self._state):
            try:
                bad += not await self._look_after(tenant)
            except GatewayError as error:
                # One tenant's must not keep the others' from being looked after.
                bad += 1
                _log.warning("the books of %s could not be proved: %s", tenant, error)
        return bad

    async def _look_after(self, tenant: str) -> bool:
        found = await reconcile(self._state, tenant, clock=self._clock)
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
        before_ms = self._clock.unix_ns() // 1_000_000 - self._keep_ms
        await trim(self._state, tenant, before_ms, clock=self._clock)
        return True

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * (0.5 + self._jitter()))
            try:
                await self.round()
            except GatewayError as error:
                _log.warning("the books could not be proved: %s", error)
            except Exception:  # noqa: BLE001 - one bad round must not be the last one
                _log.exception("looking after the books failed")
