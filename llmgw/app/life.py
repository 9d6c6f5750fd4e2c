"""What goes on in a worker as long as it lives, and what ends it."""

import asyncio
import multiprocessing
import os
import signal

from llmgw.app.shared import give_back
from llmgw.context.contexts import Contexts
from llmgw.gateway.preamble import forget_preambles
from llmgw.prompts.rendering.compiled import forget_renderings
from llmgw.providers.openai.places import forget_places
from llmgw.upstream.request import forget_heads


async def sweep(contexts: Contexts) -> None:
    """Have what nobody asks for forgotten, and its memory given back, as long as the worker lives."""
    while True:
        await asyncio.sleep(60)
        contexts.histories.sweep()
        forget_lately()
        await asyncio.to_thread(give_back)


def forget_lately() -> None:
    """Forget what calls said lately, and how targets are asked: words of callers, and keys that may be old by now.

    Used or not, as all of it is made again in microseconds.
    """
    forget_renderings()
    forget_preambles()
    forget_places()
    forget_heads()


def supervisor() -> int:
    """The process that started this one, dead or alive: whoever has only now become its parent is another."""
    starter = multiprocessing.parent_process()
    started_by = starter.pid if starter is not None else None
    return os.getppid() if started_by is None else started_by


async def stop_when_orphaned(started_by: int) -> None:
    """End a worker whose supervisor was killed: nobody would restart its store or pass on a signal."""
    while os.getppid() == started_by:  # noqa: ASYNC110  # a parent's end raises no event
        await asyncio.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
