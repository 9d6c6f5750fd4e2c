"""Contexts outside of calls: made, read, listed, erased, redacted, examined."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from llmgw.context import protocol
from llmgw.context.birth import new_fields
from llmgw.context.clock import moment
from llmgw.context.contexts import Contexts
from llmgw.context.ids import new_id
from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.lineage import Genesis
from llmgw.context.integrity.lineage import decode as decode_lineage
from llmgw.context.kept import Kept, encode_json
from llmgw.context.leases import decode_policy
from llmgw.context.schemas import Schemas
from llmgw.context.storage.answers import Stored
from llmgw.context.storage.names import BLOBS, TURNS, Keys, checked
from llmgw.types.context import ContextInfo, ContextOptions, Metadata, Parent, Policy
from llmgw.types.context_errors import (
    ContextErased,
    ContextNotFound,
    IntegrityFailed,
    SchemaViolation,
)
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.json import Json
from llmgw.types.turn import Turn
from llmgw.types.violation import Violation

MAX_METADATA: Final = 16 * 1024
"""Bytes of a context's metadata."""

_decode_metadata = msgspec.json.Decoder(dict[str, Any]).decode


_AT_A_TIME: Final = 32
"""Turns whose content is fetched at once."""


class Actor(Struct, frozen=True, kw_only=True):
    """Who asks: a tenant, the key it asks by, and what for, where it says so."""

    tenant: str
    who: str
    purpose: str = ""


class Verified(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a context is what was stored; `bad_turn` is the first that is not."""

    id: str
    ok: bool
    rev: int
    turns: int
    head: str
    redacted: int = 0
    bad_turn: int | None = None
    reason: str | None = None
    missing_blobs: tuple[str, ...] = ()


class Library:
    """All contexts of all tenants; whoever asks sees its own tenant's."""

    def __init__(self, contexts: Contexts, schemas: Schemas) -> None:
        self.contexts = contexts
        self._schemas = schemas
        self.store = contexts.store

    async def create(self, actor: Actor, options: ContextOptions) -> ContextInfo:
        """Make a context without turns.

        Raises:
            ContextExists, ContextErased: there is one by that name, or was.
            SchemaViolation: its metadata are too large, or do not fit their schema.
            InvalidRequest: no context can be called so.
        """
        contexts = self.contexts
        now = contexts.now_ms()
        keys = checked(actor.tenant, new_id("ctx", now) if options.id is None else options.id, "id")
        base = contexts.settings.base(actor.tenant)
        policy = options.policy or Policy()
        await self.check_metadata(actor.tenant, options.metadata, policy.over(base))
        ttl_s = policy.over(base).ttl_s
        await contexts.index.add(keys, options.subject, now)
        fields = new_fields(
            contexts.chain_keys,
            keys,
            (Genesis(context=keys.context, created=now, key_id=contexts.chain_keys.current),),
            policy=policy,
            ttl_s=ttl_s,
            encrypt=contexts.settings.encrypt,
            subject=options.subject,
            metadata=options.metadata,
        )
        await self.store.create(keys, actor.who, (ttl_s or 0) * 1000, fields)
        return await self.info(actor, keys.context, op="")

    async def check_metadata(self, tenant: str, metadata: Metadata, policy: Policy) -> None:
        """Hold metadata against their bounds, and their schema where there is one.

        Raises:
            SchemaViolation: they do not fit.
        """
        size = len(encode_json(metadata))
        if size > MAX_METADATA:
            message = f"the metadata have {size} bytes; the most are {MAX_METADATA}"
            raise SchemaViolation(
                message, [Violation(rule="schema.size", pointer="/metadata", message=message)]
            )
        check_depth(metadata, "/metadata")
        if policy.metadata_schema is not None:
            await self._schemas.check(
                tenant, policy.metadata_schema, metadata, what="the metadata", within="/metadata"
            )
        if policy.state_schema is not None:
            # Else the first to write a state would find out, long after.
            await self._schemas.require(tenant, policy.state_schema, "/policy/state_schema")

    async def info(self, actor: Actor, context: str, *, op: str = "read") -> ContextInfo:
        """Read a context, without its turns.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: turns are missing, or what is stored cannot be read.
        """
        keys = self.keys(actor, context)
        return info_of(
            keys, await self.store.read(keys, who=actor.who, op=op, purpose=actor.purpose, count=0)
        )

    async def find(
        self, actor: Actor, subject: str | None, *, after: str | None, limit: int
    ) -> tuple[list[ContextInfo], str | None]:
        """List contexts, the newest first, and where the next page begins; None for the last.

        Raises:
            InvalidRequest: there is no context `after`.
        """
        index = self.contexts.index
        try:
            names = await index.find(actor.tenant, subject, after=after, limit=limit)
        except LookupError:
            raise InvalidRequest("the list has no such place to go on from", param="after") from None
        found: list[ContextInfo] = []
        for name in names:
            keys = Keys(actor.tenant, name)
            try:
                found.append(info_of(keys, await self.store.read(keys, count=0)))
            except (ContextNotFound, ContextErased):
                await index.remove(keys, subject)
            except IntegrityFailed:
                found.append(_unreadable(name))
        return found, names[-1] if len(names) == limit else None

    async def turns(
        self, actor: Actor, context: str, first: int, limit: int
    ) -> tuple[list[Turn], ContextInfo]:
        """Read turns from a number on, proven, large content put back.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: stored bytes are not what was stored; the context is quarantined.
        """
        keys = self.keys(actor, context)
        kept, stored = await self.proven(keys, actor, "read_turns")
        wanted = kept[first : first + limit]
        history = self.contexts.histories.known(keys)
        contents = {}
        if history is not None and any(each.media for each in wanted):
            contents = await self.contexts.histories.blobs(keys, history, wanted)
        return [with_content(each, contents) for each in wanted], info_of(keys, stored)

    async def raw(self, actor: Actor, context: str, seq: int) -> tuple[bytes, str]:
        """Read the provider's own bytes of an answer as they are kept, and how they are encoded.

        Raises:
            NotFound: the turn has none, or there is no such turn.
            IntegrityFailed: they are not what was stored.
        """
        keys = self.keys(actor, context)
        kept, _ = await self.proven(keys, actor, "read_raw")
        raw = kept[seq].turn.raw if 0 <= seq < len(kept) else None
        if raw is None:
            raise NotFound("the provider's own bytes of this turn are not kept")
        place = Keys(keys.tenant, kept[seq].home)
        async for _, blob in self.contexts.histories.fetched(place, [raw.blob]):
            if blob is None:
                raise await self.contexts.histories.without_content(keys, seq)
            return blobs.content_of(blob), raw.encoding
        raise NotFound("the provider's own bytes of this turn are not kept")

    async def verify(self, actor: Actor, context: str) -> Verified:
        """Prove a context from its first turn to its last, and that what it refers to is there.

        A context that does not hold is quarantined, one that holds again is not any more.

        Raises:
            ContextNotFound, ContextErased: as their names say.
        """
        keys = self.keys(actor, context)
        histories = self.contexts.histories
        histories.forget(keys)
        try:
            stored = await self.store.read(keys, who=actor.who, op="verify", purpose=actor.purpose)
            history = await histories.at(keys, stored)
            missing = await self._missing(keys, history.turns)
        except IntegrityFailed as failure:
            return await self._broken(keys, failure)
        if stored.status == "quarantined":
            await self.store.mark(keys, actor.who, "active", "verified")
        return Verified(
            id=context,
            ok=not missing,
            rev=stored.rev,
            turns=stored.turns,
            head=stored.head,
            redacted=sum(each.turn.status == "redacted" for each in history.turns),
            missing_blobs=tuple(dict.fromkeys(missing)),
            reason="content is missing" if missing else None,
        )

    async def _missing(self, keys: Keys, turns: Sequence[Kept]) -> list[str]:
        """The digests of content that turns refer to and that is gone.

        Raises:
            IntegrityFailed: some is there, and not what was stored; the context is quarantined.
        """
        missing: list[str] = []
        for start in range(0, len(turns), _AT_A_TIME):
            homes: dict[str, dict[str, int]] = {}
            for each in turns[start : start + _AT_A_TIME]:
                homes.setdefault(each.home, {}).update(dict.fromkeys(all_blobs(each), each.seq))
            for home, wanted in homes.items():
                place = Keys(keys.tenant, home)
                async for digest, blob in self.contexts.histories.fetched(place, list(wanted)):
                    if blob is None:
                        raise await self.contexts.histories.without_content(keys, wanted[digest])
                    del wanted[digest]
                missing += wanted
        return missing

    async def redact(self, actor: Actor, context: str, seqs: Sequence[int]) -> ContextInfo:
        """Take the content out of turns for good; their digests stay, so that the chain still holds.

        What only they referred to goes with them, and so do summaries of them.

        Raises:
            InvalidRequest: there is no such turn, or it is one of a context this is a fork of.
            ContextLocked: a call is under way.
        """
        keys = self.keys(actor, context)
        kept, stored = await self.proven(keys, actor, "")
        wanted = sorted(set(seqs))
        if not wanted or wanted[0] < 0 or wanted[-1] >= stored.turns:
            raise InvalidRequest("there is no such turn", param="turns")
        if wanted[0] < stored.base:
            raise InvalidRequest("turns before the fork are redacted where they are stored", param="turns")
        # A summary tells what it sums up.
        wanted += [
            each.seq for each in kept[stored.base :] if each.seq not in wanted and _sums_up(each, wanted)
        ]
        frames: dict[int, bytes] = {}
        for seq in wanted:
            place = seq - stored.base
            (written,) = await self.store.command(keys, "LRANGE", TURNS, place, place)
            frames[seq] = frame.encode(frame.without_content(frame.decode(written)))
        gone = {digest for seq in wanted for digest in all_blobs(kept[seq])}
        left = {digest for each in kept if each.seq not in frames for digest in all_blobs(each)}
        await self.store.replace(keys, stored, frames, who=actor.who, op="redact")
        if doomed := sorted(gone - left):
            await self.store.command(keys, "HDEL", BLOBS, *doomed)
        # Answers kept for repetition, and what was told last, may say what was taken out.
        await self.store.forget_copies(keys)
        self.contexts.histories.forget(keys)
        return await self.info(actor, context, op="")

    async def proven(self, keys: Keys, actor: Actor, op: str) -> tuple[list[Kept], Stored]:
        """All turns of a context, proven, and how it was read.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: stored bytes are not what was stored; the context is quarantined.
        """
        histories = self.contexts.histories
        known = histories.known(keys)
        first = len(known.turns) if known is not None else 0
        stored = await self.store.read(keys, who=actor.who, op=op, purpose=actor.purpose, first=first)
        if known is not None and (known.epoch != stored.epoch or first > stored.turns):
            histories.forget(keys)
            stored = await self.store.read(keys)
        history = await histories.at(keys, stored)
        return history.turns[: stored.turns], stored

    @staticmethod
    def keys(actor: Actor, context: str) -> Keys:
        """The keys of a context by a name that came from outside.

        Raises:
            ContextNotFound: no context can be called so.
        """
        try:
            return checked(actor.tenant, context)
        except InvalidRequest:
            raise ContextNotFound from None

    async def _broken(self, keys: Keys, failure: IntegrityFailed) -> Verified:
        stored = await self.store.rough(keys)
        return Verified(
            id=keys.context,
            ok=False,
            rev=stored[0],
            turns=stored[1],
            head=stored[2],
            bad_turn=failure.turn,
            reason=failure.message,
        )


def info_of(keys: Keys, stored: Stored) -> ContextInfo:
    """Describe a context as it was read.

    Raises:
        IntegrityFailed: what is stored about it cannot be read.
    """
    facts = stored.facts
    try:
        lineage = decode_lineage(facts.lineage)
        own = lineage[-1]
        return ContextInfo(
            id=keys.context,
            v=1,
            rev=stored.rev,
            head=stored.head,
            turns=stored.turns,
            status="quarantined" if stored.status == "quarantined" else "active",
            created_at=moment(facts.created),
            updated_at=moment(facts.updated),
            bytes=facts.size,
            expires_at=moment(facts.expires) if facts.expires else None,
            parent=Parent(id=own.parent, at_seq=own.at, head=own.head) if own.parent else None,
            subject=facts.subject,
            policy=decode_policy(facts.policy),
            metadata=_decode_metadata(facts.metadata),
            toolset_digest=facts.toolset,
            encrypted=facts.dek is not None,
            imported_from=facts.imported,
        )
    except (msgspec.DecodeError, ValueError, TypeError):
        raise IntegrityFailed("what is stored about the context cannot be read") from None


def with_content(each: Kept, contents: dict[str, bytes]) -> Turn:
    """A turn with its large content in its place, as far as that is there."""
    parts = blobs.brought_back(each.turn.parts, contents, lambda _digest: None)
    return each.turn if parts is each.turn.parts else msgspec.structs.replace(each.turn, parts=parts)


def all_blobs(each: Kept) -> list[str]:
    """The digests of all that a turn refers to, the provider's own bytes included."""
    raw = each.turn.raw
    return [*each.media, *([raw.blob] if raw is not None else [])]


def check_depth(document: Json, within: str) -> None:
    """Hold a document against the deepest nesting there may be.

    Raises:
        SchemaViolation: it nests deeper.
    """
    if protocol.is_too_deep(document):
        message = f"nests deeper than {protocol.MAX_DEPTH} levels"
        raise SchemaViolation(message, [Violation(rule="schema.depth", pointer=within, message=message)])


def _sums_up(each: Kept, seqs: Sequence[int]) -> bool:
    compaction = each.turn.compaction
    return compaction is not None and any(compaction.first <= seq <= compaction.last for seq in seqs)


def _unreadable(name: str) -> ContextInfo:
    return ContextInfo(
        id=name,
        v=1,
        rev=0,
        head="0" * 64,
        turns=0,
        status="quarantined",
        created_at=moment(0),
        updated_at=moment(0),
    )
