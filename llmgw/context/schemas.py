"""Stub."""

from typing import Any


class Schemas:
    """Stub."""

    def __init__(self, state: Any) -> None:
        self._state = state

    async def compiled(self, tenant: str, reference: str) -> Any:
        """Stub."""
        raise NotImplementedError

    async def document(self, tenant: str, reference: str) -> bytes:
        """Stub."""
        raise NotImplementedError

    async def take_over(self, tenant: str, name: str, version: int, document: bytes) -> None:
        """Stub."""
        raise NotImplementedError
