"""Work that one worker of all gateways does at a time."""

import secrets
from typing import Final

from llmgw.policy.signals import scripts
from llmgw.state.connection import State

LEASE_MS: Final = 30_000
"""How long the others wait for a worker that died; longer than any one step under the lease."""


def lease_key(name: str) -> str:
    """The key of a lease; all of them, and what is written under them, share one slot."""
    return f"llmgw:{{signals}}:lease:{name}"


class Lease:
    """One worker's claim to a piece of work, for `kept_ms` from each `hold` on.

    It keeps work from being done twice, as a rule: a worker that stands still longer than its lease goes on beside
    the next one. What must not happen twice is kept from it by other means.
    """

    def __init__(self, state: State, name: str, kept_ms: int = LEASE_MS) -> None:
        self.key = lease_key(name)
        self.token = secrets.token_hex(8)
        self._state = state
        self._kept_ms = kept_ms

    async def hold(self) -> bool:
        """Take the lease or lengthen it; False where another worker has it.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return bool(await self._state.script(scripts.HOLD, [self.key], [self.token, self._kept_ms]))

    async def let_go(self) -> None:
        """Give it back, for the next one not to wait.

        Raises:
            StoreUnavailable: the store cannot be asked; the lease then ends by itself.
        """
        await self._state.script(scripts.LET_GO, [self.key], [self.token])
