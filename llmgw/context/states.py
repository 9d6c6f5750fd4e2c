"""What an application remembers beside a conversation: one document, held to its schema, changed by patches.

It is stored as the bytes it was written as, signed with the chain's key for this one place (and encrypted with the
turns), so that it cannot be altered in the store, nor be another context's.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from llmgw.context.integrity.bundle import SchemaLine
from llmgw.context.integrity.sealing import sealed, unsealed
from llmgw.context.kept import encode_json
from llmgw.context.leases import policy_over
from llmgw.context.library import Actor, Library, check_depth
from llmgw.context.schemas import Schemas
from llmgw.context.state_changes import merged, patched
from llmgw.context.storage.answers import Stored
from llmgw.context.storage.names import HASH, Keys
from llmgw.types.context import ContextInfo, Policy, SchemaRef, StateDoc
from llmgw.types.context_errors import IntegrityFailed, RevisionMismatch, SchemaViolation
from llmgw.types.json import Json
from llmgw.types.violation import Violation

MAX_STATE: Final = 256 * 1024
"""Bytes of a state document."""

_PLACE: Final = "state"
_EMPTY: Final = StateDoc(rev=0, data={})

_decode: Final = msgspec.json.Decoder(StateDoc).decode


class States:
    """Reads and changes state documents."""

    def __init__(self, library: Library, schemas: Schemas) -> None:
        self._library = library
        self._store = library.store
        self._schemas = schemas

    async def read(self, actor: Actor, context: str) -> StateDoc:
        """Read a context's state; revision 0 and empty where nothing was stored yet.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: what is stored is not what was stored.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(keys, who=actor.who, op="read_state", purpose=actor.purpose, count=0)
        return await self._document(keys, stored) or _EMPTY

    async def patch(self, actor: Actor, context: str, patch: Json, seen: int | None) -> StateDoc:
        """Change a state by a JSON Patch (RFC 6902), all of it or nothing.

        `seen` is the revision the caller expects.

        Raises:
            PatchFailed: it is no patch, or cannot be applied to what is there.
            SchemaViolation: what comes out does not fit the schema; the violations point into both.
            RevisionMismatch: the state is at another revision.
            ContextNotFound, ContextErased, ContextQuarantined: as their names say.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(keys, count=0)
        while True:
            written = await self._store.state(keys)
            before = self._opened(keys, stored, written) or _EMPTY
            _check_revision(before, seen)
            data = patched(before.data, patch)
            try:
                return await self._put(actor, keys, stored, written, before.rev + 1, data)
            except RevisionMismatch:
                # Somebody was quicker. Who named no revision wants its patch applied to whatever is there.
                if seen is not None:
                    raise

    async def replace(
        self, actor: Actor, context: str, data: dict[str, Json], seen: int | None = None
    ) -> StateDoc:
        """Put a whole new state in the place of what is there.

        Raises:
            SchemaViolation: it does not fit the schema.
            RevisionMismatch: the state is at another revision than `seen`.
            ContextNotFound, ContextErased, ContextQuarantined: as their names say.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(keys, count=0)
        while True:
            written = await self._store.state(keys)
            before = self._opened(keys, stored, written) or _EMPTY
            _check_revision(before, seen)
            try:
                return await self._put(actor, keys, stored, written, before.rev + 1, data)
            except RevisionMismatch:
                # Somebody was quicker. Who named no revision wants to have the last word.
                if seen is not None:
                    raise

    async def document(self, keys: Keys) -> StateDoc | None:
        """Read a state as it is exported; None where nothing was stored.

        Raises:
            ContextNotFound, ContextErased, IntegrityFailed: as their names say.
        """
        return await self._document(keys, await self._store.read(keys, count=0))

    async def check(self, tenant: str, policy: Policy | None, data: dict[str, Json]) -> None:
        """Hold the first state of a context that is about to be made against its schema.

        Raises:
            SchemaViolation: it does not fit; pointers begin at `/state`.
        """
        base = self._library.contexts.settings.base(tenant)
        await self._check(tenant, (policy or Policy()).over(base).state_schema, data, within="/state")

    async def take_over(self, actor: Actor, keys: Keys, document: StateDoc) -> None:
        """Store a state that comes from elsewhere, its revision kept.

        Raises:
            SchemaViolation: it does not fit the schema.
        """
        stored = await self._store.read(keys, count=0)
        await self._put(actor, keys, stored, b"", document.rev, document.data)

    async def take_over_schemas(self, tenant: str, lines: Sequence[SchemaLine]) -> None:
        """Register the schemas that come with a context, where they are not known.

        Raises:
            SchemaIncompatible: one is registered here and says something else.
            SchemaRejected: one cannot be registered.
        """
        for line in lines:
            await self._schemas.take_over(tenant, f"{line.name}/{line.version}", line.document.encode())

    async def copy(self, actor: Actor, source: Keys, to: Keys) -> None:
        """Begin a fork's state with its parent's, and remember that for the day they are merged."""
        document = await self.document(source)
        if document is None:
            return
        stored = await self._store.read(to, count=0)
        await self._store.put_state(to, actor.who, b"", self._sealed(to, stored, document))
        await self._store.command(to, "HSET", HASH, "forked_state", self._sealed(to, stored, document))

    async def merge(self, actor: Actor, source: Keys, into: Keys) -> bool:
        """Change in a state what a fork's has changed since it began; says whether there was anything.

        Raises:
            MergeConflict: both changed the same; the violations point to it. Nothing is stored then.
            SchemaViolation: what comes out does not fit the schema.
            RevisionMismatch: the state changed meanwhile.
        """
        branch = await self._store.read(source, count=0)
        theirs = await self._document(source, branch) or _EMPTY
        kept = await self._store.command(source, "HGET", HASH, "forked_state")
        base = self._opened(source, branch, kept or b"") or _EMPTY
        if theirs.data == base.data:
            return False
        stored = await self._store.read(into, count=0)
        written = await self._store.state(into)
        ours = self._opened(into, stored, written) or _EMPTY
        data = merged(base.data, ours.data, theirs.data)
        if data == ours.data:
            return False
        await self._put(actor, into, stored, written, ours.rev + 1, data)
        return True

    async def schemas_of(self, tenant: str, info: ContextInfo) -> list[SchemaLine]:
        """The schemas that a context's state and metadata are held to, as they are exported."""
        base = self._library.contexts.settings.base(tenant)
        policy = info.policy.over(base)
        lines: list[SchemaLine] = []
        for reference in dict.fromkeys((policy.state_schema, policy.metadata_schema)):
            if reference is not None:
                document = await self._schemas.document(tenant, reference)
                name, _, version = reference.rpartition("/")
                lines.append(SchemaLine(name=name, version=int(version), document=document.decode()))
        return lines

    async def _document(self, keys: Keys, stored: Stored) -> StateDoc | None:
        return self._opened(keys, stored, await self._store.state(keys))

    async def _put(
        self, actor: Actor, keys: Keys, stored: Stored, seen: bytes, rev: int, data: dict[str, Json]
    ) -> StateDoc:
        base = self._library.contexts.settings.base(keys.tenant)
        schema = policy_over(stored.facts.policy, base).state_schema
        await self._check(keys.tenant, schema, data)
        document = StateDoc(rev=rev, data=data, schema=schema)
        if not await self._store.put_state(keys, actor.who, seen, self._sealed(keys, stored, document)):
            now = await self.document(keys) or _EMPTY
            raise RevisionMismatch(f"the state is at revision {now.rev}", str(now.rev))
        return document

    async def _check(
        self, tenant: str, schema: SchemaRef | None, data: dict[str, Json], *, within: str = ""
    ) -> None:
        size = len(encode_json(data))
        if size > MAX_STATE:
            message = f"the state has {size} bytes; the most are {MAX_STATE}"
            raise SchemaViolation(message, [Violation(rule="schema.size", pointer=within, message=message)])
        check_depth(data, within)
        if schema is not None:
            await self._schemas.check(tenant, schema, data, what="the state", within=within)

    def _sealed(self, keys: Keys, stored: Stored, document: StateDoc) -> bytes:
        """Write a state, encrypted where the turns are."""
        body = encode_json(document)
        cipher = self._library.contexts.histories.own_cipher(keys, stored)
        if cipher is not None:
            body = cipher.encrypt(body, _PLACE)
        return sealed(self._library.contexts.chain_keys, keys, _PLACE, body)

    def _opened(self, keys: Keys, stored: Stored, written: bytes) -> StateDoc | None:
        """Read a state as it was written; None for nothing.

        Raises:
            IntegrityFailed: it was not written so, or not here.
        """
        if not written:
            return None
        body = unsealed(self._library.contexts.chain_keys, keys, _PLACE, written)
        cipher = self._library.contexts.histories.own_cipher(keys, stored)
        try:
            return _decode(body if cipher is None else cipher.decrypt(body, _PLACE))
        except (ValueError, msgspec.DecodeError):
            raise IntegrityFailed("the state is not what was stored") from None


def _check_revision(document: StateDoc, seen: int | None) -> None:
    if seen is not None and seen != document.rev:
        raise RevisionMismatch(f"the state is at revision {document.rev}", str(document.rev))
