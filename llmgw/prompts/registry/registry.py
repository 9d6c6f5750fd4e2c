"""The registry: where prompts are changed. Each change is whole, has one event in the audit, and is told to all."""

import asyncio
import io
import random
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from llmgw.prompts.gates.lint import secret_findings
from llmgw.prompts.names import check_name, told
from llmgw.prompts.registry import labels, lifecycle, rollouts
from llmgw.prompts.registry.archive import Archive, Imported
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.changes import TEXT_MAX, At, Change, check_source, text, version_of
from llmgw.prompts.registry.events import as_commit
from llmgw.prompts.registry.foreign import CONTENT_MAX
from llmgw.prompts.registry.pinning import pinned
from llmgw.prompts.registry.reading import Reader
from llmgw.prompts.registry.wishes import (
    Back,
    Deprecate,
    Gate,
    LabelMove,
    Push,
    Pushed,
    Retire,
    Start,
    Turn,
)
from llmgw.prompts.rendering.compiled import CompiledPrompt, compile_prompt
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import InternalError, InvalidRequest, StoreUnavailable
from llmgw.types.json import Json, encode
from llmgw.types.prompt import (
    PROMPT_NAME,
    GateSummary,
    Label,
    PromptContent,
    PromptInfo,
    VersionInfo,
    content_bytes,
    content_hash,
)
from llmgw.types.prompt_errors import InvalidPrompt, PromptNotFound, PromptRejected

GATES_MAX: Final = 20
"""Evaluations that are kept of one content."""
GATE_BYTES_MAX: Final = 1024 * 1024
"""Bytes of one evaluation with its cases."""
TRIES: Final = 200
"""How often a change is worked out anew when others were faster."""
_NAMED_MAX: Final = 10

_Step = Callable[[PromptInfo, At], Change | None]


class Registry(Reader):
    """Changes prompts in the store, and reads them from there; calls are served from the snapshot instead.

    Each method raises StoreUnavailable where the store cannot be asked; a change may have been made all the same,
    and asking for it again does no harm.
    """

    def __init__(self, state: State, settings: PromptSettings, clock: Clock | None = None) -> None:
        super().__init__(state, clock or SystemClock())
        self._settings = settings
        self._archive = Archive(self._store, settings, self._now_ms)

    async def push(self, author: Author, name: str, wish: Push) -> Pushed:
        """Keep a content as a version, a draft for now; one that is there already is that version.

        Raises:
            InvalidRequest, InvalidPrompt: no prompt can be called so, or it is too large.
            PromptRejected, TemplateError, SchemaRejected: it cannot be rendered.
            PromptChanged: there is a newer version than the `parent` that was named.
            PromptConflict: there are too many.
        """
        check_name(name)
        text(wish.message, "message", TEXT_MAX)
        check_source(wish.source)

        async def info_of(other: str) -> PromptInfo | None:
            return (await self._store.peek(author.tenant, other)).info

        async def content_of(other: str, digest: str) -> PromptContent | None:
            return await self._content(author.tenant, other, digest)

        content = await pinned(wish.content, info_of, content_of)
        stored = content_bytes(content)
        if len(stored) > CONTENT_MAX:
            raise InvalidPrompt(f"a version has at most {CONTENT_MAX} bytes, and this one {len(stored)}")
        await asyncio.to_thread(compile_prompt, content)
        digest = content_hash(stored)
        draft = VersionInfo(
            number=1,
            hash=digest,
            author=text(wish.author, "author", 256) or author.who,
            created_ms=0,
            message=wish.message,
            parent=wish.parent or 0,
            source=wish.source,
        )
        created = False

        def keep(info: PromptInfo, at: At) -> Change | None:
            nonlocal created
            change = lifecycle.keep(info, content, draft, stored, at)
            created = change is not None
            return change

        info = await self._change(author, name, keep, make=True)
        version = lifecycle.find(info, digest)
        if version is None:
            raise InternalError("the version that was pushed is not there")
        return Pushed(info=version, created=created)

    async def publish(self, author: Author, name: str, version: int) -> VersionInfo:
        """Let callers have a version.

        Raises:
            PromptNotFound, PromptVersionNotFound: there is none.
        """
        info = await self._change(author, name, lambda info, at: lifecycle.publish(info, version, at))
        return info.versions[version]

    async def move(self, author: Author, name: str, label: str, wish: LabelMove) -> Label:
        """Lead a label to a version; `pending` in it says that a second person must agree.

        Raises:
            PromptNotFound, PromptVersionNotFound, PromptChanged: as their names say.
            PromptConflict, GateMissing, InvalidRequest: the rules of labels forbid it.
        """
        info = await self._change(author, name, lambda info, at: labels.move(info, label, wish, at))
        return info.labels[label]

    async def approve(self, author: Author, name: str, label: str, if_match: str | None = None) -> Label:
        """Do what another person proposed.

        Raises:
            PromptNotFound, PromptVersionNotFound, PromptChanged, PromptConflict, GateMissing: as their names say.
        """
        info = await self._change(author, name, lambda info, at: labels.approve(info, label, if_match, at))
        return info.labels[label]

    async def remove_label(self, author: Author, name: str, label: str, if_match: str | None = None) -> None:
        """Take a label out.

        Raises:
            PromptNotFound, PromptVersionNotFound, PromptChanged: as their names say.
        """
        await self._change(author, name, lambda info, at: labels.remove(info, label, if_match, at))

    async def rollback(self, author: Author, name: str, label: str, wish: Back | None = None) -> Label:
        """Lead a label to where it led before: to exactly the bytes it led to then.

        Raises:
            PromptNotFound, PromptVersionNotFound, PromptChanged, PromptConflict: as their names say.
        """
        back = wish or Back()
        info = await self._change(author, name, lambda info, at: labels.roll_back(info, label, back, at))
        return info.labels[label]

    async def start_rollout(self, author: Author, name: str, label: str, wish: Start) -> Label:
        """Send a share of a label's calls to a candidate.

        Raises:
            PromptNotFound, PromptVersionNotFound, PromptChanged: as their names say.
            PromptConflict, GateMissing, InvalidRequest: the rules of labels forbid it.
        """
        rollout_id = secrets.token_hex(8)
        info = await self._change(
            author, name, lambda info, at: rollouts.start(info, label, wish, at, rollout_id)
        )
        return info.labels[label]

    async def step(self, author: Author, name: str, label: str, wish: Turn | None = None) -> Label:
        """Take a rollout's next step, or set its share."""
        return await self._turn(author, name, label, "step", wish)

    async def pause(self, author: Author, name: str, label: str, wish: Turn | None = None) -> Label:
        """Have a rollout stay at its share."""
        return await self._turn(author, name, label, "pause", wish)

    async def resume(self, author: Author, name: str, label: str, wish: Turn | None = None) -> Label:
        """Let a rollout go on."""
        return await self._turn(author, name, label, "resume", wish)

    async def abort(self, author: Author, name: str, label: str, wish: Turn | None = None) -> Label:
        """Send all calls of a label to its version again."""
        return await self._turn(author, name, label, "abort", wish)

    async def promote(self, author: Author, name: str, label: str, wish: Turn | None = None) -> Label:
        """Lead a label to the candidate of its rollout; `pending` in it says that a second person must agree."""
        return await self._turn(author, name, label, "promote", wish)

    async def deprecate(self, author: Author, name: str, wish: Deprecate) -> PromptInfo:
        """Warn those who call a version, or any."""
        return await self._change(author, name, lambda info, at: lifecycle.deprecate(info, wish, at))

    async def retire(self, author: Author, name: str, wish: Retire) -> PromptInfo:
        """Serve a version, or any, no more.

        Raises:
            PromptConflict: somebody still calls it, or a label leads to it, and it is not forced.
        """
        used = [] if wish.force else await self.callers(author.tenant, name)

        def callers(versions: frozenset[int]) -> list[str]:
            who = [
                f"{each.key_name or each.key_id} (version {each.version}, {each.calls} calls)"
                for each in used
                if each.version in versions
            ]
            return [*who[:_NAMED_MAX], *([f"{len(who) - _NAMED_MAX} more"] if len(who) > _NAMED_MAX else [])]

        return await self._change(author, name, lambda info, at: lifecycle.retire(info, wish, at, callers))

    async def note_gate(
        self, author: Author, name: str, version: int, summary: GateSummary, details: Json
    ) -> PromptInfo:
        """Note what an evaluation of a version's content came to, with details of any form for people to read.

        Raises:
            InvalidRequest: the details are too large.
            PromptNotFound, PromptVersionNotFound: there is no such version.
        """
        digest = version_of(await self.info(author.tenant, name), version).hash
        gate = Gate(at_ms=self._now_ms(), by=author.who, hash=digest, details=details)
        if len(encode(gate)) > GATE_BYTES_MAX:
            raise InvalidRequest(f"an evaluation is kept up to {GATE_BYTES_MAX} bytes")
        # Two evaluations at once may lose the details of one; the verdict that counts is in the version's entry.
        kept = [*await self._gates_of(author.tenant, name, digest), gate][-GATES_MAX:]
        fields = {f"g:{digest}": encode(kept)}

        def note(info: PromptInfo, at: At) -> Change | None:
            change = lifecycle.note_gate(info, version, digest, summary, at)
            return msgspec.structs.replace(change, fields=fields) if change is not None else None

        return await self._change(author, name, note)

    def export(self, tenant: str) -> AsyncIterator[bytes]:
        """Write all prompts of a tenant as lines of JSON."""
        return self._archive.export(tenant)

    async def take_over(self, author: Author, archive: bytes) -> Imported:
        """Take over prompts that were exported: with their numbers and hashes, and labels where the prompt is new.

        Their evaluations stay behind: this gateway did not see them.

        Raises:
            InvalidRequest: it is no archive, or not whole.
            PromptConflict: a prompt is there and has another content at one of the numbers.
            PromptRejected: a version has credentials in it.
            TemplateError, SchemaRejected: a version cannot be rendered.
        """
        return await self._archive.take_over(author, io.BytesIO(archive), _compile_foreign)

    async def _turn(
        self, author: Author, name: str, label: str, kind: rollouts.Kind, wish: Turn | None
    ) -> Label:
        turn = wish or Turn()
        info = await self._change(author, name, lambda info, at: rollouts.turn(info, label, kind, turn, at))
        return info.labels[label]

    async def _change(self, author: Author, name: str, step: _Step, *, make: bool = False) -> PromptInfo:
        """Work out a change of what is there, and make it, as often as somebody else is faster."""
        for tried in range(TRIES):
            there = await self._store.peek(author.tenant, name) if PROMPT_NAME.fullmatch(name) else None
            if there is None or (there.info is None and not make):
                raise PromptNotFound(f"there is no prompt {told(name)}")
            at = At(author, self._now_ms(), self._settings)
            info = there.info or PromptInfo(name=name, rev=0, created_ms=at.now_ms, updated_ms=at.now_ms)
            change = step(info, at)
            if change is None:
                return info
            if await self._store.commit(as_commit(change, info, there, at)):
                return change.info
            # Those who lost wait for different times, or they would meet again.
            await asyncio.sleep(random.random() * min(tried, 20) * 0.002)  # noqa: S311
        raise StoreUnavailable("too many change this tenant's prompts at once", retry_after_s=1)


def _compile_foreign(content: PromptContent) -> CompiledPrompt:
    """Compile a version of an archive, of which nobody has looked at yet what stands in it."""
    found = [each.violation for each in secret_findings(content)]
    if found:
        raise PromptRejected("a version in the archive has what looks like a secret", found)
    return compile_prompt(content)
