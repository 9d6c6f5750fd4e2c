"""Issuers of all workers of a store: what an administrator has fetched in one is fetched in each."""

import asyncio
import contextlib
import secrets
from typing import Final

from llmgw.policy.issuers.issuers import Issuers, IssuerStatus
from llmgw.state.connection import State
from llmgw.types.errors import StoreUnavailable

CHANNEL: Final = "llmgw:issuers:refresh"
"""Where a refresh is told: which worker it was, a space and the issuer's name."""
_LOOK_S: Final = 5.0


class SharedIssuers:
    """One task and one connection; while the store is away, workers follow when their keys grow old."""

    def __init__(self, issuers: Issuers, state: State) -> None:
        self.issuers = issuers
        self._state = state
        self._me = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None

    @property
    def any(self) -> bool:
        """Whether there are issuers at all."""
        return bool(self.issuers.list())

    def start(self) -> None:
        """Begin to fetch keys, and to listen; without issuers there is nothing to do."""
        if not self.any:
            return
        self.issuers.start()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.issuers.aclose()

    async def refresh(self, name: str, tenant: str | None = None) -> IssuerStatus:
        """Fetch an issuer's keys now, here and, where the store can be asked, in all workers.

        Raises:
            NotFound: there is none by that name in reach.
            IssuerUnavailable: they cannot be had; those that were here stay.
        """
        status = await self.issuers.refresh(name, tenant)
        with contextlib.suppress(StoreUnavailable):
            await self._state.command("PUBLISH", CHANNEL, f"{self._me} {name}")
        return status

    async def _follow(self) -> None:
        async with contextlib.aclosing(self._state.listen(CHANNEL)) as listener:
            while True:
                notice = await listener.wait(_LOOK_S)
                who, _, name = (notice or b"").decode("ascii", "replace").partition(" ")
                if name and who != self._me:
                    self.issuers.hear(name)
