"""The registry in the store: what each script is asked, and what its answers mean."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from llmgw.prompts.registry.audit import Tail, head_of, head_text
from llmgw.prompts.serving.usage import ArmOf, CallerOf, Counted, Sums
from llmgw.prompts.storage import keys, scripts
from llmgw.state.connection import Argument, State
from llmgw.types.call import TENANT
from llmgw.types.errors import InternalError
from llmgw.types.json import encode
from llmgw.types.prompt import PROMPT_NAME, PromptInfo
from llmgw.types.prompt_errors import PromptConflict

PAGE: Final = 500
"""Prompts that are asked for at once."""
PAGE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of contents after which an answer ends."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of all contents of one prompt, which each worker holds in memory."""
EVENTS: Final = 1000
"""Events of an audit that are read at once."""
COUNTS_MS: Final = 90 * 86_400_000
"""How long counts are kept that nobody adds to."""
_FLUSHED_MS: Final = 86_400_000

_decode_info = msgspec.json.Decoder(PromptInfo).decode


class Standing(NamedTuple):
    """Which state the whole registry is in; `epoch` is empty where the store has none."""

    epoch: str
    generation: int


class There(NamedTuple):
    """A prompt as it is; `stamp` is empty where there is none."""

    info: PromptInfo | None
    stamp: str
    tail: Tail


class Found(NamedTuple):
    """A prompt as its reader finds it; `info` is None where it is as known, `stamp` empty where it is gone."""

    stamp: str
    info: bytes | None


class Commit(Struct, frozen=True, kw_only=True):
    """One change with its event, to be made if the prompt is still as it was `there`."""

    tenant: str
    info: PromptInfo
    there: There
    event: bytes
    digest: str
    fields: Mapping[str, bytes] = {}
    claimed: Sequence[str] = ()
    released: Sequence[str] = ()
    begin: bool = True
    """Whether a store without an epoch gets one, from which workers take what it has for all there is."""


class PromptStore:
    """Runs the scripts of prompts."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def standing(self) -> Standing:
        """Read which state the registry is in.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        epoch, generation = await self._state.command("MGET", keys.EPOCH, keys.GENERATION)
        return Standing((epoch or b"").decode(), int(generation or 0))

    async def begin(self) -> None:
        """Give the registry an epoch if it has none."""
        await self._state.command("SET", keys.EPOCH, secrets.token_hex(8), "NX")
        generation = await self._state.command("INCR", keys.GENERATION)
        await self._state.command("PUBLISH", keys.CHANNEL, generation)

    async def peek(self, tenant: str, name: str) -> There:
        """Read a prompt, and where its tenant's audit ends.

        Raises:
            InternalError: what is stored is damaged.
            StoreUnavailable: the store cannot be asked.
        """
        info, stamp, events, head = await self._state.script(
            scripts.PEEK, [keys.prompt(tenant, name), keys.audit(tenant), keys.HEADS], [tenant]
        )
        tail = Tail(int(events), head_of(head).digest)
        if stamp is None or info is None:
            return There(None, "", tail)
        return There(decode_info(info, name), stamp.decode(), tail)

    async def commit(self, wish: Commit) -> bool:
        """Make one change whole, or not at all; False says that the prompt or the audit is not as it was.

        Raises:
            PromptConflict: another prompt is served at an address that this one would be served at, or its
                contents have too many bytes together.
            StoreUnavailable: it is not known whether the change was made.
        """
        name = wish.info.name
        tail = Tail(wish.there.tail.events + 1, wish.digest)
        answer = await self._state.script(
            scripts.COMMIT,
            [
                keys.EPOCH,
                keys.GENERATION,
                keys.CHANGED,
                keys.HEADS,
                keys.prompt(wish.tenant, name),
                keys.audit(wish.tenant),
                keys.slugs(wish.tenant),
            ],
            [
                keys.member(wish.tenant, name),
                wish.there.stamp,
                secrets.token_hex(8),
                encode(wish.info),
                wish.tenant,
                wish.there.tail.events,
                wish.event,
                head_text(tail),
                keys.CHANNEL,
                secrets.token_hex(8) if wish.begin else "",
                len(wish.claimed),
                len(wish.released),
                BYTES_MAX,
                *wish.claimed,
                *wish.released,
                *(part for pair in wish.fields.items() for part in pair),
            ],
        )
        if answer[0] == b"FULL":
            raise PromptConflict(f"the versions of a prompt have at most {BYTES_MAX} bytes together")
        if answer[0] == b"CLAIMED":
            raise PromptConflict(f"the API {answer[1].decode()} is served by the prompt {answer[2].decode()}")
        return bool(answer[0] == b"OK")

    async def members(self, after: int | None = None) -> list[tuple[str, str]]:
        """List tenants and names of all prompts, or of those that changed after a generation."""
        least = "-inf" if after is None else f"({after}"
        found = await self._state.command("ZRANGEBYSCORE", keys.CHANGED, least, "+inf")
        members = [keys.split_member(each) for each in found]
        return [each for each in members if TENANT.fullmatch(each[0]) and PROMPT_NAME.fullmatch(each[1])]

    async def read(self, which: Sequence[tuple[str, str]], stamps: Sequence[str]) -> list[Found]:
        """Read those prompts whose stamps are not the known ones; at most `PAGE` at once."""
        answer = await self._state.script(scripts.READ, [keys.prompt(*each) for each in which], stamps)
        return [
            Found(each[0].decode() if each else "", each[1] if len(each) > 1 else None) for each in answer
        ]

    async def contents(self, wanted: Sequence[tuple[str, str, Sequence[str]]]) -> list[bytes | None]:
        """Read contents of prompts by tenant, name and hashes, in that order, as far as one answer goes."""
        asked: list[Argument] = [PAGE_BYTES]
        for _, _, hashes in wanted:
            asked.extend([len(hashes), *hashes])
        found: list[bytes | None] = await self._state.script(
            scripts.CONTENTS, [keys.prompt(tenant, name) for tenant, name, _ in wanted], asked
        )
        return found

    async def fields(self, tenant: str, name: str, *fields: str) -> tuple[bytes | None, ...]:
        """Read fields of a prompt's hash."""
        return await self._state.hash_fields(keys.prompt(tenant, name), *fields)

    async def put_fields(self, tenant: str, name: str, fields: Mapping[str, bytes]) -> None:
        """Write fields of a prompt's hash that no entry speaks of yet."""
        await self._state.put_hash(keys.prompt(tenant, name), fields)

    async def events(self, tenant: str, first: int) -> list[bytes]:
        """Read the next events of a tenant's audit from a place on, counted from 0."""
        found: list[bytes] = await self._state.command(
            "LRANGE", keys.audit(tenant), first, first + EVENTS - 1
        )
        return found

    async def head(self, tenant: str) -> Tail:
        """Read what is noted of the end of a tenant's audit."""
        (found,) = await self._state.hash_fields(keys.HEADS, tenant)
        return head_of(found)

    async def flush(self, worker: str, batch: int, counted: Mapping[Counted, Sums]) -> None:
        """Add counts; the same batch again adds nothing.

        Raises:
            StoreUnavailable: it is not known whether they were added.
        """
        by_key: dict[str, list[Argument]] = {}
        for what, sums in counted.items():
            match what:
                case CallerOf():
                    key = keys.calls(what.tenant, what.name)
                    start: list[Argument] = [f"{what.version}|{what.key_id}|", what.key_id, what.key_name]
                case ArmOf():
                    key = keys.arms(what.tenant, what.rollout)
                    start = [f"{what.arm}|", "", ""]
            by_key.setdefault(key, []).extend([*start, *msgspec.structs.astuple(sums)])
        arguments: list[Argument] = [batch, _FLUSHED_MS]
        for sums_of in by_key.values():
            arguments.extend([COUNTS_MS, len(sums_of) // 10, *sums_of])
        await self._state.script(scripts.FLUSH, [keys.flushed(worker), *by_key], arguments)

    async def whole(self, key: str) -> dict[str, bytes]:
        """Read a whole hash of counts."""
        found = await self._state.command("HGETALL", key)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return {field.decode("utf-8", "replace"): value for field, value in pairs}

    async def forget(self, key: str, fields: Sequence[str]) -> None:
        """Take fields out of a hash of counts."""
        if fields:
            await self._state.command("HDEL", key, *fields)


def decode_info(stored: bytes, name: str) -> PromptInfo:
    """Read a prompt as it is stored.

    Raises:
        InternalError: it is damaged.
    """
    try:
        info = _decode_info(stored)
    except (msgspec.DecodeError, ValueError):
        raise InternalError(f"what is stored of the prompt {name} cannot be read") from None
    if info.name != name:
        raise InternalError(f"what is stored as the prompt {name} is another one")
    return info
