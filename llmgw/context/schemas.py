"""The schemas a tenant has registered for its states and metadata: by name, in versions that never change.

A version is written once. The next one must take each document that its forerunner took, unless its publisher says
that it need not; contexts stay with the version that their policy names.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgw.state.connection import State
from llmgw.state.scripts import Script
from llmgw.types.context import SCHEMA_REF, SchemaRef
from llmgw.types.context_errors import SchemaIncompatible, SchemaNotFound, SchemaViolation
from llmgw.types.errors import InvalidRequest
from llmgw.types.json import Json
from llmgw.types.violation import Violation
from llmgw.user_schemas import SCHEMA_MAX, CompiledSchema, compile_schema, incompatibilities

__all__ = ["SCHEMA_MAX", "SchemaVersion", "SchemaVersions", "Schemas"]

CACHED_MAX: Final = 256
"""Compiled schemas that are kept."""

_LATEST: Final = "latest"
_REFERENCE: Final = re.compile(SCHEMA_REF)
_REGISTER: Final = Script(
    "register_schema",
    """#!lua
local there = redis.call('HMGET', KEYS[1], ARGV[1], 'latest')
if there[1] then return there[1] == ARGV[2] and 'SAME' or 'OTHER' end
if ARGV[3] ~= 'any' and (there[2] or '') ~= ARGV[3] then return 'RACE' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if tonumber(ARGV[1]) > tonumber(there[2] or '0') then redis.call('HSET', KEYS[1], 'latest', ARGV[1]) end
return 'NEW'
""",
)


class SchemaVersion(Struct, frozen=True, kw_only=True):
    """One version of a schema as it was registered; `digest` is SHA-256 of its bytes."""

    name: str
    version: int
    digest: str
    bytes: int


class SchemaVersions(Struct, frozen=True, kw_only=True):
    """The versions of one schema, the oldest first."""

    name: str
    versions: list[int]


class Schemas:
    """Registers schemas and holds documents against them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._cached: OrderedDict[bytes, CompiledSchema] = OrderedDict()

    async def register(
        self, tenant: str, reference: SchemaRef, document: bytes, *, compatible: bool = True
    ) -> tuple[SchemaVersion, bool]:
        """Register a version; says whether it is new. The same bytes again are no error.

        Raises:
            InvalidRequest: no schema can be called so.
            SchemaRejected: it is no schema, or not one that may be registered.
            SchemaIncompatible: the version is there and other, or not the highest; or, where it is to be
                `compatible`, documents of the last version may not fit, and the violations point into this one.
            StoreUnavailable: it is not known whether it was registered.
        """
        name, version = _split(reference)
        compiled = await self._compiled(document)
        key = _key(tenant, name)
        while True:
            there, latest = await self._state.hash_fields(key, str(version), _LATEST)
            if there is None and latest is not None:
                if int(latest) > version:
                    raise SchemaIncompatible(
                        f"versions count up: the last one of {name} is {int(latest)}, so take a higher one"
                    )
                if compatible:
                    await self._compare(
                        compiled, await self.document(tenant, f"{name}/{int(latest)}"), reference
                    )
            outcome = await self._write(tenant, reference, document, (latest or b"").decode())
            if outcome != b"RACE":
                return _described(name, version, document), outcome == b"NEW"

    async def take_over(self, tenant: str, reference: SchemaRef, document: bytes) -> None:
        """Register a version that comes with an imported context, whatever versions there are beside it.

        Raises:
            SchemaRejected: it is not one that may be registered.
            SchemaIncompatible: the version is there, and says something else.
            InvalidRequest, StoreUnavailable: as `register`.
        """
        await self._compiled(document)
        await self._write(tenant, reference, document, "any")

    async def document(self, tenant: str, reference: SchemaRef) -> bytes:
        """Read a schema, as the bytes it was registered as.

        Raises:
            SchemaNotFound: there is none.
            InvalidRequest, StoreUnavailable: as `register`.
        """
        name, version = _split(reference)
        (found,) = await self._state.hash_fields(_key(tenant, name), str(version))
        if found is None:
            raise SchemaNotFound(f"there is no schema {reference}")
        return found

    async def versions(self, tenant: str, name: str) -> SchemaVersions:
        """List the versions of a schema.

        Raises:
            SchemaNotFound: there is none.
            InvalidRequest, StoreUnavailable: as `register`.
        """
        _split(f"{name}/1")
        found = await self._state.command("HKEYS", _key(tenant, name))
        if not found:
            raise SchemaNotFound(f"there is no schema {name}")
        return SchemaVersions(name=name, versions=sorted(int(each) for each in found if each.isdigit()))

    async def names(self, tenant: str) -> list[str]:
        """List the names of a tenant's schemas, in the order of the alphabet."""
        return sorted(name.decode() for name in await self._state.members(_index(tenant)))

    async def check(
        self, tenant: str, reference: SchemaRef, value: Json, *, what: str, within: str = ""
    ) -> None:
        """Hold a document, which stands `within` what was sent, against a schema; `what` names it in the message.

        Raises:
            SchemaViolation: it does not fit, or there is no such schema; the violations point into both.
            StoreUnavailable: the schema cannot be read.
        """
        compiled = await self._compiled(await self._referred(tenant, reference))
        violations = await asyncio.to_thread(compiled.violations, value)
        if violations:
            moved = [replace(each, pointer=within + each.pointer) for each in violations]
            raise SchemaViolation(f"{what} does not fit {reference}", moved)

    async def require(self, tenant: str, reference: SchemaRef, within: str) -> None:
        """Refuse a policy that names a schema, `within` what was sent, which nobody registered.

        Raises:
            SchemaViolation: there is no such schema.
            StoreUnavailable: the schema cannot be read.
        """
        await self._referred(tenant, reference, within)

    async def _referred(self, tenant: str, reference: SchemaRef, within: str = "") -> bytes:
        try:
            return await self.document(tenant, reference)
        except SchemaNotFound as error:
            raise SchemaViolation(
                error.message, [Violation(rule="schema.unknown", pointer=within, message=error.message)]
            ) from None

    async def _compare(self, new: CompiledSchema, forerunner: bytes, reference: SchemaRef) -> None:
        old = await self._compiled(forerunner)
        violations = await asyncio.to_thread(incompatibilities, old, new)
        if violations:
            raise SchemaIncompatible(
                f"documents that fitted the last version may not fit {reference}: register it under another name, "
                "or say compatibility=none",
                violations,
            )

    async def _compiled(self, document: bytes) -> CompiledSchema:
        """Compile a schema, or find it compiled. What comes from the store is examined again, as anything is."""
        digest = hashlib.sha256(document).digest()
        found = self._cached.get(digest)
        if found is None:
            # Examining a hostile one may take 100 ms, which nobody else should wait for.
            found = self._cached[digest] = await asyncio.to_thread(compile_schema, document)
            if len(self._cached) > CACHED_MAX:
                self._cached.popitem(last=False)
        self._cached.move_to_end(digest)
        return found

    async def _write(self, tenant: str, reference: SchemaRef, document: bytes, seen: str) -> bytes:
        name, version = _split(reference)
        # Before the schema, so that the list never lacks one; a name without versions is of no harm.
        await self._state.command("SADD", _index(tenant), name)
        outcome: bytes = await self._state.script(_REGISTER, [_key(tenant, name)], [version, document, seen])
        if outcome == b"OTHER":
            raise SchemaIncompatible(f"{reference} is there and says something else: take a higher version")
        return outcome


def _split(reference: SchemaRef) -> tuple[str, int]:
    if not _REFERENCE.match(reference):
        raise InvalidRequest(
            "a schema's name is 1 to 64 of a-z, 0-9, '_', '.' and '-' and begins with a letter or digit; its "
            "version is a whole number from 1 to 999999"
        )
    name, _, version = reference.rpartition("/")
    return name, int(version)


def _described(name: str, version: int, document: bytes) -> SchemaVersion:
    digest = f"sha256:{hashlib.sha256(document).hexdigest()}"
    return SchemaVersion(name=name, version=version, digest=digest, bytes=len(document))


def _key(tenant: str, name: str) -> str:
    return f"llmgw:schemas:{{{tenant}/{name}}}"


def _index(tenant: str) -> str:
    return f"llmgw:schemas:{{{tenant}}}"
