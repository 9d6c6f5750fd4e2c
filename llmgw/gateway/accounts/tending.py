"""What running calls took, kept for as long as they run; what dead ones took, given back in the end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from llmgw.gateway.accounts.claim import Held
from llmgw.policy.spending.spending import LEASE_MS, Spending
from llmgw.types.errors import GatewayError, InternalError, Unavailable
from llmgw.types.limit_errors import StoreReset

_log = logging.getLogger(__name__)

RENEW_S: Final = LEASE_MS / 3000
"""Seconds after which the leases and the hold of a call that is still running are renewed."""
SWEPT: Final = 200
"""Tenants, drawn anew each time, for whom a worker looks although none of their calls came to it."""
SWEEP_S: Final = 60.0
"""Seconds between two looks for holds whose time is over."""


class Tending:
    """Renews what this worker's calls hold, and ends the holds of calls that died; two tasks.

    `known` are the tenants whose calls came to this worker.
    """

    def __init__(self, spending: Spending, known: Callable[[], frozenset[str]]) -> None:
        self._spending = spending
        self._known = known
        self._running: dict[str, tuple[float, Held]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._renew()), loop.create_task(self._sweep())]

    async def aclose(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, held: Held) -> None:
        """Renew what a call holds, from now on."""
        self._running[held.reservation.operation] = (asyncio.get_running_loop().time(), held)

    def end(self, held: Held) -> None:
        """Do so no more."""
        self._running.pop(held.reservation.operation, None)

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RENEW_S)
            due = [held for began, held in list(self._running.values()) if loop.time() - began >= RENEW_S]
            for held in due:
                if held.reservation.operation in self._running:
                    with contextlib.suppress(GatewayError):
                        await self._spending.extend(held.reservation)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            with contextlib.suppress(Unavailable):
                # Who called last before all workers died may never call again.
                for tenant in self._known() | await self._spending.some_tenants(SWEPT):
                    await self._end_due(tenant)

    async def _end_due(self, tenant: str) -> None:
        try:
            await self._spending.lapse_due(tenant)
        except StoreReset:
            return
        except InternalError as error:
            _log.error("holds of tenant %s: %s", tenant, error.message)
