"""Work that nobody waits for any more is stopped: for routes that ask models, outside the data plane."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from llmgw.http.asked import HttpRequest
from llmgw.types.errors import ClientGone

T = TypeVar("T")


async def while_there(request: HttpRequest, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a caller whose body was read, and stop when it closes its connection.

    Raises:
        ClientGone: it did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone("the client closed its connection")
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
