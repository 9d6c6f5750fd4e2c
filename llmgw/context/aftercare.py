"""What goes on after whoever began it has stopped waiting: leases given back, turns stored, samples read."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Aftercare:
    """Keeps hold of tasks until they have ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()

    def begin(self, work: Awaitable[T]) -> "asyncio.Future[T]":
        """Have something done, whether or not anybody waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Wait for all that is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Read here, because whoever waited may be gone.
            task.exception()
