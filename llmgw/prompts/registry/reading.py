"""The registry as it is in the store now, for those who change it; calls are served from the snapshot instead."""

import asyncio

import msgspec
from msgspec import Struct

from llmgw.prompts.names import told
from llmgw.prompts.registry.audit import AuditEvent, Chain, History
from llmgw.prompts.registry.changes import label_of, version_of
from llmgw.prompts.registry.counts import Counts
from llmgw.prompts.registry.wishes import ArmUse, CallerUse, Gate
from llmgw.prompts.storage.store import PromptStore, decode_info
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import InternalError
from llmgw.types.prompt import (
    PROMPT_NAME,
    Arm,
    PromptContent,
    PromptInfo,
    VersionInfo,
    content_hash,
    decode_content,
)
from llmgw.types.prompt_errors import PromptNotFound

_decode_gates = msgspec.json.Decoder(list[Gate]).decode


class Stored(Struct, frozen=True, kw_only=True):
    """A version with its content, as it is stored now."""

    info: VersionInfo
    content: PromptContent


class Reader:
    """Reads prompts from the store; each method raises StoreUnavailable where that cannot be asked."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._store = PromptStore(state)
        self._clock = clock
        self._counts = Counts(self._store)

    async def gates(self, tenant: str, name: str) -> list[Gate]:
        """The evaluations of a prompt's versions, the newest first."""
        info = await self.info(tenant, name)
        found: list[Gate] = []
        for digest in {each.hash for each in info.versions.values() if each.gate is not None}:
            found.extend(await self._gates_of(tenant, name, digest))
        return sorted(found, key=lambda each: each.at_ms, reverse=True)

    async def info(self, tenant: str, name: str) -> PromptInfo:
        """A prompt as it is stored now.

        Raises:
            PromptNotFound: there is none.
        """
        info = (await self._store.peek(tenant, name)).info if PROMPT_NAME.fullmatch(name) else None
        if info is None:
            raise PromptNotFound(f"there is no prompt {told(name)}")
        return info

    async def prompts(self, tenant: str, prefix: str = "") -> list[PromptInfo]:
        """A tenant's prompts whose names begin so, in the order of the alphabet."""
        names = sorted(
            name for owner, name in await self._store.members() if owner == tenant and name.startswith(prefix)
        )
        found: list[PromptInfo] = []
        for first in range(0, len(names), 100):
            page = [(tenant, name) for name in names[first : first + 100]]
            stored = await self._store.read(page, [""] * len(page))
            found.extend(
                decode_info(each.info, name)
                for (_, name), each in zip(page, stored, strict=True)
                if each.info
            )
        return found

    async def version(self, tenant: str, name: str, number: int) -> Stored:
        """One version with its content, drafts too.

        Raises:
            PromptNotFound, PromptVersionNotFound: there is none.
            InternalError: its content is not what was pushed.
        """
        version = version_of(await self.info(tenant, name), number)
        content = await self._content(tenant, name, version.hash)
        if content is None:
            raise InternalError(f"the content of {name}@{number} is missing")
        return Stored(info=version, content=content)

    async def callers(self, tenant: str, name: str) -> list[CallerUse]:
        """Who called which version in the last 30 days; what was counted in the last seconds may be missing."""
        await self.info(tenant, name)
        return await self._counts.callers(tenant, name, self._now_ms())

    async def arms(self, tenant: str, name: str, label: str) -> dict[Arm, ArmUse]:
        """How the calls of a rollout went so far; nothing where there is no rollout."""
        rollout = label_of(await self.info(tenant, name), label).rollout
        return await self._counts.arms(tenant, rollout.id) if rollout is not None else {}

    async def history(self, tenant: str, name: str, limit: int = 100) -> History:
        """The last changes of a prompt, and whether the tenant's audit is as it was written."""
        await self.info(tenant, name)
        chain = Chain()
        kept: list[AuditEvent] = []
        first = 0
        while True:
            page = await self._store.events(tenant, first)
            first += len(page)
            events = await asyncio.to_thread(chain.follow, page)
            kept = [*kept, *(each for each in events if each.prompt == name)][-limit:]
            if not page:
                # Read after the events, it has all of them, and perhaps some that came meanwhile.
                head = await self._store.head(tenant)
                if head.events <= first or not await self._store.events(tenant, first):
                    break
        chain.end(head)
        return History(events=kept[::-1], intact=not chain.problem, problem=chain.problem)

    async def _content(self, tenant: str, name: str, digest: str) -> PromptContent | None:
        (stored,) = await self._store.fields(tenant, name, f"c:{digest}")
        if stored is None:
            return None
        if content_hash(stored) != digest:
            raise InternalError(f"a content of the prompt {name} is not what was pushed")
        return decode_content(stored)

    async def _gates_of(self, tenant: str, name: str, digest: str) -> list[Gate]:
        (stored,) = await self._store.fields(tenant, name, f"g:{digest}")
        return _decode_gates(stored) if stored else []

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // 1_000_000
