"""Contexts on a real Valkey, and short ways to say and answer something in them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from llmgw.context.archive import Archive
from llmgw.context.contexts import Contexts
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.library import Actor
from llmgw.context.opened import Asker, Opened, Receipt
from llmgw.context.schemas import Schemas
from llmgw.context.settings import ContextSettings
from llmgw.context.storage.answers import Replay
from llmgw.state.connection import State
from llmgw.types.clock import SystemClock
from llmgw.types.context import ContextOptions, Idempotency, Policy
from llmgw.types.message import Message, TextPart
from llmgw.types.secret import Secret
from llmgw.types.turn import Turn
from tests.waiting import ROOMY_S

SECRET = Secret("a-chain-key-for-tests-only-0123456789")
PLACE = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
"""Where the spans of all calls stand."""
T = TypeVar("T")
_calls = itertools.count()


def user(text: str) -> Message:
    """What a user says."""
    return Message(role="user", parts=(TextPart(text=text),))


def assistant(text: str) -> Message:
    """What a model answers."""
    return Message(role="assistant", parts=(TextPart(text=text),), protocol="openai")


class Worker:
    """What one worker knows of contexts, for one tenant."""

    def __init__(
        self, state: State, tenant: str = "default", keys: ChainKeys | None = None, **settings: Any
    ) -> None:
        self.tenant = tenant
        self.state = state
        self.contexts = Contexts(
            state,
            keys or ChainKeys({"k1": SECRET}),
            ContextSettings(**settings),
            clock=SystemClock(),
            jitter=lambda: 0.5,
        )
        self.archive = Archive(self.contexts, Schemas(state))
        self.library = self.archive.library
        self.actor = Actor(tenant=tenant, who="tester")

    async def open(
        self,
        context: str | None,
        *messages: Message,
        create: bool = False,
        key: str | None = None,
        fingerprint: str = "f",
        op: str | None = None,
        **options: Any,
    ) -> Opened | Replay:
        """Take a context's lease, with the turns that are said drafted."""
        asker = Asker(tenant=self.tenant, who="tester", op=op or f"call_{next(_calls)}", trace=PLACE)
        opened = await self.contexts.open(
            asker,
            ContextOptions(id=context, create=create, **options),
            messages,
            self.contexts.settings.base(self.tenant),
            Idempotency(key=key, fingerprint=fingerprint) if key else None,
        )
        if isinstance(opened, Opened):
            for message in messages:
                opened.said.append(self.contexts.draft(opened, message))
        return opened

    async def lease(self, context: str, *messages: Message, **options: Any) -> Opened:
        """Take a lease that is to be had."""
        opened = await self.open(context, *messages, **options)
        assert isinstance(opened, Opened)
        return opened

    async def answer(self, opened: Opened, *messages: Message) -> Receipt:
        """Store what was said, and answers to it."""
        drafts = list(opened.said)
        for message in messages:
            draft = self.contexts.draft(opened, message, source="provider")
            opened.said.append(draft)
            drafts.append(draft)
        return await self.contexts.commit(opened, drafts)

    async def say(self, context: str, text: str, answer: str | None = None, **options: Any) -> Receipt:
        """One call: something is said and answered."""
        opened = await self.lease(context, user(text), create=True, **options)
        return await self.answer(opened, assistant(answer or f"answer to {text}"))

    async def turns(self, context: str) -> list[Turn]:
        """All turns, as they are read from outside."""
        turns, _ = await self.library.turns(self.actor, context, 0, 100_000)
        return turns

    async def texts(self, context: str) -> list[str]:
        """What is said in a context, turn by turn."""
        return [text_of(turn) for turn in await self.turns(context)]


def text_of(turn: Turn) -> str:
    """The text of a turn."""
    return "".join(part.text for part in turn.parts if isinstance(part, TextPart))


def policy(**members: Any) -> Policy:
    """A policy."""
    return Policy(**members)


def play(url: str, scene: Callable[[State], Awaitable[T]]) -> T:
    """Run a scene on a store."""

    async def stage() -> T:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            return await scene(state)

    return asyncio.run(stage())


async def all_of(*work: Awaitable[Any]) -> Sequence[Any]:
    """What each comes to, errors included."""
    return await asyncio.gather(*work, return_exceptions=True)
