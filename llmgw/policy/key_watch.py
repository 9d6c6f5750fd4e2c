"""Keeps a worker's key ring in step with the store: told of changes at once, and looking for them besides.

A change is heard of over one channel; a notice that was lost shows in the count of changes, which is asked for
every `POLL_S` seconds. What a store that is away would say is not guessed: nothing changes until it is back.
"""

import asyncio
import contextlib
import logging
from typing import Final

from llmgw.policy.key_store import CHANNEL
from llmgw.policy.keyring import Keyring
from llmgw.state.connection import State
from llmgw.types.errors import StoreUnavailable

POLL_S: Final = 0.5
"""Seconds between two looks at the count of changes."""

_log = logging.getLogger(__name__)


class KeyWatch:
    """One task and one connection."""

    def __init__(self, state: State, keyring: Keyring) -> None:
        self._state = state
        self._keyring = keyring
        self._generation: int | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen and to look."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Ask for the count of changes; where it is not as known, ask about every key again."""
        try:
            generation = await self._keyring.store.generation()
        except StoreUnavailable:
            # What answers next may be another server, with the same count of other changes.
            self._generation = None
            return
        if generation != self._generation:
            self._keyring.doubt()
            self._generation = generation

    def hear(self, notice: bytes) -> None:
        """Take in a notice; an empty one says that some may have been missed."""
        count, _, key_id = notice.decode("ascii", "replace").partition(" ")
        if not key_id:
            self._keyring.doubt()
            return
        self._keyring.forget(key_id)
        if self._generation is not None and count == str(self._generation + 1):
            self._generation += 1

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._state.listen(CHANNEL)) as listener:
            poll = loop.time()
            while True:
                notice = await listener.wait(max(0.01, poll - loop.time()))
                try:
                    if notice is not None:
                        self.hear(notice)
                    if loop.time() >= poll:
                        await self.look()
                        poll = loop.time() + POLL_S
                except Exception:  # noqa: BLE001 - one bad look must not be the last one
                    _log.exception("following changes of keys failed")
                    self._keyring.doubt()
