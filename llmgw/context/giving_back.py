"""A context's lease, given back when what was to be done under it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llmgw.context.contexts import Contexts
from llmgw.context.opened import Opened
from llmgw.types.errors import GatewayError


@asynccontextmanager
async def given_back(contexts: Contexts, opened: Opened) -> AsyncIterator[None]:
    """Give a lease back when the block fails.

    A refusal is told once that is done: who asks again at once, of whichever worker, finds the context free.
    Whoever was cancelled does not wait.
    """
    try:
        yield
    except BaseException as error:
        giving = contexts.release_later(opened, "refused")
        if isinstance(error, GatewayError):
            await asyncio.shield(giving)
        raise
