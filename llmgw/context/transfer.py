"""Contexts on their way from one gateway to another: exported as a signed bundle, taken over from one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.context.birth import new_fields
from llmgw.context.clock import moment
from llmgw.context.drafting import Draft
from llmgw.context.giving_back import given_back
from llmgw.context.integrity import bundle
from llmgw.context.integrity.bundle import Bundle, BundleWriter, Head, StateLine
from llmgw.context.integrity.lineage import Genesis
from llmgw.context.kept import Kept, decode_turn, kept, redacted_turn
from llmgw.context.library import Actor, Library, all_blobs, info_of
from llmgw.context.opened import Asker
from llmgw.context.states import States
from llmgw.context.storage.answers import Replay
from llmgw.context.storage.names import Keys, checked
from llmgw.types.context import ContextInfo, ContextOptions
from llmgw.types.context_errors import BundleRejected, ContextExists, IntegrityFailed
from llmgw.types.violation import Violation

_AT_A_TIME: Final = 64
"""Turns whose blobs are read together."""


class Transfer:
    """Exports contexts and takes them over."""

    def __init__(self, library: Library, states: States) -> None:
        self._library = library
        self._states = states
        self._contexts = library.contexts
        self._store = library.store

    async def export(self, actor: Actor, context: str) -> AsyncGenerator[bytes, None]:
        """Write a context's bundle, line by line; a fork's has the turns of its parents, too.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: stored bytes are not what was stored.
        """
        keys = self._library.keys(actor, context)
        turns, stored = await self._library.proven(keys, actor, "export")
        info = info_of(keys, stored)
        writer = BundleWriter()
        now = moment(self._contexts.now_ms())
        yield writer.line(Head(format=bundle.VERSION, context=info, exported_at=now))
        for schema in await self._states.schemas_of(actor.tenant, info):
            yield writer.line(schema)
        state = await self._states.document(keys)
        if state is not None:
            yield writer.line(StateLine(state=state))
        head = stored.head
        # What is written is read again, and what is read is proven again, whatever this worker remembers.
        async for found, body in self._contexts.histories.bodies(keys, stored):
            yield writer.line(bundle.turn_line(found, body))
        for start in range(0, len(turns), _AT_A_TIME):
            async for blob in self._blobs(keys, turns[start : start + _AT_A_TIME]):
                yield writer.line(blob)
        yield writer.proof(head, self._contexts.chain_keys.public, self._contexts.chain_keys.sign)

    async def take_over(self, actor: Actor, document: bytes, *, name: str | None, op: str) -> ContextInfo:
        """Make a context of a bundle that a trusted gateway signed, under its own name or another.

        Bodies stay the bytes they are; the chain is this gateway's own.

        Raises:
            BundleRejected: it is damaged, of an unknown form, or signed by nobody who is trusted.
            ContextExists, ContextErased: there is one by that name, or was.
            SchemaIncompatible: it is held to a schema that is another one here.
        """
        # A bundle may be as large as a body; nobody else should wait while it is read.
        found = await asyncio.to_thread(bundle.read, document)
        if not self._contexts.chain_keys.trusts(found.proof.key):
            raise BundleRejected(
                f"the bundle is signed by {found.proof.key}, which is not among contexts.trust",
                [Violation(rule="bundle.trust", pointer="", message="not a trusted key")],
            )
        drafts = await asyncio.to_thread(_drafts, found)
        info = found.head.context
        keys = checked(actor.tenant, info.id if name is None else name, "id")
        await self._states.take_over_schemas(actor.tenant, found.schemas)
        base = self._contexts.settings.base(actor.tenant)
        await self._library.check_metadata(actor.tenant, info.metadata, info.policy.over(base))
        await self._make(actor, keys, info, found.proof.key)
        asker = Asker(tenant=actor.tenant, who=actor.who, op=op)
        opened = await self._contexts.open(asker, ContextOptions(id=keys.context), (), base)
        if isinstance(opened, Replay):
            raise ContextExists("this bundle was taken over before")
        async with given_back(self._contexts, opened):
            opened.blobs.update(found.blobs)
            own = [replace(each, turn=replace(each.turn, home=keys.context)) for each in drafts]
            if own:
                await self._contexts.commit(opened, own)
            else:
                await self._contexts.release(opened, "empty")
        if found.state is not None:
            await self._states.take_over(actor, keys, found.state)
        return await self._library.info(actor, keys.context, op="")

    async def _make(self, actor: Actor, keys: Keys, info: ContextInfo, by: str) -> None:
        now = self._contexts.now_ms()
        ttl_s = info.policy.over(self._contexts.settings.base(actor.tenant)).ttl_s
        await self._contexts.index.add(keys, info.subject, now)
        fields = new_fields(
            self._contexts.chain_keys,
            keys,
            (Genesis(context=keys.context, created=now, key_id=self._contexts.chain_keys.current),),
            policy=info.policy,
            ttl_s=ttl_s,
            encrypt=self._contexts.settings.encrypt,
            subject=info.subject,
            metadata=info.metadata,
            imported=by,
        )
        await self._store.create(keys, actor.who, (ttl_s or 0) * 1000, fields)

    async def _blobs(self, keys: Keys, turns: Sequence[Kept]) -> AsyncIterator[bundle.BlobLine]:
        by_home: dict[str, list[str]] = {}
        for each in turns:
            by_home.setdefault(each.home, []).extend(all_blobs(each))
        for name, digests in by_home.items():
            if not digests:
                continue
            home = Keys(keys.tenant, name)
            # One at a time: each may be large.
            for wanted in dict.fromkeys(digests):
                async for digest, blob in self._contexts.histories.fetched(home, [wanted]):
                    if blob is None:
                        raise IntegrityFailed("content that a turn refers to is not what was stored")
                    yield bundle.blob_line(digest, blob)


def _drafts(found: Bundle) -> list[Draft]:
    """The turns of a bundle as they are stored again: the same bytes.

    Raises:
        BundleRejected: one is no turn of the protocol.
    """
    drafts: list[Draft] = []
    for number, line in enumerate(found.turns):
        if line.body is None:
            gone = kept(redacted_turn(line.meta), 0, "", summary=line.meta.summary)
            drafts.append(Draft(turn=gone, body=b"", at=line.meta.at, digest=bytes.fromhex(line.digest)))
            continue
        body = line.body.encode()
        try:
            turn = decode_turn(body)
        except (ValueError, RecursionError) as error:
            raise _no_turn(number, str(error)) from None
        if turn.seq != line.meta.seq or turn.id != line.meta.id or turn.role != line.meta.role:
            raise _no_turn(number, "its header is another turn's")
        drafts.append(Draft(turn=kept(turn, len(body), ""), body=body, at=line.meta.at))
    return drafts


def _no_turn(number: int, reason: str) -> BundleRejected:
    message = f"turn {number} cannot be taken over: {reason[:200]}"
    return BundleRejected(message, [Violation(rule="bundle", pointer=f"/{number}", message=message)])
