"""Work on files beside the loop, that is never left in the middle."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a thread; who is cancelled meanwhile still waits for its end, as no thread can be stopped."""
    doing = asyncio.ensure_future(asyncio.to_thread(act, *args, **kwargs))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await doing
        raise
