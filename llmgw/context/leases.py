"""Leases of contexts: taken, waited for, kept for as long as a call takes, given back."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from llmgw.context.opened import Opened
from llmgw.context.settings import ContextSettings
from llmgw.context.storage.answers import Begin, Lease, Replay
from llmgw.context.storage.names import Keys
from llmgw.context.storage.store import ContextStore
from llmgw.types.context import ContextOptions, Idempotency, Policy
from llmgw.types.context_errors import ContextLocked
from llmgw.types.errors import StoreUnavailable

_log = logging.getLogger(__name__)

_QUEUE_TICK_S: Final = 0.02
_LONGEST_TICK_S: Final = 0.5
_UNHEARD_S: Final = (0.0, 0.05, 0.25, 1.0, 3.0)
"""Pauses before a lease is looked for of which nobody heard."""

decode_policy: Final = msgspec.json.Decoder(Policy).decode
_OPEN: Final = b"{}"


def policy_over(written: bytes, base: Policy) -> Policy:
    """A context's policy as it is stored, with what it leaves open taken from `base`: all of it, most often."""
    return base if written == _OPEN else decode_policy(written).over(base)


class Leases:
    """Takes and gives back leases. `jitter` gives numbers in [0, 1) that spread those who wait."""

    def __init__(self, store: ContextStore, settings: ContextSettings, jitter: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._jitter = jitter

    async def take(self, keys: Keys, wish: Begin, options: ContextOptions, base: Policy) -> Lease | Replay:
        """Take a context's lease, waiting for it where its policy says so.

        Raises:
            ContextLocked: another call is under way; `forks` says whether this one shall go on in a fork.
            GatewayError: as `ContextStore.begin` lists.
        """
        deadline, tick = 0.0, _QUEUE_TICK_S
        while True:
            try:
                return await self._store.begin(keys, wish)
            except ContextLocked as locked:
                mode = options.on_conflict or await self._conflict_mode(keys, base)
                now = asyncio.get_running_loop().time()
                deadline = deadline or now + self._settings.queue_s
                if mode != "queue" or now >= deadline:
                    locked.forks = mode == "fork"
                    raise
                pause = min(tick, locked.retry_after_s or tick)
                await asyncio.sleep(pause * (0.5 + self._jitter()))
                tick = min(2 * tick, _LONGEST_TICK_S)

    def keep(self, opened: Opened) -> None:
        """Have the lease renewed for as long as the call is under way; most end before it is due."""
        loop = asyncio.get_running_loop()
        opened.due = loop.call_later(self._settings.lease_s / 3, self._begin_renewing, opened)

    @staticmethod
    def settle(opened: Opened) -> None:
        """Note that the call has ended, one way or the other."""
        opened.settled = True
        if opened.due is not None:
            # It would hold the conversation in memory for as long.
            opened.due.cancel()
        if opened.renewal is not None:
            opened.renewal.cancel()

    async def give_back(
        self, keys: Keys, lease: Lease, idempotency: Idempotency | None, outcome: str
    ) -> None:
        """Give a lease back and store nothing; never raises."""
        try:
            await self._store.release(keys, lease, idempotency.key if idempotency else "", outcome)
        except StoreUnavailable:
            _log.warning("the lease of context %s was not given back; it runs out by itself", keys.context)

    async def give_back_unheard(self, keys: Keys, wish: Begin) -> None:
        """Give back a lease that may have been taken, or may yet be, as its begin is on its way; never raises.

        Else it would keep others out of the context until it ran out.
        """
        for pause_s in _UNHEARD_S:
            await asyncio.sleep(pause_s)
            try:
                if await self._store.release_unheard(keys, wish):
                    return
            except StoreUnavailable:
                continue

    async def _conflict_mode(self, keys: Keys, base: Policy) -> str:
        stored = await self._store.read(keys, count=0)
        return policy_over(stored.facts.policy, base).on_conflict or "reject"

    def _begin_renewing(self, opened: Opened) -> None:
        if not opened.settled:
            opened.renewal = asyncio.get_running_loop().create_task(self._renew(opened))

    async def _renew(self, opened: Opened) -> None:
        lease_ms = round(self._settings.lease_s * 1000)
        while not opened.settled:
            try:
                if not await self._store.renew(opened.keys, opened.lease, lease_ms):
                    return  # another has it: the commit will be told so
            except StoreUnavailable:
                pass
            await asyncio.sleep(self._settings.lease_s / 3)
