"""Waiting for facts: look, let a moment pass, look again, and fail at the deadline by saying what never came."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

TICK_S = 0.01
WITHIN_S = 20.0
ROOMY_S = 5.0
"""What a store may take where its slowness is not the point: a busy machine stands still for a second at times."""


def until(look: Callable[[], T], what: str, within_s: float = WITHIN_S) -> T:
    """Return the first true thing `look` returns; an OSError or RuntimeError counts as not yet."""
    end = time.monotonic() + within_s
    tick = Event()
    while True:
        seen = _attempt(look)
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s, and still not: {what}")
        tick.wait(TICK_S)


async def until_async(
    look: Callable[[], Awaitable[T]], what: str, *, unless: type[Exception], within_s: float = WITHIN_S
) -> T:
    """Return the first true thing `look` returns; an `unless` error counts as not yet."""
    end = time.monotonic() + within_s
    while True:
        try:
            seen = await look()
        except unless:
            pass
        else:
            if seen:
                return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s, and still not: {what}")
        await asyncio.to_thread(Event().wait, TICK_S)


def _attempt(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except (OSError, RuntimeError):
        return None
