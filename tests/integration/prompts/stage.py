"""Prompts on a real Valkey, and short ways to push, publish and move something."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from llmgw.prompts.prompts import Prompts
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import LabelMove, Push
from llmgw.prompts.serving.snapshot import Units
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.errors import GatewayError
from llmgw.types.prompt import (
    GateSummary,
    PromptContent,
    PromptRef,
    TemplateMessage,
    VersionInfo,
)
from tests.waiting import ROOMY_S, until_async

TENANT = "default"
NAME = "support/triage"
ANNA = Author(TENANT, "key_anna", "call_1")
BERT = Author(TENANT, "key_bert", "call_2")
UNITS = Units("ctx_1", "user_1", TENANT, "call_1")
PASSED = GateSummary(verdict="pass", cases=20, passed=20, dataset="", at_ms=1)
FAILED = GateSummary(verdict="fail", cases=20, passed=3, dataset="", at_ms=1)
T = TypeVar("T")


def content(text: str, **more: Any) -> PromptContent:
    """A content of one message."""
    return PromptContent(messages=(TemplateMessage(role="system", text=text),), **more)


def partial(text: str) -> PromptContent:
    """A content for others to include."""
    return PromptContent(partial=text)


def served(prompts: Prompts, ref: PromptRef | None = None, tenant: str = TENANT) -> VersionInfo:
    """The version a call gets from what this worker knows."""
    return prompts.snapshot.resolve(tenant, ref or PromptRef(name=NAME), UNITS).info


def text_served(prompts: Prompts, ref: PromptRef | None = None) -> str:
    """What that version says."""
    info = served(prompts, ref)
    return prompts.snapshot.content(TENANT, (ref or PromptRef(name=NAME)).name, info.hash).messages[0].text


async def ready(registry: Registry, text: str, name: str = NAME, author: Author = ANNA) -> int:
    """Push a version, publish it, and note that its evaluation passed."""
    made = await registry.push(author, name, Push(content=content(text)))
    number = made.info.number
    await registry.publish(author, name, number)
    await registry.note_gate(author, name, number, PASSED, {"results": []})
    return number


async def lead(registry: Registry, number: int, label: str = "production", name: str = NAME) -> None:
    """Lead a label to a version."""
    await registry.move(ANNA, name, label, LabelMove(version=number))


def play(url: str, scene: Callable[[State], Awaitable[T]]) -> T:
    """Run a scene on a store."""

    async def run() -> T:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            return await scene(state)

    return asyncio.run(run())


@asynccontextmanager
async def worker(state: State, directory: Path | None = None, **settings: Any) -> AsyncIterator[Prompts]:
    """The prompts of one worker, followed for as long as the block takes; it polls rarely unless told otherwise."""
    prompts = Prompts(state, PromptSettings(state_dir=directory, **{"poll_s": 3600.0, **settings}))
    await prompts.start()
    try:
        yield prompts
    finally:
        await prompts.aclose()


async def comes(look: Callable[[], T], what: str, within_s: float = 20.0) -> T:
    """Wait until a worker knows something; errors of calls count as not yet."""

    async def looked() -> T:
        return look()

    return await until_async(looked, what, unless=GatewayError, within_s=within_s)


async def insist(work: Callable[[], Awaitable[T]]) -> T:
    """Do something that a store on its way back may still refuse."""

    async def once() -> tuple[T]:
        return (await work(),)

    return (await until_async(once, "the store to take it", unless=GatewayError))[0]
