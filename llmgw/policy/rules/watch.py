"""Keeps a worker's rules in step with the store: told of changes at once, and looking for them besides."""

import asyncio
import contextlib
import logging
from typing import Final

from llmgw.policy.rules.rule_store import CHANNEL
from llmgw.policy.rules.rules import Rules
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from llmgw.types.errors import GatewayError, Unavailable

POLL_S: Final = 0.5
"""Seconds between two looks at the end of the chain of changes."""

_log = logging.getLogger(__name__)


class RuleWatch:
    """One task and one connection. A store that lost its rules is not believed to have none."""

    def __init__(self, state: State, rules: Rules, identity: StoreIdentity) -> None:
        self._state = state
        self._identity = identity
        self._rules = rules
        self._task: asyncio.Task[None] | None = None
        self._troubled = False

    async def start(self) -> None:
        """Look once, so that the first call finds what is stored, and begin to listen; the store may be away."""
        await self.look()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Take over what has changed; a store that is away, or cannot be read, changes nothing. Never raises."""
        lost = self._rules.lost
        try:
            await self._identity.require()
            await self._rules.look()
        except Unavailable:
            return
        except GatewayError as error:
            if not self._troubled:
                _log.error("stored limits are not taken over, those known before stay: %s", error)
            self._troubled = True
        except Exception:  # noqa: BLE001 - one bad look must not be the last one
            _log.exception("following changes of limits failed")
        else:
            self._troubled = False
        if self._rules.lost and not lost:
            _log.error(
                "the store has lost all limits that were set there; those known stay until one is set again"
            )

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._state.listen(CHANNEL)) as listener:
            poll = loop.time() + POLL_S
            while True:
                notice = await listener.wait(max(0.01, poll - loop.time()))
                if notice is not None or loop.time() >= poll:
                    await self.look()
                    poll = loop.time() + POLL_S
