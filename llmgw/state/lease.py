"""Work that one worker of all gateways does at a time."""

import secrets
from importlib.resources import files
from typing import Final

from llmgw.state.connection import State
from llmgw.state.scripts import Script

LEASE_MS: Final = 30_000
"""How long the others wait for a worker that died; longer than any one step under the lease."""

_FOLDER: Final = files("llmgw.state") / "lua"
_HOLD: Final = Script.read(_FOLDER, "lease", "hold")
_LET_GO: Final = Script.read(_FOLDER, "lease", "let_go", flags="allow-oom")


class Lease:
    """One worker's claim to a piece of work, for `kept_ms` from each `hold` on; `key` is the store's.

    It keeps work from being done twice, as a rule: a worker that stands still longer than its lease goes on beside
    the next one. What must not happen twice is kept from it by other means.
    """

    def __init__(self, state: State, key: str, kept_ms: int = LEASE_MS) -> None:
        self.key = key
        self.token = secrets.token_hex(8)
        self._state = state
        self._kept_ms = kept_ms

    async def hold(self) -> bool:
        """Take the lease or lengthen it; False where another worker has it.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return bool(await self._state.script(_HOLD, [self.key], [self.token, self._kept_ms]))

    async def let_go(self) -> None:
        """Give it back, for the next one not to wait.

        Raises:
            StoreUnavailable: the store cannot be asked; the lease then ends by itself.
        """
        await self._state.script(_LET_GO, [self.key], [self.token])
