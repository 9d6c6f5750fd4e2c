"""The prompts of one worker: what it knows of them, and where they are changed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.rendering.compiled import CompiledPrompt, compile_prompt
from llmgw.prompts.serving import last_good
from llmgw.prompts.serving.follower import Follower, RegistryProblem
from llmgw.prompts.serving.snapshot import Resolved, Snapshot
from llmgw.prompts.serving.usage import Outcome, Usage
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.call import Caller
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.prompt import PromptFacts, content_bytes

COMPILED_MAX: Final = 1024
"""Compiled versions that are kept, at most."""
COMPILED_BYTES_MAX: Final = 32 * 1024 * 1024
"""Bytes of contents whose compiled versions are kept; what is compiled takes a few times as many."""


COMPILED_AT_ONCE: Final = 8 * 1024
"""Bytes of a content up to which it is compiled on the loop: a few milliseconds in which all calls wait."""

T = TypeVar("T")


class NotCompiled(Exception):
    """A version is too large to be compiled while all other calls wait."""

    def __init__(self, tenant: str, name: str, digest: str) -> None:
        super().__init__(f"{name} is not compiled yet")
        self.tenant = tenant
        self.name = name
        self.digest = digest


class Prompts:
    """One per worker. A call finds its version in `snapshot`, without asking the store."""

    def __init__(
        self, state: State, settings: PromptSettings | None = None, clock: Clock | None = None
    ) -> None:
        self.settings = settings or PromptSettings()
        clock = clock or SystemClock()
        self.snapshot = Snapshot(clock)
        self.registry = Registry(state, self.settings, clock)
        self._usage = Usage(clock)
        directory = self.settings.state_dir
        self._follower = Follower(
            state,
            self.snapshot,
            self._usage,
            clock,
            poll_s=self.settings.poll_s,
            file=directory / last_good.FILE if directory is not None else None,
        )
        self._compiled: OrderedDict[str, CompiledPrompt] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._size = 0
        self._compiling: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Read the registry once, and follow it from then on; a store that is away is no error."""
        await self._follower.start()

    async def aclose(self) -> None:
        """Stop following; what was counted is brought to the store."""
        await self._follower.aclose()

    def problems(self) -> list[RegistryProblem]:
        """Why prompts may not be as they are in the registry; they are served all the same."""
        return self._follower.problems()

    def compiled(self, resolved: Resolved, tenant: str) -> CompiledPrompt:
        """The version ready to be rendered.

        Raises:
            PromptVersionNotFound: it went away since it was found.
            TemplateError, SchemaRejected: what is stored cannot be rendered.
            NotCompiled: it is large, and to be asked for within `when_ready`.
        """
        digest = resolved.info.hash
        known = self._compiled.get(digest)
        if known is None:
            if self.snapshot.size(tenant, resolved.name, digest) > COMPILED_AT_ONCE:
                raise NotCompiled(tenant, resolved.name, digest)
            known = compile_prompt(self.snapshot.content(tenant, resolved.name, digest))
            self._keep(digest, known)
        self._compiled.move_to_end(digest)
        return known

    async def when_ready(self, act: Callable[[], T]) -> T:
        """Do something that takes versions by `compiled`; those that are large are compiled off the loop before.

        Raises:
            PromptVersionNotFound, TemplateError, SchemaRejected: as `compiled` says, and what `act` raises.
        """
        while True:
            try:
                return act()
            except NotCompiled as missing:
                digest = missing.digest
                task = self._compiling.get(digest)
                if task is None:
                    task = self._compiling[digest] = asyncio.create_task(self._compile(missing))
                    task.add_done_callback(partial(self._compiled_now, digest))
                # All that wait for it share it, and none of them that leaves takes it away from the others.
                await asyncio.shield(task)

    async def _compile(self, missing: NotCompiled) -> None:
        content = self.snapshot.content(missing.tenant, missing.name, missing.digest)
        self._keep(missing.digest, await asyncio.to_thread(compile_prompt, content))

    def _compiled_now(self, digest: str, task: asyncio.Task[None]) -> None:
        del self._compiling[digest]
        if not task.cancelled():
            task.exception()  # told to those who wait, if there are any left

    def _keep(self, digest: str, compiled: CompiledPrompt) -> None:
        size = len(content_bytes(compiled.content))
        self._compiled[digest] = compiled
        self._sizes[digest] = size
        self._size += size
        while len(self._compiled) > 1 and (
            len(self._compiled) > COMPILED_MAX or self._size > COMPILED_BYTES_MAX
        ):
            oldest, _ = self._compiled.popitem(last=False)
            self._size -= self._sizes.pop(oldest)

    def count(self, facts: PromptFacts, caller: Caller, outcome: Outcome) -> None:
        """Count one call that was served by a prompt; the store hears of it within seconds."""
        self._usage.count(facts, caller, outcome, self._rollout(facts, caller.tenant))

    def _rollout(self, facts: PromptFacts, tenant: str) -> str | None:
        """The rollout that chose the arm of a call, unless it has ended since."""
        info = self.snapshot.prompts(tenant).get(facts.name)
        label = info.labels.get(facts.label) if info is not None else None
        if facts.arm is None or label is None or label.rollout is None:
            return None
        chosen = label.rollout.candidate if facts.arm == "candidate" else label.version
        return label.rollout.id if chosen == facts.version else None
