"""Which contexts a tenant has, and whom they are about.

An entry is written before its context is made, never after: so the index may name one that is not there, which is
taken out when it is seen, and never lacks one that is.
"""

import hashlib

from llmgw.context.storage.names import Keys
from llmgw.state.connection import State


class Index:
    """Finds contexts by tenant and subject."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, keys: Keys, subject: str | None, unix_ms: int) -> None:
        """Name a context that is about to be made.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        await self._state.command("ZADD", _key(keys.tenant, None), unix_ms, keys.context)
        if subject is not None:
            await self._state.command("ZADD", _key(keys.tenant, subject), unix_ms, keys.context)

    async def remove(self, keys: Keys, subject: str | None) -> None:
        """Take out a context that is not there any more."""
        await self._state.command("ZREM", _key(keys.tenant, None), keys.context)
        if subject is not None:
            await self._state.command("ZREM", _key(keys.tenant, subject), keys.context)

    async def find(self, tenant: str, subject: str | None, *, after: str | None, limit: int) -> list[str]:
        """List ids, the newest first; `after` is the last one of the page before.

        Raises:
            LookupError: there is no entry `after`.
        """
        key = _key(tenant, subject)
        first = 0
        if after is not None:
            rank = await self._state.command("ZREVRANK", key, after)
            if rank is None:
                raise LookupError(after)
            first = rank + 1
        found = await self._state.command("ZREVRANGE", key, first, first + limit - 1)
        return [name.decode() for name in found]


def _key(tenant: str, subject: str | None) -> str:
    # A subject is somebody's name or address: it does not show in the names of keys.
    about = "" if subject is None else hashlib.sha256(f"{tenant}/{subject}".encode()).hexdigest()
    return f"llmgw:idx:{{{tenant}/{about}}}"
