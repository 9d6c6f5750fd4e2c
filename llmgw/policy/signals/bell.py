"""Waiting for what may come from any worker: quick where the store's notices arrive, by looking else."""

import asyncio
import contextlib
from typing import Final

from llmgw.policy.signals.events import CHANNEL, FINAL_MS
from llmgw.state.connection import State

LISTEN_S: Final = 15.0


class Ring:
    """The next ring of a bell, from when it was asked for."""

    def __init__(self, told: asyncio.Event) -> None:
        self._told = told

    async def within(self, seconds: float) -> bool:
        """Wait for it, at most for so long; whether it rang."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._told.wait()
        except TimeoutError:
            return False
        return True


class Bell:
    """Rings when an event was told, in this worker or another; rings are lost while the store is away."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def aclose(self) -> None:
        """Stop listening; who waits goes on waiting for its time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def rung(self) -> Ring:
        """The next ring from now on."""
        return Ring(self._told)

    def ring(self) -> None:
        """Wake all who wait in this worker."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._state.listen(CHANNEL)) as listener:
            while True:
                if await listener.wait(LISTEN_S) is not None:
                    # What was told just now can be read once nothing can come before it: who looked meanwhile,
                    # and did not see it, is to wake up.
                    loop.call_later(FINAL_MS / 1000, self.ring)
